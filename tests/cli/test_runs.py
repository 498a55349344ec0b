"""``labelvet runs`` as its user runs it."""

from __future__ import annotations

import subprocess

import pytest
from running import LABELVET, schedule


def runs(*arguments, fails=False):
    result = subprocess.run(
        [LABELVET, "runs", *arguments], capture_output=True, text=True, timeout=60
    )
    assert (result.returncode != 0) == fails, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    return result.stderr if fails else result.stdout


@pytest.fixture
def scheduled(coco128, empty_queue):
    return schedule(coco128.limit(2), "never", "nowhere")


def test_runs_from_the_shell(coco128, scheduled):
    listed = runs("list", "--dataset", coco128.name)
    assert scheduled in listed and "queued" in listed and "Compute visualization: never" in listed
    assert "no such runs" in runs("list", "--state", "running")
    shown = runs("show", scheduled)
    assert "brain_key" in shown and "nowhere" in shown
    assert "had not started" in runs("cancel", scheduled)
    assert "Cancelled before it started." in runs("list", "--state", "failed")
    again = runs("rerun", scheduled).removeprefix("Queued as ").strip(" .\n")
    assert "Marked" in runs("mark-failed", again)
    assert "Deleted" in runs("delete", again)
    assert "no run" in runs("show", again, fails=True)
