"""Runs from the queue to their end, by real workers."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import fiftyone.core.odm as foo
import labelvet
import numpy as np
import pytest
from bson import ObjectId
from fiftyone.operators.delegated import DelegatedOperationService
from labelvet.core.mongod import private_mongod
from labelvet.core.ports import free_port
from labelvet.workers.child import CANCELLED
from labelvet.workers.operations import cancel, get_operation
from labelvet.workers.targets import list_targets
from running import SLOW, age, run_process, save_trap, schedule, wait_for_state, wait_until


def names():
    return [target.name for target in list_targets()]


def test_a_worker_registers_runs_what_is_scheduled_and_leaves(coco128, start_worker):
    refused, others = _queue_what_is_refused(coco128)
    worker = start_worker("shelf")
    for id_, sentence in refused.items():
        assert wait_for_state(id_, "failed", "completed").error.startswith(sentence)
    assert get_operation(others).state == "queued"
    wait_until(lambda: names() == ["shelf"])
    id_ = schedule(coco128.limit(10), "on_the_shelf", "shelf")
    elsewhere = schedule(coco128.limit(10), "elsewhere", "another")
    done = wait_for_state(id_, "completed", "failed")
    assert done.state == "completed", done.trace
    assert done.progress == 1.0 and "points under 'on_the_shelf'" in done.line
    assert done.attempts == 1 and "shelf on " in done.worker and done.user
    coco128.reload()
    assert coco128.has_brain_run("on_the_shelf")
    assert wait_for_state(elsewhere, "queued")
    assert worker.stop() == 0
    wait_until(lambda: names() == [])


def _queue_what_is_refused(coco128):
    """Queues what a worker must not run: what it says of each, by id, and one of another plugin."""
    database = foo.get_db_conn()
    old = schedule(coco128.limit(2), "old", "shelf")
    database.delegated_ops.update_one(
        {"_id": ObjectId(old)}, {"$set": {"context.request_params.labelvet.version": "0.0.9"}}
    )
    clone = coco128.limit(2).clone()
    gone = schedule(clone, "gone", "shelf")
    # FiftyOne would delete the operation as well
    database.datasets.delete_one({"_id": clone._doc.id})
    others = DelegatedOperationService().queue_operation(
        "@others/plugin/do",
        delegation_target="shelf",
        context={"request_params": {"dataset_name": coco128.name, "params": {}}},
    )
    return {
        old: "It was scheduled by labelvet 0.0.9, but 'shelf' runs",
        gone: f"The dataset '{clone.name}' was deleted before the run started: nothing was done.",
    }, str(others.id)


def test_a_worker_outlives_every_end_of_a_run(coco128, start_worker, tmp_path):
    worker = start_worker("shelf", env={"LABELVET_CACHE_DIR": str(tmp_path)})

    def begin(samples, key):
        id_ = schedule(samples, key, "shelf", **SLOW)
        wait_until(lambda: "Embedding" in (get_operation(id_).line or ""))
        return id_

    # cancelled: the work really stops
    id_ = begin(coco128, "cancelled")
    child = run_process(worker.process.pid)
    assert "Stopping" in cancel(id_)
    assert wait_for_state(id_, "failed").error == CANCELLED
    wait_until(lambda: not child.is_running())

    # its process is killed, as the system does when the memory is full
    id_ = begin(coco128, "killed")
    child = run_process(worker.process.pid)
    child.kill()
    assert "killed by signal 9" in wait_for_state(id_, "failed").error

    # its dataset is deleted, and with it what FiftyOne knows of the run
    clone = coco128.clone(f"{coco128.name}-clone")
    id_ = begin(clone, "deleted")
    clone.delete()
    worker.wait_for(f"Run {id_} was deleted, marked as failed or taken over: stopping it")

    # another run took its brain key while it waited
    labelvet.compute_visualization(
        coco128, "predictions", "taken", method="pca", embeddings=np.eye(628), overwrite=True
    )
    coco128.delete_brain_run("taken")
    worker.process.send_signal(signal.SIGSTOP)
    id_ = schedule(coco128, "taken", "shelf")
    labelvet.compute_visualization(
        coco128, "predictions", "taken", method="pca", embeddings=np.eye(628)
    )
    worker.process.send_signal(signal.SIGCONT)
    failed = wait_for_state(id_, "failed")
    assert (
        failed.error.startswith("The brain key 'taken' is in use") and failed.trace == failed.error
    )

    coco128.reload()
    assert not {"cancelled", "killed"} & set(coco128.list_brain_runs())
    # a run that is interrupted with its worker goes back to the queue
    id_ = begin(coco128, "interrupted")
    assert worker.stop() == 0
    assert get_operation(id_).state == "queued"


def test_a_run_that_is_done_keeps_its_whole_log(coco128, start_worker, tmp_path):
    (temporary := tmp_path / "tmp").mkdir()
    worker = start_worker("shelf", env={"TMPDIR": str(temporary)})
    for left in temporary.iterdir():  # as a machine tidies up that has run for days
        shutil.rmtree(left)
    for key in ("logged", "logged_too"):
        id_ = schedule(coco128.limit(2), key, "shelf")
        assert wait_for_state(id_, "completed", "failed").state == "completed"
        worker.wait_for(f"Run {id_} ended")
        assert get_operation(id_).log.splitlines()[-1] == "Completed."
    assert "deleted, marked as failed or taken over" not in worker.printed


def test_a_run_that_is_cancelled_while_it_saves_comes_to_its_end(coco128, start_worker):
    worker = start_worker("shelf")
    id_ = schedule(coco128.limit(2), "saved", "shelf")
    saving = {"_id": ObjectId(id_), "status.label": "Saving"}
    asked = {"$set": {"labelvet.cancel": True}}
    child = run_process(worker.process.pid)
    queue = foo.get_db_conn().delegated_ops
    wait_until(lambda: queue.update_one(saving, asked).matched_count, pause=0.001)
    child.suspend()
    time.sleep(14)  # a run that is not saving is killed after 10 s
    assert get_operation(id_).state == "running"
    child.resume()
    done = wait_for_state(id_, "completed", "failed")
    assert done.state == "completed", done.trace
    assert "points under 'saved'" in done.line
    assert done.line.endswith(" It finished before it could be canceled.")
    coco128.reload()
    assert coco128.has_brain_run("saved")

    # one that does not answer before that is killed
    id_ = schedule(coco128.limit(2), "silent", "shelf")
    worker.wait_for(f"Run {id_} starts")
    child = run_process(worker.process.pid)
    child.suspend()
    cancel(id_)
    began = time.monotonic()
    assert wait_for_state(id_, "failed").error == CANCELLED
    assert time.monotonic() - began > 9
    assert not child.is_running()


@pytest.mark.parametrize("take_over", [False, True])
def test_a_run_that_hangs_is_ended(coco128, start_worker, tmp_path, take_over):
    options = ["--take-over"] if take_over else ["--stall-limit", "9"]
    worker = start_worker("shelf", *options, env={"LABELVET_CACHE_DIR": str(tmp_path)})
    id_ = schedule(coco128.limit(60), "hangs", "shelf", overwrite_brain_key=True, **SLOW)
    wait_until(lambda: "patches · " in (get_operation(id_).line or ""))
    child = run_process(worker.process.pid)
    child.send_signal(signal.SIGSTOP)
    age(id_, moved=11)
    if take_over:
        done = wait_for_state(id_, "completed", "failed")
        assert done.state == "completed" and done.attempts == 2
        worker.wait_for(f"Run {id_} made no progress for")
    else:
        failed = wait_for_state(id_, "failed")
        assert failed.error.startswith("It made no progress for 11 min at 'Embedding patches · ")
    assert not child.is_running()
    assert worker.stop() == 0


def test_the_database_is_restarted_during_a_run(start_worker, tmp_path, coco128):
    port = free_port()
    uri = f"mongodb://127.0.0.1:{port}"
    here = {**os.environ, "FIFTYONE_DATABASE_URI": uri, "LABELVET_CACHE_DIR": str(tmp_path / "c")}
    images = sorted(coco128.values("filepath"))

    def there(code, *arguments):
        script = textwrap.dedent(code)
        path = [str(Path(__file__).parents[1] / "helpers")]
        result = subprocess.run(
            [sys.executable, "-c", f"import sys; sys.path += {path}\n{script}", *arguments],
            env=here, capture_output=True, text=True, timeout=240,
        )  # fmt: skip
        assert result.returncode == 0, result.stderr
        return result.stdout.strip()

    with private_mongod(tmp_path / "database", port):
        id_ = there(
            """
            import fiftyone as fo
            from running import SLOW, age, schedule
            dataset = fo.Dataset("restarted", persistent=True)
            dataset.add_samples([
                fo.Sample(filepath=path, predictions=fo.Detections(detections=[
                    fo.Detection(label="a", bounding_box=[0, 0, 0.5 + n / 20, 0.5])
                    for n in range(2)
                ])) for path in sys.argv[1:]
            ])
            print(schedule(dataset, "map", "shelf", **SLOW))
            """,
            *images,
        ).splitlines()[-1]
        worker = start_worker("shelf", env=here)
        worker.wait_for("Embedding patches")
    with private_mongod(tmp_path / "database", port):
        state = there(
            """
            import fiftyone as fo
            from running import wait_for_state
            done = wait_for_state(sys.argv[1], "completed", "failed", seconds=200)
            dataset = fo.load_dataset("restarted")
            has = dataset.has_brain_run("map")
            print(done.state, done.error, has and len(dataset.load_brain_results("map").points))
            """,
            id_,
        ).splitlines()[-1]
        assert state == "completed None 256"
        assert worker.stop() == 0


def test_a_scheduled_model_file_runs_no_code(coco128, start_worker, tmp_path):
    """It has an official name, and lies where the worker runs."""
    sprung = tmp_path / "sprung"
    file = save_trap(tmp_path / "yolo11n-cls.pt", sprung)
    worker = start_worker("shelf", cwd=tmp_path)
    id_ = schedule(coco128.limit(2), "trapped", "shelf", model=file)
    failed = wait_for_state(id_, "failed", "completed")
    assert failed.state == "failed" and "could not be loaded" in failed.error
    assert "LABELVET_TRUSTED_MODELS" in failed.error
    assert not sprung.exists(), worker.printed
    coco128.reload()
    assert "trapped" not in coco128.list_brain_runs()

    # whoever starts a worker may trust a folder
    start_worker("trusting", "--trust-models", str(tmp_path), cwd=tmp_path)
    id_ = schedule(coco128.limit(2), "trusted", "trusting", model=file)
    wait_for_state(id_, "failed", "completed")
    assert sprung.exists()
