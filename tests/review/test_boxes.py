"""Boxes that a reviewer corrects: what is kept, what is refused, and what follows."""

from __future__ import annotations

import fiftyone as fo
import numpy as np
import pytest
from labelvet.core.errors import InvalidParameter
from labelvet.dataset.changes import list_changes
from labelvet.issues.find import find_label_issues
from labelvet.review.answers import give_answers
from labelvet.review.boxes import checked_box
from labelvet.review.queue import next_issues
from labelvet.review.verdicts import Answer
from labelvet.visualization.update import find_changes, update_visualization
from taking_back import take_back

FIELD = "predictions"
NEW = [0.15, 0.25, 0.3, 0.2]


@pytest.fixture
def dog(judged):
    """The sample and the label that are corrected."""
    sample = judged.first()
    return sample, sample.predictions.detections[1]


def box(dataset, label):
    dataset.reload()
    (found,) = dataset.select_labels(ids=[label.id]).values(f"{FIELD}.detections", unwind=True)
    return found


def correct(dataset, sample, label, to=NEW, *, seen=None, user="ada"):
    answer = Answer(sample.id, label.id, label.label, "badly placed", box=to, seen_box=seen)
    return give_answers(dataset, FIELD, [answer], user)


def test_a_box_is_kept_with_who_and_when_and_the_box_before(judged, dog):
    sample, label = dog
    before = label.bounding_box
    patches = judged.to_patches(FIELD)
    done = correct(judged, sample, label, seen=before)
    assert done.changed == 1 and done.sentence == "'dog' has a new box."
    kept = box(judged, label)
    assert kept.bounding_box == NEW and kept.box_before == before and kept.label == "dog"
    assert (kept.review, kept.reviewed_by, kept.tags) == ("badly placed", "ada", ["reviewed"])
    assert kept.reviewed_at
    patches.reload()
    assert patches[label.id][FIELD].bounding_box == NEW
    assert [change.sentence for change in list_changes(judged)] == [done.sentence]

    undone = take_back(judged, done.token)
    assert undone.changed == 1 and undone.sentence == "Undone: 'dog' has a new box."
    back = box(judged, label)
    assert back.bounding_box == before and back.tags == []
    assert not hasattr(back, "box_before") and not hasattr(back, "review")
    patches.reload()
    assert patches[label.id][FIELD].bounding_box == before


def test_a_box_goes_with_another_class(judged, dog):
    sample, label = dog
    both = Answer(sample.id, label.id, "dog", "wrong class", "fox", NEW, label.bounding_box)
    done = give_answers(judged, FIELD, [both], "ada")
    assert done.sentence == "'dog' is now 'fox', with a new box."
    kept = box(judged, label)
    assert (kept.label, kept.bounding_box, kept.box_before) == ("fox", NEW, label.bounding_box)


def test_two_reviewers_on_one_box(judged, dog):
    sample, label = dog
    seen = label.bounding_box
    first = correct(judged, sample, label, seen=seen, user="bob")
    second = correct(judged, sample, label, [0, 0, 0.5, 0.5], seen=seen)
    assert (second.changed, second.refused, second.token) == (0, 1, None)
    assert "changed after you saw it, by bob" in second.sentence
    assert box(judged, label).bounding_box == NEW
    # nor does an answer of another kind speak of a box that was not seen
    right = Answer(sample.id, label.id, "dog", "right", seen_box=seen)
    assert give_answers(judged, FIELD, [right], "ada").changed == 0

    # an undo leaves alone what somebody moved since
    values = [{"sample_id": sample.id, "label_id": label.id, "value": [0.1, 0.1, 0.1, 0.1]}]
    judged.set_label_values(f"{FIELD}.detections.bounding_box", values)
    assert take_back(judged, first.token).changed == 0
    assert box(judged, label).bounding_box == [0.1, 0.1, 0.1, 0.1]


