import subprocess
import sys
from datetime import datetime, timedelta

import fiftyone as fo
import pytest
from bson import ObjectId
from fiftyone import ViewField as F
from labelvet.approval.approve import approve
from labelvet.approval.basket import add_labels
from labelvet.approval.candidates import Selection, find_candidates
from labelvet.approval.finalize import finalize, finish
from labelvet.approval.rounds import progress
from labelvet.approval.undo import undo_change
from labelvet.core.errors import InvalidParameter, UnknownUndo
from labelvet.dataset import documents
from labelvet.dataset.changes import Change, begin, find_change, list_changes
from labelvet.dataset.documents import samples_of
from labelvet.dataset.holds import Hold
from labelvet.dataset.run_keys import this_writer
from labelvet.dataset.storage import collection_named
from labelvet.dataset.tags import tag_view
from labelvet.panels.undoing import undo, undoable
from labelvet.review import answers
from labelvet.review.answers import give_answers, take_back_change
from labelvet.review.merging import merge_classes
from labelvet.review.verdicts import Answer
from pymongo.errors import AutoReconnect

FIELD = "predictions"


def _answer_all(dataset):
    sample = dataset.first()
    labels = sample[FIELD].detections
    give_answers(
        dataset, FIELD, [Answer(sample.id, one.id, one.label, "right") for one in labels], "ada"
    )


@pytest.mark.parametrize(
    "do", [_answer_all, lambda dataset: merge_classes(dataset, FIELD, "dog", "cat")]
)
def test_an_undo_that_was_cut_off_is_ended_by_the_next_one(judged, do, monkeypatch):
    def die(_):
        raise KeyboardInterrupt

    before = judged.values(f"{FIELD}.detections.label")
    do(judged)
    (change,) = list_changes(judged)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Change, "close", die)
        undo(judged, change.token)
    _, sentence = undo(judged, change.token)
    assert "0 " in sentence and "since" not in sentence  # nobody changed anything
    judged.reload()
    assert judged.values(f"{FIELD}.detections.label") == before


