"""Workers as processes, and operations on their way, for the tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import psutil

LABELVET = str(Path(sys.executable).with_name("labelvet"))
# so that there is time to interfere
SLOW = {"batch_size": 1, "num_workers": 1}
# for machines that do other work as well: how fast it is, benches measure
PATIENCE = 240
URI = "@labelvet/labelvet/compute_visualization"


class WorkerProcess:
    """A ``labelvet worker`` and what it printed."""

    def __init__(self, name, *options, log, env=None, cwd=None):
        self._log = log
        with open(log, "wb") as file:
            self.process = subprocess.Popen(
                [LABELVET, "worker", "--name", name, *options],
                env={**os.environ, **(env or {})},
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=cwd,
            )

    @property
    def printed(self):
        return self._log.read_text(errors="replace")

    def wait_for(self, words, seconds=PATIENCE):
        wait_until(lambda: words in self.printed or self.process.poll() is not None, seconds)
        assert words in self.printed, self.printed

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


def run_process(worker):
    """Returns the process of a worker's run, once its program is loaded: the worker waits for
    that, so that who suspends it before suspends the worker as well."""

    def loaded():
        children = psutil.Process(worker).children()
        return [child for child in children if "labelvet.workers.child" in child.cmdline()]

    (process,) = wait_until(loaded)
    return process


class Trap:
    """A pickle that leaves a file behind when it is opened."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def save_trap(path, sprung):
    """Saves a checkpoint that makes the file ``sprung`` when it is opened; returns its path."""
    import torch

    torch.save({"model": Trap(sprung)}, path)
    return str(path)


def wait_until(condition, seconds=PATIENCE, pause=0.1):
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(pause)
    return value


def schedule(samples, key, target=None, **params):
    """Schedules a visualization as Python does, and returns the operation's id."""
    import fiftyone.operators as foo

    params = {"brain_key": key, "patches_field": "predictions", "method": "pca", **params}
    ctx = {"view": samples.view(), "request_delegation": True, "params": params}
    if target is not None:
        ctx["delegation_target"] = target
    return str(foo.execute_operator(URI, ctx=ctx).result["id"])


def wait_for_state(id_, *states, seconds=PATIENCE):
    from labelvet.workers.operations import get_operation

    def reached():
        operation = get_operation(id_)
        return operation if operation.state in states else None

    return wait_until(reached, seconds)


def age(id_, **minutes):
    """Lets dates that labelvet keeps with an operation lie in the past."""
    import fiftyone.core.odm as foo
    from bson import ObjectId

    query, queue = {"_id": ObjectId(id_)}, foo.get_db_conn().delegated_ops
    ours = queue.find_one(query)["labelvet"]
    dates = {f"labelvet.{n}": ours[n] - timedelta(minutes=m) for n, m in minutes.items()}
    queue.update_one(query, {"$set": dates})
