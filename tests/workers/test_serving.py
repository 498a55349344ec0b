"""Runs from the queue to their end, by real workers."""

from __future__ import annotations

from labelvet.workers.targets import list_targets
from running import schedule, wait_for_state, wait_until


def names():
    return [target.name for target in list_targets()]


def test_a_worker_registers_runs_what_is_scheduled_and_leaves(coco128, start_worker):
    worker = start_worker("shelf")
    assert names() == ["shelf"]
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
