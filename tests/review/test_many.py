"""One answer for many labels: counted before, written once, undone once."""

from __future__ import annotations

import pytest
from fiftyone import ViewField as F
from labelvet.approval.candidates import find_candidates
from labelvet.approval.finalize import finalize, remove_turned_down
from labelvet.core.errors import InvalidParameter
from labelvet.dataset.changes import list_changes
from labelvet.dataset.documents import parse_ids
from labelvet.panels.undoing import undo
from labelvet.review.many import answer_many, plan_answers

FIELD = "predictions"
LABELS = f"{FIELD}.detections"


def selected(dataset, labels=None):
    view = dataset if labels is None else dataset.filter_labels(FIELD, labels)
    pairs = [
        (sample, label)
        for sample, ids in zip(*view.values(["id", f"{LABELS}.id"]), strict=True)
        for label in ids or ()
    ]
    samples, ids = zip(*pairs, strict=True)
    return parse_ids(list(samples)), parse_ids(list(ids))


def test_all_are_relabeled_in_one_change(judged):
    assert judged.count_values(f"{LABELS}.label") == {"cat": 16, "dog": 8}
    plan = plan_answers(judged, FIELD, selected(judged), "relabel", "dog")
    assert plan.sentence == "Make 16 labels 'dog'? 8 are 'dog' already: they stay."
    assert judged.count_values(f"{LABELS}.label")["cat"] == 16
    done = answer_many(judged, FIELD, selected(judged), "relabel", "dog", user="ada")
    assert done.changed == 16 and done.sentence == "16 labels are now 'dog'."
    judged.reload()
    assert judged.count_values(f"{LABELS}.label") == {"dog": 24}
    assert judged.count_values(f"{LABELS}.label_before") == {"cat": 16, None: 8}
    assert judged.count_label_tags(FIELD) == {"reviewed": 16}
    (change,) = list_changes(judged)
    assert change.sentence == done.sentence and change.by == "ada"
    undo(judged, change.token)
    judged.reload()
    assert judged.count_values(f"{LABELS}.label") == {"cat": 16, "dog": 8}
    assert judged.count_label_tags(FIELD) == {}


def test_all_are_rejected_but_what_is_approved(judged):
    dogs = F("label") == "dog"
    judged.limit(2).filter_labels(FIELD, dogs).tag_labels("approved", FIELD)
    plan = plan_answers(judged, FIELD, selected(judged, dogs), "reject")
    assert plan.sentence == "Reject 6 labels as not objects? 2 are approved: they stay."
    done = answer_many(judged, FIELD, selected(judged, dogs), "reject", user="ada")
    assert done.sentence == "6 labels are rejected: not an object."
    assert judged.count_label_tags(FIELD) == {"approved": 2, "rejected": 6}


def test_duplicates_are_rejected_as_not_needed(judged):
    dogs = F("label") == "dog"
    sample = judged.first()
    sample.predictions.detections[1].issue = "duplicate"
    sample.save()
    judged.add_dynamic_sample_fields()
    assert plan_answers(judged, FIELD, selected(judged, dogs), "reject").sentence == (
        "Reject 8 labels?"
    )
    done = answer_many(judged, FIELD, selected(judged, dogs), "reject", user="ada")
    assert done.sentence == "8 labels are rejected."
    assert judged.count_values(f"{LABELS}.review") == {
        None: 16, "not an object": 7, "not needed": 1
    }  # fmt: skip
    again = selected(judged.limit(1), dogs)
    assert answer_many(judged, FIELD, again, "reject", user="ada").sentence == (
        "'dog' is rejected: not needed, as another label shows the object."
    )


def test_each_gets_what_its_issue_suggests(judged):
    sample = judged.first()
    first, second, third = sample.predictions.detections
    first.issue, first.suggested_label = "mislabeled", "fox"
    second.issue, second.suggested_box = "misplaced", [0.1, 0.2, 0.3, 0.4]
    # a class that is suggested where it is the box that is wrong is not taken
    second.suggested_label = "fox"
    third.issue, third.suggested_label = "spurious", "fox"
    sample.save()
    judged.add_dynamic_sample_fields()
    rows = selected(judged)
    plan = plan_answers(judged, FIELD, rows, "suggestion")
    assert plan.sentence == (
        "Take the suggestion for 2 labels? 1 would get another class, 1 another box. "
        "22 are without a suggestion: they stay."
    )
    done = answer_many(judged, FIELD, rows, "suggestion", user="ada")
    judged.reload()
    first, second, third = judged.first().predictions.detections
    assert (first.label, second.label, third.label) == ("fox", "dog", "cat")
    assert second.bounding_box == [0.1, 0.2, 0.3, 0.4]
    undo(judged, done.token)
    judged.reload()
    first, second, _ = judged.first().predictions.detections
    assert first.label == "cat" and not hasattr(second, "box_before")
    assert second.bounding_box[0] == pytest.approx(0.3)


def test_nothing_to_change_and_what_is_not_valid_get_a_sentence(judged):
    rows = selected(judged)
    done = answer_many(judged, FIELD, rows, "suggestion", user="ada")
    assert (done.changed, done.token) == (0, None) and "Nothing would change" in done.sentence
    assert list_changes(judged) == []
    for way, label in (("relabel", None), ("relabel", " "), ("shuffle", None)):
        with pytest.raises(InvalidParameter):
            answer_many(judged, FIELD, rows, way, label, user="ada")


@pytest.mark.slow
def test_an_undo_waits_for_labels_that_were_removed(judged):
    rows = selected(judged)
    done = answer_many(judged, FIELD, rows, "relabel", "eel", user="ada")
    removal = finalize(find_candidates(judged, FIELD))
    with pytest.raises(InvalidParameter, match=r"^24 labels were removed since: undo that first"):
        undo(judged, done.token)
    undo(judged, removal.token)
    judged.match_tags("night").tag_labels("rejected", FIELD)
    removal = remove_turned_down(find_candidates(judged, FIELD))
    changed = judged.first()
    changed.predictions.detections[0].label = "cow"
    changed.save()
    (_, said) = undo(judged, done.token)
    assert said == (
        "20 answers were undone. 1 label was changed since: it was left as it is. "
        "3 labels were removed since: undo that first, then this."
    )
    undo(judged, removal.token)
    judged.match_tags("night").untag_labels("rejected", FIELD)
    assert undo(judged, done.token)[1] == "3 answers were undone."
    judged.reload()
    assert judged.count_values(f"{LABELS}.label") == {"cat": 15, "dog": 8, "cow": 1}


def test_an_undo_leaves_what_somebody_else_answered_later(judged):
    rows = selected(judged.limit(2))
    first, later = (
        answer_many(judged, FIELD, rows, "reject", user=user) for user in ("ada", "bob")
    )
    assert undo(judged, first.token)[1].startswith("0 answers were undone. 6 labels were changed")
    judged.reload()
    assert judged.count_values(f"{LABELS}.reviewed_by") == {"bob": 6, None: 18}
    assert judged.count_label_tags(FIELD) == {"rejected": 6}
    assert undo(judged, later.token)[1] == "6 answers were undone."