def test_what_was_cut_off_does_not_say_how_many_it_answered(judged, monkeypatch):
    def die(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(answers, "write_entries", die)
        _answer_all(judged)
    assert [one.sentence for one in list_changes(judged)] == ["Answers given."]
    _answer_all(judged)
    assert list_changes(judged)[0].sentence == "3 answers saved."


@pytest.mark.slow
def test_what_can_be_undone_is_listed_newest_first_with_who_and_when(judged):
    candidates = find_candidates(judged, FIELD)
    sample = judged.first()
    label = sample[FIELD].detections[1]
    answer = Answer(sample.id, label.id, label.label, "right")
    give_answers(judged, FIELD, [answer], "ada")
    tag_view(judged.limit(1), FIELD, "seen", by="bob")
    tag_view(judged.limit(1), FIELD, "seen", by="bob")  # changes nothing
    add_labels(candidates, Selection((0.5, None)))
    approve(candidates, "truth", by="cy")
    finalize(candidates, by="cy")
    listed = list_changes(judged)
    kinds = [(one.kind, one.by) for one in listed if one.by in ("ada", "bob", "cy")]
    assert kinds == [("removal", "cy"), ("approval", "cy"), ("tags", "bob"), ("review", "ada")]
    sentences = [one.sentence for one in listed]
    assert sentences[0].endswith("removed that were not approved.")
    assert "approved into 'truth'" in sentences[1]
    assert "'for-approval' was added to" in sentences[2]
    assert sentences[3:] == ["'seen' was added to 3 labels.", "'dog' is right."]
    assert [one.at for one in listed] == sorted((one.at for one in listed), reverse=True)
    assert [one.kind for one in list_changes(judged, ("review",))] == ["review"]
    assert len(list_changes(judged, limit=2)) == 2
    for one in listed:
        change, sentence = undo(judged, one.token)
        assert change.kind == one.kind and sentence.endswith(".")
        with pytest.raises(UnknownUndo):
            undo(judged, one.token)
    assert list_changes(judged) == []
    assert judged.count_label_tags(FIELD) == {}


@pytest.mark.slow
def test_the_order_of_changes_is_the_databases_whatever_the_clock_of_a_machine_says(
    judged, monkeypatch
):
    """The second of two machines has a clock that is a day behind."""
    judged.clone_sample_field(FIELD, "second")
    of_first, of_second = (find_candidates(judged, field) for field in (FIELD, "second"))
    add_labels(of_first, Selection((0.5, None)))
    first = approve(of_first, "truth")
    with monkeypatch.context() as behind:
        behind.setattr(documents, "datetime", Behind)
        assert documents.now() < list_changes(judged)[0].at - timedelta(hours=23)
        for source in (of_first, of_second):
            add_labels(source, Selection())
        rounds = [approve(source, "truth") for source in (of_first, of_second)]
    (kept, again, *_) = list_changes(judged, ("approval",))
    assert [kept.token, again.token] == [one.token for one in reversed(rounds)]
    assert [one.token for one in progress(of_first).rounds] == [first.token, rounds[0].token]
    with pytest.raises(InvalidParameter, match="kept labels of this one: undo that first"):
        undo(judged, first.token)
    for token in (kept.token, again.token, first.token):
        undo(judged, token)
    assert not judged.has_sample_field("truth")


class Behind(datetime):
    @classmethod
    def now(cls, tz=None):
        return datetime.now(tz) - timedelta(days=1)


def test_all_are_listed_of_the_many_answers_as_many_as_are_asked_for(judged):
    finalize(find_candidates(judged, FIELD))
    for number in range(4):
        with begin(judged, "review", f"{number}"):
            pass
    listed, more = undoable(judged, 3)
    assert [one.sentence for one in listed[:3]] == ["3", "2", "1"] and more
    assert len(listed) == 4 and listed[-1].kind == "removal"
    listed, more = undoable(judged, 4)
    assert len(listed) == 5 and not more


def test_another_datasets_changes_are_not_listed(judged, make_dataset):
    tag_view(judged, FIELD, "seen")
    assert list_changes(make_dataset()) == []


@pytest.mark.slow
def test_what_holds_labels_that_are_nowhere_else_never_expires(judged):
    candidates = find_candidates(judged, FIELD)
    add_labels(candidates, Selection((0.5, None)))
    approve(candidates, "truth", "replace")
    finalize(candidates)
    store = collection_named("execution_store")
    of_dataset = {"dataset_id": judged._doc.id, "store_name": "labelvet_undo"}
    store.delete_many({**of_dataset, "expires_at": {"$type": "date"}})  # thirty days later
    removal, approval = list_changes(judged)
    undo(judged, removal.token)
    assert judged.count(f"{FIELD}.detections") == 24
    undo(judged, approval.token)
    finalize(candidates)
    store.delete_many({**of_dataset, "expires_at": {"$type": "date"}})
    assert "24 removed labels deleted" in finish(candidates)
    assert not judged.has_sample_field(f"{FIELD}_removed") and list_changes(judged) == []
    assert judged.match(F(f"{FIELD}.detections").length() > 0).count() == 0


def test_answers_are_taken_back_batch_by_batch(judged, monkeypatch):
    monkeypatch.setattr(answers, "_BATCH", 5)
    before = [one[FIELD] for one in samples_of(judged).find()]
    given = [
        Answer(sample.id, label.id, label.label, "wrong class", "bird")
        for sample in judged
        for label in sample[FIELD].detections
    ]
    done = give_answers(judged, FIELD, given, "ada")
    assert done.changed == 24 and judged.count_values(f"{FIELD}.detections.label") == {"bird": 24}
    assert undo(judged, done.token)[1] == "24 answers were undone."
    assert [one[FIELD] for one in samples_of(judged).find()] == before


@pytest.mark.slow
def test_sixty_thousand_answers_are_written_down(make_dataset, monkeypatch):
    """A document of MongoDB holds 16 MB. What the labels' own updates do, others test with few."""
    dataset = make_dataset()
    dataset.add_sample(fo.Sample("/0.jpg", predictions=fo.Detections(detections=[fo.Detection(
        label="cat", bounding_box=[0, 0, 0.1, 0.1])])))  # fmt: skip
    (like,) = samples_of(dataset).find()
    label = like[FIELD]["detections"][0]
    images = [(ObjectId(), [ObjectId() for _ in range(300)]) for _ in range(200)]
    samples_of(dataset).insert_many(
        [
            {**like, "_id": id_, FIELD: {**like[FIELD], "detections": [
                {**label, "_id": one} for one in ids]}}
            for id_, ids in images
        ]
    )  # fmt: skip
    given = [
        Answer(str(id_), str(one), "cat", "wrong class", "a class of a rather long name " * 6)
        for id_, ids in images
        for one in ids
    ]
    written = []

    def write(*args, back=False):
        written.append(args[3])
        return len(args[3])

    monkeypatch.setattr(answers, "write_entries", write)
    done = give_answers(dataset, FIELD, given, "ada")
    assert done.changed == 60_000
    entries = [one for batch in written for one in batch]
    written.clear()
    assert undo(dataset, done.token)[1] == "60,000 answers were undone."
    assert [one for batch in written for one in batch] == entries
    left = {"store_name": "labelvet_undo", "dataset_id": dataset._doc.id}
    assert collection_named("execution_store").count_documents({**left, "value.entries": {
        "$exists": True}}) == 0  # fmt: skip
    # that they open is seen by a few of them
    samples_of(dataset).delete_many({"_id": {"$in": [id_ for id_, _ in images[1:]]}})


@pytest.mark.parametrize("kind", ["tags", "review", "approval", "removal"])
def test_of_two_that_undo_one_change_at_once_one_does(judged, kind):
    candidates = find_candidates(judged, FIELD)
    tag_view(judged, FIELD, "for-approval")
    if kind == "review":
        sample = judged.first()
        label = sample[FIELD].detections[1]
        give_answers(judged, FIELD, [Answer(sample.id, label.id, label.label, "right")], "ada")
    if kind in ("approval", "removal"):
        approve(candidates, "truth")
    if kind == "removal":
        tag_view(judged, FIELD, "approved", remove=True)
        finalize(candidates)
    token = list_changes(judged, (kind,))[0].token
    one, other, late = (find_change(judged, token) for _ in range(3))
    take_back = take_back_change if kind == "review" else undo_change
    with one.claimed(), pytest.raises(UnknownUndo, match="already being undone"):
        take_back(other)
    take_back(other)
    after = list(samples_of(judged).find())
    with pytest.raises(UnknownUndo, match="already undone"):
        take_back(late)
    assert list(samples_of(judged).find()) == after


def test_a_change_is_undone_once_it_was_made(judged, monkeypatch):
    refused = []

    def undo_while_it_is_made(change, *_):
        with pytest.raises(UnknownUndo, match="still being made: try again") as told:
            undo(judged, change.token)
        refused.append(told)
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(Change, "add_batch", undo_while_it_is_made)
        with pytest.raises(MemoryError):
            tag_view(judged, FIELD, "seen")
    (left,) = list_changes(judged)
    assert refused and undo(judged, left.token)
    assert list_changes(judged) == []


def test_a_change_that_could_not_be_released_is_undone_by_its_process(judged, monkeypatch):
    """The database goes while labels are tagged."""

    def away(*_):
        raise AutoReconnect

    def goes(*_):
        patched.setattr(Hold, "_update", away)
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(Change, "add_batch", goes)
        with pytest.raises(ZeroDivisionError):
            tag_view(judged, FIELD, "seen")
    (left,) = list_changes(judged)
    assert undo(judged, left.token) and list_changes(judged) == []


@pytest.mark.parametrize("being", ["made", "undone"])
def test_a_process_that_died_holds_no_change(judged, being):
    tagged = tag_view(judged, FIELD, "seen")
    died = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
    )
    writer = f"{this_writer().rsplit('_', 1)[0]}_{int(died.stdout)}"
    collection_named("execution_store").update_one(
        {"key": tagged.token},
        {"$set": {"value.held": {"being": being, "writer": writer, "since": ObjectId()}}},
    )
    assert "24 labels no longer have the tag 'seen'" in undo(judged, tagged.token)[1]


