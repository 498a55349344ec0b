"""Fields that are renamed or deleted before or while something is written into them."""

import fiftyone as fo
import pytest
from invariants import check_opens
from labelvet.approval import label_updates
from labelvet.approval.approve import approve
from labelvet.approval.basket import add_labels
from labelvet.approval.candidates import Selection, find_candidates
from labelvet.approval.finalize import finalize, finish
from labelvet.core.errors import FieldGone, LabelvetError
from labelvet.dataset import schema
from labelvet.dataset.changes import begin, unique_moment
from labelvet.dataset.documents import samples_of
from labelvet.dataset.tags import tag_view
from labelvet.panels.undoing import undo

FIELD, TRUTH = "predictions", "truth"


def gone(dataset, name, how):
    other = fo.load_dataset(dataset.name)
    if how == "renamed":
        other.rename_sample_field(name, f"{name}_before")
    else:
        other.delete_sample_field(name)


def raw(dataset):
    return [
        {name: value for name, value in document.items() if name != "last_modified_at"}
        for document in samples_of(dataset).find()
    ]


@pytest.mark.parametrize("how", ["renamed", "deleted"])
@pytest.mark.parametrize("which", [FIELD, TRUTH])
def test_an_undo_of_what_touched_it_is_refused(predicted, which, how):
    candidates = find_candidates(predicted, FIELD)
    tagged = tag_view(predicted, FIELD, "seen")
    added = add_labels(candidates, Selection((0.5, None)))
    approved = approve(candidates, TRUTH, "replace")
    removed = finalize(candidates)
    gone(predicted, which, how)
    before = raw(predicted)
    tokens = {FIELD: (removed, approved, added, tagged), TRUTH: (approved,)}[which]
    for done in tokens:
        with pytest.raises(LabelvetError, match=which):
            undo(predicted, done.token)
        assert raw(predicted) == before
        check_opens(predicted)
    if how == "renamed":
        predicted.rename_sample_field(f"{which}_before", which)
        for done in (removed, approved, added, tagged):
            undo(predicted, done.token)
        check_opens(predicted)
        assert predicted.count_label_tags(FIELD) == {}


@pytest.mark.parametrize("which", [FIELD, TRUTH])
@pytest.mark.parametrize("when", ["before a batch", "after its check"])
def test_it_goes_while_an_approval_is_going_on(predicted, monkeypatch, which, when):
    candidates = find_candidates(predicted, FIELD)
    add_labels(candidates, Selection())
    monkeypatch.setattr(label_updates, "_BATCH", 2)
    checks, check_fields = [], schema.check_fields

    def go(dataset, names, done=""):
        checks.append(done)
        if when == "before a batch" and len(checks) == 3:
            gone(predicted, which, "deleted")
        check_fields(dataset, names, done)
        if when == "after its check" and len(checks) == 3:
            gone(predicted, which, "deleted")

    monkeypatch.setattr(label_updates, "check_fields", go)
    with pytest.raises(FieldGone, match=f"'{which}' was renamed or deleted: 2 images had been"):
        approve(candidates, TRUTH)
    check_opens(predicted)


def test_ground_truth_that_an_undo_deleted_is_not_written_again(predicted):
    """Two fields approved into a new one, the second all covered; undone in either order."""
    predicted.clone_sample_field(FIELD, "second")
    rounds = []
    for field in (FIELD, "second"):
        candidates = find_candidates(predicted, field)
        add_labels(candidates, Selection())
        rounds.append(approve(candidates, TRUTH, "keep"))
        check_opens(predicted)
    assert rounds[1].known == 24
    with pytest.raises(LabelvetError, match="undo that first"):
        undo(predicted, rounds[0].token)
    check_opens(predicted)
    for done in reversed(rounds):
        undo(predicted, done.token)
        check_opens(predicted)
    assert not predicted.has_sample_field(TRUTH)


def test_a_field_that_another_change_moves_labels_to_is_not_deleted_as_empty(predicted):
    """Somebody finalizes a run while another one undoes the finalizing of the rest."""
    first = finalize(find_candidates(predicted, FIELD))
    begin(
        predicted, "removal", "Labels removed.", expires=False, field=FIELD, run="first",
        moment=unique_moment(predicted),
    )  # fmt: skip
    undo(predicted, first.token)
    assert predicted.has_sample_field(f"{FIELD}_removed")
    finish(find_candidates(predicted, FIELD, "first"))
    assert not predicted.has_sample_field(f"{FIELD}_removed")
