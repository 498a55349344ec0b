"""What undoing an earlier change does: the table in docs/auto-labeling.md, row by row."""

from threading import Thread

import pytest
from labelvet.approval import approve as approving
from labelvet.approval.approve import approve
from labelvet.approval.basket import add_labels
from labelvet.approval.candidates import Selection, find_candidates
from labelvet.approval.finalize import finalize, finish, remove_turned_down
from labelvet.approval.undo import undo
from labelvet.core.errors import InvalidParameter, UnknownUndo
from labelvet.dataset.tags import tag_view
from labelvet.panels.undoing import undo as undo_any
from labelvet.review.merging import merge_classes

FIELD, TRUTH = "predictions", "ground_truth"


def approve_all(dataset, field=FIELD, how="keep"):
    candidates = find_candidates(dataset, field)
    add_labels(candidates, Selection())
    return approve(candidates, TRUTH, how)


def ids(dataset, field):
    dataset.reload()
    return sorted(dataset.values(f"{field}.detections.id", unwind=True))


@pytest.mark.parametrize(("how", "did"), [("keep", "kept"), ("replace", "replaced")])
def test_an_approval_that_a_later_one_counts_on_is_refused(predicted, how, did):
    predicted.clone_sample_field(FIELD, "second")
    first, later = approve_all(predicted), approve_all(predicted, "second", how)
    before = ids(predicted, TRUTH)
    with pytest.raises(InvalidParameter, match=f"{did} labels of this one: undo that first"):
        undo(predicted, first.token)
    assert ids(predicted, TRUTH) == before
    undo(predicted, later.token)
    undo(predicted, first.token)
    assert not predicted.has_sample_field(TRUTH)


@pytest.mark.slow
def test_an_approval_that_begins_while_another_is_undone_waits(predicted, monkeypatch):
    predicted.clone_sample_field(FIELD, "second")
    first, check, later = approve_all(predicted), approving._check_later, []
    thread = Thread(target=lambda: later.append(approve_all(predicted, "second")))

    def then_begin(change):
        check(change)
        thread.start()
        thread.join(1)  # it would be through by then

    monkeypatch.setattr(approving, "_check_later", then_begin)
    undo(predicted, first.token)
    thread.join()
    assert [(one.approved, one.known) for one in later] == [(24, 0)]
    assert len(ids(predicted, TRUTH)) == 24


def test_one_whose_labels_a_finished_one_kept_stays(predicted):
    predicted.clone_sample_field(FIELD, "second")
    first = approve_all(predicted)
    approve_all(predicted, "second")
    finish(find_candidates(predicted, "second"))
    with pytest.raises(InvalidParameter, match="kept labels of this one: it is finished"):
        undo(predicted, first.token)


def test_one_whose_labels_a_finished_one_replaced_has_none_in_ground_truth(predicted, labels_with):
    predicted.clone_sample_field(FIELD, "second")
    first, later = approve_all(predicted), approve_all(predicted, "second", "replace")
    finish(find_candidates(predicted, "second"))
    undo(predicted, first.token)
    assert labels_with("for-approval") == [*range(24)]
    predicted.reload()
    sources = predicted.values(f"{TRUTH}.detections.approved_at", unwind=True)
    assert len(sources) == later.approved == 24 and len(set(sources)) == 1


def test_of_any_other_approval_only_its_own_labels_leave(predicted, labels_with):
    candidates = find_candidates(predicted, FIELD)
    add_labels(candidates, Selection((0.0, 0.4)))
    first = approve(candidates, TRUTH)
    add_labels(candidates, Selection())
    second = approve(candidates, TRUTH)
    undo(predicted, first.token)
    assert labels_with("for-approval") == [*range(first.approved)]
    assert len(ids(predicted, TRUTH)) == second.approved == 24 - first.approved


def test_after_finalize_its_labels_are_in_the_basket_and_what_was_removed_stays_so(
    predicted, labels_with
):
    candidates = find_candidates(predicted, FIELD)
    add_labels(candidates, Selection((0.0, 0.4)))
    done = approve(candidates, TRUTH)
    removal = finalize(candidates)
    undo(predicted, done.token)
    assert labels_with("for-approval") == [*range(done.approved)]
    assert predicted.count(f"{FIELD}_removed.detections") == removal.removed == 24 - done.approved
    undo(predicted, removal.token)
    assert predicted.count(f"{FIELD}.detections") == 24
    assert labels_with("not-approved") == []  # of an approval that is none any more


@pytest.mark.parametrize("patches", [False, True])
def test_a_flag_that_was_removed_comes_back_but_over_a_later_word(predicted, labels_with, patches):
    candidates = find_candidates(predicted, FIELD)
    add_labels(candidates, Selection((0.16, 0.28)))  # these are flagged in the basket
    tag_view(predicted.limit(2), FIELD, "needs-review")
    shown = predicted.to_patches(FIELD) if patches else None
    removed = tag_view(predicted.limit(2), FIELD, "needs-review", remove=True)
    add_labels(candidates, Selection((0.0, 0.04)))
    assert undo(predicted, removed.token).startswith("6 labels have the tag")
    assert labels_with("needs-review") == [*range(2, 8)]
    assert labels_with("for-approval") == [0, 1, 4, 5, 6, 7]
    if shown is not None:
        assert shown.count_label_tags(FIELD) == {"needs-review": 6, "for-approval": 6}


def test_a_flag_and_a_merge_wait_for_labels_that_were_removed(predicted, labels_with):
    merge = merge_classes(predicted, FIELD, "cat", "dog")
    flag = tag_view(predicted, FIELD, "needs-review")
    done = remove_turned_down(find_candidates(predicted, FIELD))
    for change, number in ((flag, 24), (merge, 12)):
        with pytest.raises(InvalidParameter, match=f"^{number} labels were removed since: undo"):
            undo_any(predicted, change.token)
    for change in (done, flag, merge):
        undo_any(predicted, change.token)
    assert labels_with("needs-review") == []
    assert predicted.count_values(f"{FIELD}.detections.label") == {"cat": 12, "dog": 12}


def test_what_delete_flagged_removed_is_gone_for_good_after_finish(predicted):
    tag_view(predicted.limit(2), FIELD, "needs-review")
    done = remove_turned_down(find_candidates(predicted, FIELD))
    assert done.removed == 8
    assert "8 removed labels deleted" in finish(find_candidates(predicted, FIELD))
    assert not predicted.has_sample_field(f"{FIELD}_removed")
    with pytest.raises(UnknownUndo):
        undo(predicted, done.token)
    assert predicted.count(f"{FIELD}.detections") == 16


def test_what_finish_closed_stays(predicted, labels_with):
    candidates = find_candidates(predicted, FIELD)
    added = add_labels(candidates, Selection())
    done = approve(candidates, TRUTH)
    finish(candidates)
    with pytest.raises(UnknownUndo):
        undo(predicted, done.token)
    undo(predicted, added.token)  # a tag, which an approval followed
    assert labels_with("approved") == [*range(24)] and len(ids(predicted, TRUTH)) == 24
