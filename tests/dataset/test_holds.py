"""What one process has to itself: renewed while it lives, lost when it dies or stands still."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from bson import ObjectId
from labelvet.approval import label_updates
from labelvet.approval.approve import approve
from labelvet.approval.basket import add_labels
from labelvet.approval.candidates import Selection, find_candidates
from labelvet.core.errors import InvalidParameter, TakenOver
from labelvet.dataset import holds, tags
from labelvet.dataset.alone import alone
from labelvet.dataset.changes import list_changes, unique_moment
from labelvet.dataset.documents import samples_of
from labelvet.dataset.holds import check_held
from labelvet.dataset.storage import Storage, collection_named
from labelvet.dataset.stores import begin_record, record_of
from labelvet.dataset.tags import tag_view
from labelvet.panels.undoing import undo
from labelvet.review import answers, merging
from labelvet.review.answers import give_answers
from labelvet.review.merging import merge_classes
from labelvet.review.verdicts import Answer

ELSEWHERE = "another-machine_1"


def held_by(dataset, step, writer, **ago):
    """Lets somebody have a step, who was heard of some time ago."""
    begin_record(dataset, "labelvet_alone", step)
    held = {"being": step, "writer": writer, "since": ObjectId()}
    held["seen"] = unique_moment(dataset) - timedelta(**ago)
    record = record_of(dataset, "labelvet_alone", step)
    collection_named("execution_store").update_one(record, {"$set": {"value.held": held}})


@pytest.mark.slow
def test_a_step_is_held_for_as_long_as_it_takes(make_dataset, monkeypatch):
    monkeypatch.setattr(holds, "_SAID_EVERY_SECONDS", 0.1)
    monkeypatch.setattr(holds, "_LOST_AFTER_SECONDS", 0.5)
    dataset = make_dataset()
    with alone(dataset, "step", "Taken."):
        time.sleep(1)
        with pytest.raises(InvalidParameter, match=r"Taken\."), alone(dataset, "step", "Taken."):
            pass
        check_held()
    with alone(dataset, "step", "Taken."):
        pass


def test_a_ctrl_c_as_it_is_taken_leaves_no_hold(make_dataset, monkeypatch):
    dataset, start = make_dataset(), holds.Thread.start
    threads = []

    def interrupted(thread):
        threads.append(thread)
        start(thread)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(holds.Thread, "start", interrupted)
        with alone(dataset, "step", "Taken."):
            pass
    with alone(dataset, "step", "Taken."):
        check_held()
    threads[0].join(5)
    assert not threads[0].is_alive()


@pytest.mark.parametrize(
    ("ago", "is_free"), [({"seconds": 50}, False), ({"seconds": 70}, True), ({"hours": -1}, True)]
)
def test_who_is_not_heard_of_for_a_minute_has_lost_it(make_dataset, ago, is_free):
    """Nor is one whose word lies ahead, as it does once the database's clock was set back."""
    dataset = make_dataset()
    held_by(dataset, "step", ELSEWHERE, **ago)
    if is_free:
        with alone(dataset, "step", "Taken."):
            check_held()
    else:
        with pytest.raises(InvalidParameter), alone(dataset, "step", "Taken.", patience=0.3):
            pass


def test_who_stood_still_while_another_went_on_writes_no_more(judged, monkeypatch):
    before = list(samples_of(judged).find())
    candidates = find_candidates(judged, "predictions")
    add_labels(candidates, Selection())
    reload = label_updates.reload_samples

    def stand_still(*args):
        held_by(judged, "approve into truth", ELSEWHERE)
        reload(*args)

    with monkeypatch.context() as patched, pytest.raises(TakenOver, match="2 images had been"):
        patched.setattr(label_updates, "_BATCH", 2)
        patched.setattr(label_updates, "reload_samples", stand_still)
        approve(candidates, "truth")
    assert samples_of(judged).count_documents({"truth.detections.0": {"$exists": True}}) == 2
    held_by(judged, "approve into truth", ELSEWHERE, minutes=2)
    for change in list_changes(judged):
        undo(judged, change.token)
    after = list(samples_of(judged).find())
    assert [one["predictions"] for one in after] == [one["predictions"] for one in before]
    assert not judged.has_sample_field("truth")


def _answer(dataset):
    given = [
        Answer(sample.id, label.id, label.label, "right")
        for sample in dataset
        for label in sample.predictions.detections
    ]
    return give_answers(dataset, "predictions", given, "ada")


@pytest.mark.parametrize(
    ("module", "batch", "change", "changed"),
    [
        (tags, "_BATCH", lambda d: tag_view(d, "predictions", "seen"), {"tags": "seen"}),
        (answers, "_BATCH", _answer, {"review": "right"}),
        (merging, "_SAMPLES_PER_WRITE", lambda d: merge_classes(d, "predictions", "dog", "cat"),
         {"label": "cat"}),
    ],
)  # fmt: skip
def test_a_change_that_another_one_took_over_is_neither_made_nor_undone_further(
    judged, monkeypatch, module, batch, change, changed
):
    monkeypatch.setattr(module, batch, 2)
    refresh = Storage.refresh

    def count():
        has = {f"predictions.detections.{name}": value for name, value in changed.items()}
        stages = [{"$unwind": "$predictions.detections"}, {"$match": has}, {"$count": "n"}]
        return next(iter(samples_of(judged).aggregate(stages)), {"n": 0})["n"]

    def stand_still(*args):
        """As if this process had, after a batch, for a minute in which another one took over."""
        held = {"dataset_id": judged._doc.id, "value.held": {"$exists": True}}
        other = {"$set": {"value.held.since": ObjectId()}}
        collection_named("execution_store").update_many(held, other)
        refresh(*args)

    before = count()
    with monkeypatch.context() as patched, pytest.raises(TakenOver, match=r"had been .* before"):
        patched.setattr(Storage, "refresh", stand_still)
        change(judged)
    made = count() - before
    assert made in (2, 4)
    (one,) = list_changes(judged)
    undo(judged, one.token)
    assert count() == before

    change(judged)
    whole = count()
    assert whole - before > 4
    (one,) = list_changes(judged)
    with monkeypatch.context() as patched, pytest.raises(TakenOver):
        patched.setattr(Storage, "refresh", stand_still)
        undo(judged, one.token)
    assert 0 < whole - count() <= 6 and count() > before
    undo(judged, one.token)
    assert count() == before
