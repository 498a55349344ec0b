"""The review queue: what is asked first, answers in the database, undo, and what was learned."""

from __future__ import annotations

import fiftyone as fo
import pytest
from fiftyone import ViewField as F
from labelvet.approval.approve import approve
from labelvet.approval.basket import add_labels
from labelvet.approval.candidates import Selection, find_candidates
from labelvet.core.errors import InvalidParameter, UnknownUndo
from labelvet.dataset.documents import parse_ids
from labelvet.dataset.states import FLAGGED_TAG
from labelvet.dataset.tags import tag_view
from labelvet.issues.find import find_label_issues
from labelvet.issues.findings import load_findings
from labelvet.issues.writing import remove_label_issues
from labelvet.panels.undoing import undo
from labelvet.review.answers import give_answers
from labelvet.review.queue import next_issues
from labelvet.review.verdicts import Answer
from taking_back import take_back

FIELD = "labels"


@pytest.fixture
def judged(flipped_labels):
    dataset, flipped = flipped_labels
    find_label_issues(dataset, "map")
    return dataset, flipped


def label(dataset, id_):
    dataset.reload()
    (sample,) = dataset.match_labels(ids=[id_])
    return next(found for found in sample[FIELD].detections if found.id == id_)


def answer(item, verdict, name=None):
    return Answer(item.sample_id, item.id, item.label, verdict, name)


def rename(dataset, item, name):
    value = {"sample_id": item.sample_id, "label_id": item.id, "value": name}
    dataset.set_label_values(f"{FIELD}.detections.label", [value])


def test_nothing_is_asked_before_issues_were_looked_for(flipped_labels):
    dataset, _ = flipped_labels
    assert next_issues(dataset, "map", 5) is None
    find_label_issues(dataset, "map")
    assert next_issues(dataset, "map", 5).left == 120
    remove_label_issues(dataset)
    assert next_issues(dataset, "map", 5) is None


@pytest.mark.slow
def test_the_most_suspicious_comes_first_with_its_evidence(judged):
    dataset, flipped = judged
    queue = next_issues(dataset, "map", 40)
    suspicions = [item.suspicion for item in queue.items]
    assert suspicions == sorted(suspicions, reverse=True)
    suspected = [item for item in queue.items if item.issue == "mislabeled"]
    assert len(suspected) >= 4 and {item.id for item in suspected} <= set(flipped)
    for item in suspected:
        looks = [label(dataset, id_).label for id_ in item.examples]
        assert len(looks) == 5 and set(looks) == {item.suggested}
        assert item.reason and len(item.neighbors) == 10
    estimate = queue.estimate
    assert estimate.low <= estimate.left <= estimate.high and queue.sentence


@pytest.mark.slow
def test_answers_are_kept_with_who_and_when_and_undone(judged):
    dataset, _ = judged
    wrong, spurious, fine, skipped = next_issues(dataset, "map", 4).items
    relabeled = give_answers(dataset, FIELD, [answer(wrong, "wrong class", wrong.suggested)], "ada")
    assert relabeled.changed == 1 and f"is now '{wrong.suggested}'" in relabeled.sentence
    kept = label(dataset, wrong.id)
    assert (kept.label, kept.label_before) == (wrong.suggested, wrong.label)
    assert (kept.review, kept.reviewed_by) == ("wrong class", "ada") and kept.reviewed_at
    assert "reviewed" in kept.tags
    give_answers(dataset, FIELD, [answer(spurious, "not an object")], "ada")
    assert label(dataset, spurious.id).tags == ["rejected"]
    give_answers(dataset, FIELD, [answer(fine, "right"), answer(skipped, "skipped")], "ada")
    assert label(dataset, fine.id).tags == ["reviewed"]
    assert label(dataset, skipped.id).tags == []

    queue = next_issues(dataset, "map", 200)
    assert queue.reviewed == 3 and queue.left == 116
    assert not {wrong.id, spurious.id, fine.id, skipped.id} & {item.id for item in queue.items}

    assert take_back(dataset, relabeled.token).changed == 1
    back = label(dataset, wrong.id)
    assert back.label == wrong.label and back.tags == []
    assert not hasattr(back, "review") and not hasattr(back, "label_before")
    assert wrong.id in {item.id for item in next_issues(dataset, "map", 200).items}
    with pytest.raises(UnknownUndo):
        take_back(dataset, relabeled.token)


