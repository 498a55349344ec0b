"""Fields that are renamed or deleted before or while something is written into them."""

from contextlib import ExitStack

import fiftyone as fo
import pytest
from invariants import check_opens
from labelvet.approval import finalize as finalizing
from labelvet.approval import label_updates
from labelvet.approval.approve import approve
from labelvet.approval.basket import add_labels
from labelvet.approval.candidates import Selection, find_candidates
from labelvet.approval.finalize import finalize, finish
from labelvet.autolabel.replacing import begin_replacement
from labelvet.autolabel.runs import RUN_IN_REVIEW, AutoLabelRun, save_run
from labelvet.core.errors import FieldGone, LabelvetError
from labelvet.dataset import checked_writes, schema, tags
from labelvet.dataset.changes import begin, list_changes, unique_moment
from labelvet.dataset.documents import samples_of
from labelvet.dataset.tags import tag_view
from labelvet.issues import writing
from labelvet.issues.find import find_label_issues
from labelvet.panels.undoing import undo
from labelvet.review import answers
from labelvet.review.answers import give_answers
from labelvet.review.merging import merge_classes
from labelvet.review.verdicts import Answer
from leaving_fields import leaving

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


@pytest.mark.slow
@pytest.mark.parametrize("how", ["renamed", "deleted"])
@pytest.mark.parametrize("which", [FIELD, TRUTH])
def test_an_undo_of_what_touched_it_is_refused(predicted, which, how):
    candidates = find_candidates(predicted, FIELD)
    run = AutoLabelRun("first", FIELD, "best.pt", None, 0.2, state=RUN_IN_REVIEW)
    save_run(predicted, run)
    replaced = begin_replacement(predicted, run, run)
    merged = merge_classes(predicted, FIELD, "cat", "dog")
    tagged = tag_view(predicted, FIELD, "seen")
    added = add_labels(candidates, Selection((0.5, None)))
    approved = approve(candidates, TRUTH, "replace")
    removed = finalize(candidates)
    gone(predicted, which, how)
    before = raw(predicted)
    every = (removed, approved, added, tagged, merged, replaced)
    for done in every if which == FIELD else (approved,):
        with pytest.raises(LabelvetError, match=which):
            undo(predicted, done.token)
        assert raw(predicted) == before
        check_opens(predicted)
    if how == "renamed":
        predicted.rename_sample_field(f"{which}_before", which)
        for done in every:
            undo(predicted, done.token)
        check_opens(predicted)
        assert predicted.count_label_tags(FIELD) == {}
        assert predicted.count_values(f"{FIELD}.detections.label") == {"cat": 12, "dog": 12}


@pytest.mark.parametrize("which", [FIELD, TRUTH])
@pytest.mark.parametrize("when", ["before a batch", "after its check"])
def test_it_goes_while_an_approval_is_going_on(predicted, monkeypatch, which, when):
    candidates = find_candidates(predicted, FIELD)
    add_labels(candidates, Selection())
    monkeypatch.setattr(label_updates, "_BATCH", 2)
    checks, check_fields = [], schema.check_fields  # once for all, and for each batch

    def go(dataset, names, done=""):
        checks.append(done)
        if when == "before a batch" and len(checks) == 3:
            gone(predicted, which, "deleted")
        check_fields(dataset, names, done)
        if when == "after its check" and len(checks) == 3:
            gone(predicted, which, "deleted")

    monkeypatch.setattr(checked_writes, "check_fields", go)
    with pytest.raises(FieldGone, match=f"'{which}' was renamed or deleted: 2 images had been"):
        approve(candidates, TRUTH)
    check_opens(predicted)


