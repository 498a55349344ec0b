"""Workers that die, sleep or are slow, as a worker that is busy itself notices them."""

from __future__ import annotations

import signal
from datetime import datetime, timezone

import fiftyone.core.odm as foo
import psutil
from bson import ObjectId
from labelvet.workers.operations import get_operation
from running import age, run_process, schedule, wait_for_state, wait_until


def test_a_busy_worker_notices_who_is_lost(coco128, start_worker):
    workers = {name: start_worker(name, wait=False) for name in ("busy", "killed", "asleep")}
    ids, processes = {}, {}
    for name, worker in workers.items():
        worker.wait_for("serves this database")
        ids[name] = schedule(coco128.limit(2), name, name)
        processes[name] = run_process(worker.process.pid)
        processes[name].suspend()  # its run lasts for as long as the test likes
    workers["killed"].kill()
    since = datetime.now(timezone.utc)

    # one that is suspected, and wakes up in time, keeps its run
    asleep, id_ = workers["asleep"].process, ids["asleep"]
    asleep.send_signal(signal.SIGSTOP)
    age(id_, heartbeat=1)
    wait_until(lambda: is_suspected(id_))
    asleep.send_signal(signal.SIGCONT)
    wait_until(lambda: not is_suspected(id_))
    assert get_operation(id_).state == "running"

    # one that wakes up too late kills its process, and changes nothing
    asleep.send_signal(signal.SIGSTOP)
    age(id_, heartbeat=1)
    wait_until(lambda: is_suspected(id_))
    age(id_, suspected=1)
    lost = wait_for_state(id_, "failed")
    assert lost.error.startswith("Its worker (asleep on ")
    assert processes["asleep"].is_running()
    asleep.send_signal(signal.SIGCONT)
    workers["asleep"].wait_for(f"Run {id_} was deleted, marked as failed or taken over")
    wait_until(lambda: has_ended(processes["asleep"]))
    assert get_operation(id_) == lost

    failed = wait_for_state(ids["killed"], "failed")
    assert failed.error.startswith("Its worker (killed on ")
    assert "re-run it, and it goes on from there" in failed.error
    assert 20 < (failed.finished - since).total_seconds() < 60
    processes["killed"].resume()
    wait_until(lambda: has_ended(processes["killed"]))
    assert get_operation(ids["busy"]).state == "running"
    assert [workers[name].stop() for name in ("busy", "asleep")] == [0, 0]


def is_suspected(id_):
    document = foo.get_db_conn().delegated_ops.find_one({"_id": ObjectId(id_)})
    return "suspected" in document["labelvet"]


def has_ended(process):
    # of one whose parent was killed, nobody may ask how it ended
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