def test_what_was_undone_is_forgotten_after_thirty_days_and_rounds_that_stand_are_not(judged):
    candidates = find_candidates(judged, FIELD)
    store = collection_named("execution_store")
    add_labels(candidates, Selection((0.5, None)))
    approved = [approve(candidates, "truth").token]
    undo(judged, approved[0])
    approved.append(approve(candidates, "truth").token)
    finish(candidates)
    expires = [store.find_one({"key": token})["expires_at"] is not None for token in approved]
    assert expires == [True, False]


@pytest.mark.slow
@pytest.mark.parametrize("how", ["deleted", "renamed"])
def test_records_live_as_long_as_the_labels_that_they_are_about(judged, how):
    judged.clone_sample_field(FIELD, "other")
    candidates = find_candidates(judged, FIELD)
    store = collection_named("execution_store")

    def kept():
        done = [approved.token, removed.token]
        return [store.find_one({"key": token})["expires_at"] is None for token in done]

    add_labels(candidates, Selection((0.5, None)))
    approved, removed = approve(candidates, "truth"), finalize(candidates)
    finish(find_candidates(judged, "other"))
    assert kept() == [True, True]
    for name in (FIELD, f"{FIELD}_removed"):
        if how == "deleted":
            judged.delete_sample_field(name)
        else:
            judged.rename_sample_field(name, f"{name}_before")
    finish(find_candidates(judged, "other"))
    assert kept() == [False, False]
    if how == "renamed":
        for name in (FIELD, f"{FIELD}_removed"):
            judged.rename_sample_field(f"{name}_before", name)
        finish(find_candidates(judged, "other"))
        assert kept() == [True, True]
        undo(judged, removed.token)
        assert judged.count(f"{FIELD}.detections") == 24
