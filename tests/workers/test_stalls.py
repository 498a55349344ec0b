"""Runs that stand still although their worker says that they go on, in a real database."""

from __future__ import annotations

import time

import pytest
from labelvet.workers.child import CANCELLED
from labelvet.workers.claims import claim_next
from labelvet.workers.operations import get_operation, list_operations
from labelvet.workers.serving import _overdue
from labelvet.workers.stalls import Standstill
from running import age, schedule

COUNTING = "Embedding patches · 3 of 40 patches · 2.0/s · 0:18 left"
SILENT = "Finding neighbors"
WRITING = "Writing attributes · 3 of 40 labels"


@pytest.fixture
def claimed(coco128):
    schedule(coco128.limit(2), "never", "shelf")
    return claim_next("shelf", "a worker")


@pytest.mark.parametrize(
    "line, moved, busy, stalled",
    [
        (COUNTING, 9, 9, None),
        (COUNTING, 12, 0, "no progress for 12 min"),
        # a call into a library may take long, as long as it computes
        (SILENT, 50, 1, None),
        (SILENT, 50, 12, "no progress for 50 min"),
        (SILENT, 150, 0, "no progress for 2.5 h"),
    ],
)
def test_a_time_that_fits_the_stage(claimed, line, moved, busy, stalled):
    claimed.report(0.5, line)
    claimed.beat("", busy=True)
    age(claimed.operation, moved=moved, busy=busy)
    still = claimed.beat("", busy=False)
    assert still.stalled == (stalled is not None)
    for said in (get_operation(str(claimed.operation)).stalled, list_operations()[0].stalled):
        assert said == (stalled and f"It may be stuck: {stalled}. Cancel it and re-run it; what "
                        "was done is kept.")  # fmt: skip


def test_a_canceled_run_may_write_for_as_long_as_it_moves():
    def overdue(stage, seconds):
        return _overdue(Standstill(seconds, 0.0, stage), deadline=0.0)

    assert overdue(COUNTING, 1) == _overdue(None, deadline=0.0) == CANCELLED
    assert _overdue(None, deadline=time.monotonic() + 9) is None
    assert overdue("Saving", 3500) is None and overdue(WRITING, 500) is None
    assert overdue(WRITING, 660) == (
        f"Canceled, and stopped after no progress for 11 min at '{WRITING}': part of it may have "
        "been written. Re-run it to write the rest."
    )


def test_only_progress_is_progress(claimed):
    claimed.report(0.5, COUNTING)
    age(claimed.operation, moved=12)
    # the rate falls and the time left grows, while nothing moves
    claimed.report(0.5, COUNTING.replace("2.0/s", "1.0/s"))
    assert claimed.beat("").stalled
    claimed.report(0.6, COUNTING)
    assert not claimed.beat("").stalled
    age(claimed.operation, moved=12)
    claimed.report(0.6, "Saving")
    assert claimed.beat("").seconds < 60


def test_a_run_that_ended_stands_still_for_good(claimed):
    age(claimed.operation, moved=1000)
    assert claimed.fail("It broke.")
    assert get_operation(str(claimed.operation)).stalled is None