@pytest.mark.parametrize("how", ["renamed", "deleted"])
@pytest.mark.parametrize("which", [FIELD, TRUTH])
@pytest.mark.parametrize("when", ["before", "between batches"])
def test_an_approval_meets_a_field_that_only_the_schema_has_yet(
    predicted, monkeypatch, how, which, when
):
    candidates = find_candidates(predicted, FIELD)
    add_labels(candidates, Selection((None, 0.5)))
    approve(candidates, TRUTH)
    add_labels(candidates, Selection())
    with ExitStack() as stack:
        if when == "before":
            stack.enter_context(leaving(predicted, which, how))
            with pytest.raises(LabelvetError, match=f"'{which}' may have been|basket is empty"):
                approve(candidates, TRUTH)
        else:
            monkeypatch.setattr(label_updates, "_BATCH", 2)
            checks, check_fields = [], schema.check_fields  # for all, and each batch

            def go(*args):
                check_fields(*args)
                checks.append(1)
                if len(checks) == 3:
                    stack.enter_context(leaving(predicted, which, how))

            monkeypatch.setattr(checked_writes, "check_fields", go)
            with pytest.raises(FieldGone, match=f"'{which}' (was|may have been) renamed or"):
                approve(candidates, TRUTH)
    check_opens(predicted)
    assert not predicted.has_sample_field(which)


@pytest.mark.parametrize("least", [0.9, None])
def test_documents_that_never_had_a_field_are_written(predicted, least):
    """FiftyOne leaves a field out of documents that were there before it, and of later ones."""
    predicted.add_sample_field(TRUTH, fo.EmbeddedDocumentField, embedded_doc_type=fo.Detections)
    candidates = find_candidates(predicted, FIELD)
    add_labels(candidates, Selection((least, None)))  # at once in the first image, or not
    approve(candidates, TRUTH)
    if least is not None:
        add_labels(candidates, Selection())
        approve(candidates, TRUTH)
    assert predicted.count(f"{TRUTH}.detections") == 24
    check_opens(predicted)


def test_what_finalize_removes_meets_a_field_that_only_the_schema_has_yet(predicted):
    candidates = find_candidates(predicted, FIELD, "first")
    finalize(candidates)
    with leaving(predicted, f"{FIELD}_removed", "deleted"), pytest.raises(FieldGone):
        finalize(find_candidates(predicted, FIELD))
    check_opens(predicted)
    assert predicted.count(f"{FIELD}.detections") == 12


@pytest.mark.slow
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
    with begin(
        predicted, "removal", "Labels removed.", expires=False, field=FIELD, run="first",
        moment=unique_moment(predicted),
    ):  # fmt: skip
        undo(predicted, first.token)
    assert predicted.has_sample_field(f"{FIELD}_removed")
    finish(find_candidates(predicted, FIELD, "first"))
    assert not predicted.has_sample_field(f"{FIELD}_removed")


