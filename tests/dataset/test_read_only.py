"""Fields that somebody made read-only: nothing writes into them, each says so before any work."""

from __future__ import annotations

import pytest
from labelvet.approval.candidates import find_candidates
from labelvet.approval.finalize import finalize, remove_turned_down
from labelvet.autolabel.runs import check_label_field
from labelvet.core.errors import InvalidParameter
from labelvet.dataset.changes import list_changes
from labelvet.dataset.documents import samples_of
from labelvet.dataset.storage import collection_named
from labelvet.dataset.tags import tag_view
from labelvet.issues import find
from labelvet.issues.box_checks import check_boxes
from labelvet.issues.find import find_label_issues
from labelvet.issues.writing import remove_label_issues
from labelvet.panels.undoing import undo
from labelvet.review.answers import give_answers
from labelvet.review.merging import merge_classes
from labelvet.review.verdicts import Answer

FIELD = "predictions"


def lock(dataset, field=FIELD, locked=True):
    """Makes the field read-only as another process does, which this one has not heard of."""
    of_field = {"_id": dataset._doc.id, "sample_fields.name": field}
    locking = {"$set": {"sample_fields.$.read_only": locked}}
    collection_named("datasets").update_one(of_field, locking)


def answer(dataset):
    sample = dataset.first()
    label = sample[FIELD].detections[0]
    return give_answers(dataset, FIELD, [Answer(sample.id, label.id, label.label, "right")], "ada")


def merge(dataset):
    one, other = sorted(dataset.distinct(f"{FIELD}.detections.label"))[:2]
    return merge_classes(dataset, FIELD, one, other)


WRITES = {
    "tag": lambda dataset: tag_view(dataset, FIELD, "seen"),
    "answer": answer,
    "merge": merge,
    "delete": lambda dataset: remove_turned_down(find_candidates(dataset, FIELD)),
    "finalize": lambda dataset: finalize(find_candidates(dataset, FIELD)),
    "boxes": lambda dataset: check_boxes(dataset, FIELD),
    "label": lambda dataset: check_label_field(dataset, FIELD),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_nothing_is_written_into_one(judged, write):
    tag_view(judged.limit(1), FIELD, "needs-review")
    lock(judged)
    documents, changes = list(samples_of(judged).find()), len(list_changes(judged))
    schema = set(judged.get_field_schema(flat=True))
    with pytest.raises(InvalidParameter, match="is read-only: make it writable"):
        write(judged)
    judged.reload()
    assert list(samples_of(judged).find()) == documents
    assert len(list_changes(judged)) == changes
    assert set(judged.get_field_schema(flat=True)) == schema


def test_label_issues_are_refused_before_labels_are_judged(flipped_labels, monkeypatch):
    dataset, _ = flipped_labels
    lock(dataset, "labels")
    monkeypatch.setattr(find, "find_suspects", None)
    with pytest.raises(InvalidParameter, match="is read-only"):
        find_label_issues(dataset, "map")


@pytest.mark.parametrize("name", ["tag", "answer", "merge", "finalize"])
def test_nor_by_an_undo(judged, name):
    done = WRITES[name](judged)
    lock(judged)
    documents = list(samples_of(judged).find())
    with pytest.raises(InvalidParameter, match="is read-only"):
        undo(judged, done.token)
    assert list(samples_of(judged).find()) == documents
    lock(judged, locked=False)
    undo(judged, done.token)
    assert list(samples_of(judged).find()) != documents


def test_nor_are_label_issues_removed(judged):
    check_boxes(judged, FIELD)
    lock(judged)
    with pytest.raises(InvalidParameter, match="is read-only"):
        remove_label_issues(judged)
    lock(judged, locked=False)
    assert remove_label_issues(judged)