def test_a_label_whose_object_another_label_shows_is_not_needed(judged):
    dataset, _ = judged
    items = next_issues(dataset, "map", 3).items
    kept = load_findings(dataset, "map")
    for item, issue in zip(items, ("duplicate", "misplaced", "misplaced"), strict=True):
        sample = dataset[item.sample_id]
        next(one for one in sample[FIELD].detections if one.id == item.id).issue = issue
        sample.save()
    (row,) = kept.rows_of(parse_ids([items[1].sample_id]), parse_ids([items[1].id]))
    kept.found.holder[row] = 0
    again = {item.id: item for item in next_issues(dataset, "map", 3).items}
    assert [again[item.id].needless for item in items] == [True, True, False]
    give_answers(dataset, FIELD, [answer(items[0], "not needed")], "ada")
    assert label(dataset, items[0].id).review == "not needed"
    assert states(dataset, items[0]) == ["rejected"]
    # a rejection whose tag somebody took away says nothing
    dataset.select_labels(ids=[items[0].id]).untag_labels("rejected", FIELD)
    assert items[0].id in {item.id for item in next_issues(dataset, "map", 200).items}


def test_what_others_changed_meanwhile_stays(judged):
    dataset, _ = judged
    changed, deleted, kept = next_issues(dataset, "map", 3).items
    rename(dataset, changed, "c9")
    dataset.delete_labels(ids=[deleted.id])
    done = give_answers(
        dataset, FIELD, [answer(item, "right") for item in (changed, deleted, kept)], "ada"
    )
    assert (done.changed, done.refused) == (1, 2) and "approved or deleted" in done.sentence
    assert not hasattr(label(dataset, changed.id), "review")
    queue = next_issues(dataset, "map", 5)
    assert queue.passed == 2 and "again to judge them" in queue.sentence

    # an undo leaves alone what somebody changed after the answer
    rename(dataset, kept, "c9")
    assert take_back(dataset, done.token).changed == 0
    assert label(dataset, kept.id).label == "c9"


def test_labels_that_are_gone_are_not_expected_to_be_wrong(judged):
    dataset, _ = judged
    first = next_issues(dataset, "map", 200)
    dataset.delete_samples(dataset.take(20, seed=51).values("id"))
    left = dataset.count(f"{FIELD}.detections")
    # more than a page of the most suspicious ones are passed over
    ids = [item.id for item in first.items if dataset.select_labels(ids=[item.id]).count()][:30]
    ids = set(ids)
    for sample in dataset.iter_samples(autosave=True):
        for one in sample[FIELD].detections:
            one.label = "c9" if one.id in ids else one.label
    queue = next_issues(dataset, "map", 1)
    assert len(queue.items) == 1 and queue.items[0].id not in ids
    assert queue.left == queue.estimate.among == left - 30
    assert queue.passed == first.left - queue.left
    assert queue.estimate.left < first.estimate.left


def test_it_learns_from_tags_set_anywhere(judged):
    dataset, _ = judged
    before = next_issues(dataset, "map", 200)
    rejected = [item.id for item in before.items[60:80]]
    dataset.select_labels(ids=rejected).tag_labels("rejected", FIELD)
    flagged = before.items[-1]
    dataset.select_labels(ids=[flagged.id]).tag_labels("needs-review", FIELD)
    approved = [item.id for item in before.items[20:40]]
    dataset.select_labels(ids=approved).tag_labels("approved", FIELD)
    after = next_issues(dataset, "map", 200)
    assert after.items[0].id == flagged.id and after.items[0].flagged
    assert after.left == 80
    assert not {*rejected, *approved} & {item.id for item in after.items}
    was = {item.id: item.suspicion for item in before.items}
    assert any(abs(was[item.id] - item.suspicion) > 0.01 for item in after.items)


def test_flags_say_what_comes_first_and_not_that_it_is_wrong(judged):
    """A flag may have been given to a whole cluster, right labels and wrong ones."""
    dataset, _ = judged
    before = next_issues(dataset, "map", 200)
    flagged = [item.id for item in before.items[30:90]]
    dataset.select_labels(ids=flagged).tag_labels("needs-review", FIELD)
    after = next_issues(dataset, "map", 200)
    assert [item.id for item in after.items[:60]] == flagged and after.left == before.left
    was = {item.id: item.suspicion for item in before.items}
    assert was == {item.id: item.suspicion for item in after.items}
    assert after.estimate.left == pytest.approx(before.estimate.left)
    # nor does an approval, as of a whole basket, say of each that it is right
    dataset.untag_labels("needs-review", FIELD)
    approved = [item.id for item in before.items[100:]]
    dataset.select_labels(ids=approved).tag_labels("approved", FIELD)
    rest = next_issues(dataset, "map", 200)
    assert [item.id for item in rest.items] == [item.id for item in before.items[:100]]
    assert {item.id: item.suspicion for item in rest.items}.items() <= was.items()


@pytest.mark.slow
def test_an_open_patches_view_follows(judged):
    dataset, _ = judged
    patches = dataset.to_patches(FIELD)
    item = next_issues(dataset, "map", 1).items[0]
    token = give_answers(dataset, FIELD, [answer(item, "wrong class", "c9")], "ada").token
    patches.reload()
    assert patches[item.id][FIELD].label == "c9"
    take_back(dataset, token)
    patches.reload()
    assert patches[item.id][FIELD].label == item.label