def test_a_field_that_another_undo_empties_is_made_again(predicted, monkeypatch):
    """Somebody brings all back that was removed, as another one begins to remove the rest."""
    first = finalize(find_candidates(predicted, FIELD, "first"))
    begin_change = finalizing.begin

    def begin_late(*args, **kwargs):
        undo(predicted, first.token)
        return begin_change(*args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(finalizing, "begin", begin_late)
        done = finalize(find_candidates(predicted, FIELD))
    assert done.removed == 24
    undo(predicted, done.token)
    assert predicted.count(f"{FIELD}.detections") == 24 and list_changes(predicted) == []


@pytest.mark.parametrize("how", ["renamed", "deleted"])
def test_what_was_just_removed_is_not_lost_where_its_field_goes(predicted, monkeypatch, how):
    """The field for what is removed goes between the check of a batch and its update."""
    monkeypatch.setattr(label_updates, "_BATCH", 2)
    checks, check_fields = [], schema.check_fields  # once for all, and for each batch

    def go(dataset, names, done=""):
        check_fields(dataset, names, done)
        checks.append(done)
        if len(checks) == 3:
            gone(predicted, f"{FIELD}_removed", how)

    with monkeypatch.context() as patched:
        patched.setattr(checked_writes, "check_fields", go)
        done = finalize(find_candidates(predicted, FIELD))
    assert done.removed == 16  # of the four images after the field went
    undo(predicted, done.token)
    assert predicted.count(f"{FIELD}.detections") == 16
    left = 8 if how == "renamed" else 0
    before = f"{FIELD}_removed_before"
    assert (predicted.count(f"{before}.detections") if left else 0) == left


@pytest.mark.parametrize("how", ["renamed", "deleted"])
@pytest.mark.parametrize("when", ["before", "after the check", "before the update"])
def test_answers_are_not_written_into_a_field_that_went(predicted, monkeypatch, how, when):
    given = [
        Answer(sample.id, label.id, label.label, "right")
        for sample in predicted
        for label in sample[FIELD].detections
    ]
    kept = give_answers(predicted, FIELD, given[:2], "ada")
    if when == "before":
        gone(predicted, FIELD, how)
        before = raw(predicted)
        for call in (
            lambda: give_answers(predicted, FIELD, given[2:], "ada"),
            lambda: undo(predicted, kept.token),
        ):
            with pytest.raises(LabelvetError, match=FIELD):
                call()
        assert raw(predicted) == before
        return
    step = "check_labels" if when == "after the check" else "begin"
    done = getattr(answers, step)

    def go(*args, **kwargs):
        result = done(*args, **kwargs)
        gone(predicted, FIELD, how)
        return result

    monkeypatch.setattr(answers, step, go)
    if when == "after the check":
        with pytest.raises(FieldGone, match=FIELD):
            give_answers(predicted, FIELD, given[2:], "ada")
    else:
        assert give_answers(predicted, FIELD, given[2:], "ada").changed == 0
    predicted.reload()
    assert not predicted.has_sample_field(FIELD)


@pytest.mark.parametrize("how", ["renamed", "deleted"])
@pytest.mark.parametrize("batch", [5, 2000])
@pytest.mark.parametrize("check", [2, 3])
def test_label_issues_are_not_written_into_a_field_that_went(
    flipped_labels, monkeypatch, how, batch, check
):
    """It goes before the first batch, or after it."""
    dataset, *_ = flipped_labels
    checks, check_labels = [], schema.check_labels

    def go(*args):
        checks.append(1)
        if len(checks) == check:
            gone(dataset, "labels", how)
        check_labels(*args)

    monkeypatch.setattr(writing, "check_labels", go)
    monkeypatch.setattr(writing, "_SAMPLES_PER_WRITE", batch)
    says = "nothing was written" if check == 2 else "the labels before that were updated"
    with pytest.raises(FieldGone, match=f"'labels' was renamed or deleted: {says}"):
        find_label_issues(dataset, "map")


@pytest.mark.parametrize("how", ["renamed", "deleted"])
@pytest.mark.parametrize("batch", [8, 50_000])
@pytest.mark.parametrize("check", [1, 2])
def test_labels_of_a_field_that_went_are_not_said_to_be_tagged(
    predicted, monkeypatch, how, batch, check
):
    """It goes before the first batch or after it; with its name back, what was tagged is undone."""
    checks, check_labels = [], schema.check_labels

    def go(*args):
        checks.append(1)
        if len(checks) == check:
            gone(predicted, FIELD, how)
        check_labels(*args)

    monkeypatch.setattr(tags, "_BATCH", batch)
    with monkeypatch.context() as patched:
        patched.setattr(tags, "check_labels", go)
        done = "8 labels had been changed" if check == 2 and batch == 8 else ""
        with pytest.raises(FieldGone, match=f"'{FIELD}' was renamed or deleted: {done}"):
            tag_view(predicted, FIELD, "seen")
    changes = list_changes(predicted, (tags.TAGGING,))
    assert len(changes) == check - 1
    if how == "renamed" and changes:
        predicted.rename_sample_field(f"{FIELD}_before", FIELD)
        assert predicted.count_label_tags(FIELD) == {"seen": min(batch, 24)}
        undo(predicted, changes[0].token)
        assert predicted.count_label_tags(FIELD) == {}