@pytest.mark.parametrize(
    ("drawn", "sentence"),
    [
        ([0.2, 0.2, 0, 0.3], "shrunk to nothing"),
        ([0.2, 0.2, 0.1, -0.3], "shrunk to nothing"),
        ([1.1, 0.2, 0.3, 0.3], "dragged out of the image"),
        ([-0.4, 0.2, 0.3, 0.3], "dragged out of the image"),
        ([0.2, float("nan"), 0.3, 0.3], "Say where"),
        (None, "Say where"),
    ],
)
def test_what_is_no_box_gets_a_sentence(judged, dog, drawn, sentence):
    sample, label = dog
    with pytest.raises(InvalidParameter, match=sentence):
        correct(judged, sample, label, drawn)
    assert box(judged, label).bounding_box == label.bounding_box
    assert list_changes(judged) == []


def test_what_lies_outside_the_image_is_cut_off(judged, dog):
    assert checked_box(NEW) == NEW
    assert np.allclose(checked_box([-0.1, 0.9, 0.3, 0.3]), [0, 0.9, 0.2, 0.1])
    done = correct(judged, *dog, [0.8, 0.5, 0.4, 0.3])
    assert "cut at the border of the image" in done.sentence
    assert np.allclose(box(judged, dog[1]).bounding_box, [0.8, 0.5, 0.2, 0.3])


def test_a_mask_or_an_outline_is_not_stretched(judged, dog):
    sample, label = dog
    label.mask = np.ones((2, 2), bool)
    sample["lines"] = fo.Polylines(
        polylines=[fo.Polyline(label="dog", points=[[(0.1, 0.1), (0.2, 0.2), (0.1, 0.3)]])]
    )
    sample.save()
    with pytest.raises(InvalidParameter, match="mask"):
        correct(judged, sample, label)
    line = sample["lines"].polylines[0]
    answer = Answer(sample.id, line.id, "dog", "badly placed", box=NEW)
    with pytest.raises(InvalidParameter, match="outline"):
        give_answers(judged, "lines", [answer], "ada")


def test_the_next_update_finds_a_corrected_box(flipped_labels):
    dataset, _ = flipped_labels
    sample = dataset.first()
    label = sample.labels.detections[0]
    assert not find_changes(dataset, "map")
    answer = Answer(sample.id, label.id, label.label, "badly placed", box=NEW)
    assert give_answers(dataset, "labels", [answer], "ada").changed == 1
    changes = find_changes(dataset, "map")
    assert (changes.new, changes.changed, changes.deleted) == (0, 1, 0)
    update_visualization(dataset, "map", progress=False)
    assert not find_changes(dataset, "map")


def test_the_queue_tells_the_box_and_the_suggested_one_and_learns(flipped_labels):
    dataset, _ = flipped_labels
    find_label_issues(dataset, "map")
    first = next_issues(dataset, "map", 1).items[0]
    values = [{"sample_id": first.sample_id, "label_id": first.id, "value": NEW}]
    dataset.set_label_values("labels.detections.suggested_box", values)
    item = next_issues(dataset, "map", 1).items[0]
    assert item.suggested_box == NEW and len(item.box) == 4
    answer = Answer(
        item.sample_id, item.id, item.label, "badly placed", None, item.suggested_box, item.box
    )
    give_answers(dataset, "labels", [answer], "ada")
    queue = next_issues(dataset, "map", 120)
    assert queue.reviewed == 1 and item.id not in {other.id for other in queue.items}
    assert queue.passed == 0


def test_the_queue_says_whose_box_is_not_moved(flipped_labels, tmp_path):
    dataset, _ = flipped_labels
    find_label_issues(dataset, "map")
    drawn, filed, plain = next_issues(dataset, "map", 3).items
    assert (drawn.fixed, filed.fixed, plain.fixed) == (None, None, None)
    for item, name, value in (
        (drawn, "mask", np.ones((2, 2), bool)),
        (filed, "mask_path", str(tmp_path / "mask.png")),
    ):
        values = [{"sample_id": item.sample_id, "label_id": item.id, "value": value}]
        dataset.set_label_values(f"labels.detections.{name}", values)
    told = {item.id: item.fixed for item in next_issues(dataset, "map", 3).items}
    assert "mask" in told[drawn.id] and "mask" in told[filed.id] and told[plain.id] is None


def test_what_is_approved_is_not_moved(judged, dog):
    sample, label = dog
    judged.select_labels(ids=[label.id]).tag_labels("approved", FIELD)
    done = correct(judged, sample, label)
    assert done.changed == 0 and "approved" in done.sentence
    assert box(judged, label).bounding_box == label.bounding_box
