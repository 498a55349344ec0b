"""*Runs*, as its web half calls it: what it lists, what it does, and what it refuses."""

from __future__ import annotations

import pytest
from labelvet.panels.runs import Runs
from labelvet.workers.claims import claim_next
from labelvet.workers.operations import get_operation
from panel_app import PanelApp
from running import age, schedule

SENTENCE = (
    "It may be stuck: no progress for 12 min. Cancel it and re-run it; what was done is kept."
)


class Queue(PanelApp):
    panel = Runs


@pytest.fixture
def queue(coco128, empty_queue):
    return Queue(coco128)


@pytest.fixture
def scheduled(coco128, queue):
    return schedule(coco128.limit(2), "never", "shelf")


def test_a_run_through_its_life(queue, scheduled):
    listing = queue("list_operations", limit=10)
    (row,) = listing["operations"]
    assert (row["id"], row["state"], row["target"]) == (scheduled, "queued", "shelf")
    assert row["label"] == "Compute visualization: never" and row["brainKey"] == "never"
    assert listing["counts"] == {"queued": 1} and listing["targets"] == []
    details = queue("details", id=scheduled)["operation"]
    assert details["inputs"]["patches_field"] == "predictions" and details["log"] == ""
    assert queue("cancel", id=scheduled)["sentence"] == "Canceled: it had not started."
    (row,) = queue("list_operations", state="failed", limit=10)["operations"]
    assert row["error"] == "Canceled before it started."
    assert queue("rerun", id=scheduled)["sentence"] == "Queued again."
    newest = queue("list_operations", limit=1)["operations"][0]["id"]
    assert newest != scheduled
    assert queue("mark_failed", id=newest)["sentence"] == "Marked as failed."
    assert queue("delete", id=newest)["sentence"] == "Deleted."
    assert queue("list_operations", limit=10)["counts"] == {"failed": 1}


def test_a_run_that_was_cancelled_is_not_stopping_any_more(queue, scheduled):
    claim = claim_next("shelf", "a worker")
    assert queue("cancel", id=scheduled)["sentence"] == "Stopping: everything done so far is kept."
    (row,) = queue("list_operations", limit=10)["operations"]
    assert row["cancelling"] and row["state"] == "running"
    claim.fail("Canceled.")
    (row,) = queue("list_operations", limit=10)["operations"]
    assert not row["cancelling"] and row["state"] == "failed"


def test_a_run_that_stands_still_is_listed_as_such(queue, scheduled):
    claim = claim_next("shelf", "a worker")
    claim.report(0.5, "Embedding patches · 3 of 40 patches")
    claim.beat("")
    (row,) = queue("list_operations", limit=10)["operations"]
    assert row["stalled"] is None and row["progress"] == 0.5
    age(scheduled, moved=12)
    (row,) = queue("list_operations", limit=10)["operations"]
    assert row["stalled"] == SENTENCE
    assert queue("details", id=scheduled)["operation"]["stalled"] == SENTENCE


def test_who_looks_settles_a_run_whose_worker_is_lost(queue, scheduled):
    claim_next("shelf", "a worker")
    age(scheduled, heartbeat=1)
    (row,) = queue("list_operations", limit=10)["operations"]
    assert row["state"] == "running"  # it may be heard of again
    age(scheduled, suspected=1)
    (row,) = queue("list_operations", limit=10)["operations"]
    assert row["state"] == "failed"
    assert row["error"].startswith("Its worker (a worker) was killed or lost its connection.")


@pytest.mark.parametrize("method", ["details", "cancel", "mark_failed", "rerun", "delete"])
def test_a_forged_run_is_refused(queue, scheduled, judged, method):
    elsewhere = schedule(judged, "never", "shelf")
    forged = [
        *({}, {"id": None}, {"id": 7}, {"id": ""}, {"id": "x" * 501}, {"id": "a\0"}),
        *({"id": {"$ne": None}}, {"id": [scheduled]}, {"id": "nonsense"}, {"id": "0" * 24}),
        {"id": elsewhere},
    ]
    for params in forged:
        check_sentence(queue(method, **params))
    if method == "rerun":
        check_sentence(queue(method, id=scheduled, replace="yes"))
    assert {get_operation(id_).state for id_ in (scheduled, elsewhere)} == {"queued"}
    assert list(queue("list_operations", limit=10)["counts"].values()) == [1]


@pytest.mark.parametrize(
    "params",
    [
        *({}, {"limit": 0}, {"limit": 201}, {"limit": "10"}, {"limit": True}, {"limit": 1.5}),
        *({"limit": 1, "skip": -1}, {"limit": 1, "skip": 2**40}, {"limit": 1, "skip": None}),
        *({"limit": 1, "state": "no state"}, {"limit": 1, "state": {"$ne": 1}}),
    ],
)
def test_a_forged_page_is_refused(queue, scheduled, params):
    check_sentence(queue("list_operations", **params))


def check_sentence(answer):
    assert answer.keys() == {"error", "stale"} and not answer["stale"]
    assert answer["error"].endswith(".") and "Something went wrong" not in answer["error"]