def test_a_field_of_single_labels(make_dataset):
    import numpy as np
    from labelvet import compute_visualization

    dataset, rng = make_dataset(), np.random.default_rng(0)
    codes = rng.integers(0, 2, 40)
    dataset.add_samples(
        [
            fo.Sample(
                f"/{n}.jpg",
                one=fo.Detection(
                    label=f"c{code}", bounding_box=[0.1, 0.1, 0.5, 0.5],
                    vector=np.eye(2, 8)[code] + 0.1 * rng.normal(size=8),
                ),
            )
            for n, code in enumerate(codes)
        ],
        dynamic=True,
    )  # fmt: skip
    compute_visualization(dataset, "one", "map", embeddings="vector", method="pca")
    find_label_issues(dataset, "map")
    item = next_issues(dataset, "map", 1).items[0]
    token = give_answers(dataset, "one", [answer(item, "wrong class", "c7")], "ada").token
    assert dataset.match(F("one.label") == "c7").first().one.label_before == item.label
    assert next_issues(dataset, "map", 40).reviewed == 1
    take_back(dataset, token)
    assert len(dataset.match(F("one.label") == "c7")) == 0


def test_answers_are_checked(judged):
    dataset, _ = judged
    item = next_issues(dataset, "map", 1).items[0]
    for bad in (answer(item, "maybe"), answer(item, "wrong class"),
                answer(item, "wrong class", item.label)):  # fmt: skip
        with pytest.raises(InvalidParameter):
            give_answers(dataset, FIELD, [bad], "ada")


def states(dataset, item):
    return sorted(label(dataset, item.id).tags)


@pytest.mark.slow
def test_the_last_word_wins_and_undo_goes_back_one(judged):
    dataset, _ = judged
    item = next_issues(dataset, "map", 1).items[0]
    candidates = find_candidates(dataset, FIELD)
    this = Selection(ids=parse_ids([item.id]))

    def say(verdict):
        return give_answers(dataset, FIELD, [answer(item, verdict)], "ada")

    one = dataset.select_labels(ids=[item.id])
    flagged = tag_view(one, FIELD, FLAGGED_TAG)
    with pytest.raises(InvalidParameter, match="Flagged"):
        add_labels(candidates, this)
    right = say("right")
    assert states(dataset, item) == ["reviewed"]
    added = add_labels(candidates, this)
    assert states(dataset, item) == ["for-approval", "reviewed"]
    rejected = say("not an object")
    assert states(dataset, item) == ["rejected"]
    again = say("right")
    assert states(dataset, item) == ["reviewed"]
    doubted = tag_view(one, FIELD, FLAGGED_TAG)
    assert (
        states(dataset, item) == ["needs-review"]
        and next_issues(dataset, "map", 1).items[0].flagged
    )
    for token, tags in (
        (doubted.token, ["reviewed"]),
        (again.token, ["rejected"]),
        (rejected.token, ["for-approval", "reviewed"]),
        (added.token, ["reviewed"]),
        (right.token, ["needs-review"]),
        (flagged.token, []),
    ):
        undo(dataset, token)
        assert states(dataset, item) == tags
    assert not hasattr(label(dataset, item.id), "review")


@pytest.mark.slow
def test_a_word_that_others_followed_is_not_taken_back(judged):
    dataset, _ = judged
    item = next_issues(dataset, "map", 1).items[0]
    flagged = tag_view(dataset.select_labels(ids=[item.id]), FIELD, FLAGGED_TAG)
    rejected = give_answers(dataset, FIELD, [answer(item, "not an object")], "ada")
    right = give_answers(dataset, FIELD, [answer(item, "right")], "bob")
    assert take_back(dataset, rejected.token).changed == 0
    undo(dataset, flagged.token)
    assert states(dataset, item) == ["reviewed"]
    assert label(dataset, item.id).review == "right" and right.changed == 1
    added = add_labels(find_candidates(dataset, FIELD), Selection(ids=parse_ids([item.id])))
    refused = take_back(dataset, right.token)
    assert refused.sentence.endswith("1 label was changed since: it was left as it is.")
    assert states(dataset, item) == ["for-approval", "reviewed"] and added.changed == 1


@pytest.mark.slow
def test_what_is_approved_is_changed_in_ground_truth(judged):
    dataset, _ = judged
    item = next_issues(dataset, "map", 1).items[0]
    candidates = find_candidates(dataset, FIELD)
    add_labels(candidates, Selection(ids=parse_ids([item.id])))
    approve(candidates, "truth")
    for verdict, name in (("not an object", None), ("wrong class", "c9")):
        done = give_answers(dataset, FIELD, [answer(item, verdict, name)], "ada")
        assert done.changed == 0 and "approved" in done.sentence
    assert give_answers(dataset, FIELD, [answer(item, "right")], "ada").changed == 1
    assert states(dataset, item) == ["approved", "reviewed"]
