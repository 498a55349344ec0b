"""Other fields are asked about each label; what they cannot know is said."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import fiftyone as fo
import labelvet
import numpy as np
import pytest
from clusters import clusters
from labelvet.core.errors import InvalidParameter
from labelvet.issues.attributes import ATTRIBUTES
from labelvet.issues.evidence import gather
from labelvet.issues.find import find_label_issues
from labelvet.issues.kinds import BACKGROUND, BADLY_PLACED, DUPLICATE, WRONG_CLASS
from labelvet.issues.opinions import align, ask, find_holders
from labelvet.issues.reasons import Reasons
from labelvet.issues.suspicion import find_suspects

ROOT = "labels.detections"


def _other(table, name="second", **columns):
    return replace(table, patches_field=name, **columns)


def test_who_agrees_and_where_the_box_should_be():
    table, vectors, _, truth = clusters(120)
    rng = np.random.default_rng(0)
    boxes = table.boxes.copy()
    moved = np.arange(60, 66)
    boxes[moved, :2] += 0.55 * boxes[moved, 2:]  # half of it beside the object
    codes = truth.astype(np.int32)
    second = _other(
        table, codes=codes, confidences=rng.uniform(0.5, 1, 120).astype("f4"),
    )  # fmt: skip
    judged = replace(table, boxes=boxes)
    opinions = ask(judged, [second])
    found = find_suspects(judged, vectors, opinions=opinions)
    rest = np.arange(70, 120)
    placed = found.kinds[:, BADLY_PLACED]
    assert placed[moved].mean() > 5 * placed[rest].mean()
    np.testing.assert_allclose(found.better_boxes[moved], table.boxes[moved], atol=1e-5)
    # a class that the field has on a label is suggested, and makes the label's own doubtful
    assert (found.suggested[:6, 0] == truth[:6]).all()
    assert found.suspicion[:6].mean() > 5 * found.suspicion[rest].mean()


def test_no_label_is_moved_to_where_another_one_is():
    """Two labels half beside one object, which a third one shows, a rejected one, or none."""
    there = [0.2, 0.2, 0.2, 0.2]
    left, right = [0.1, 0.2, 0.2, 0.2], [0.28, 0.2, 0.2, 0.2]
    table = clusters(60)[0].take(np.arange(8))
    boxes = np.array([there, left, there, left, left, right, left, there])
    media, codes = np.array([0, 0, 1, 1, 2, 2, 3, 3], "i4"), np.array([0] * 7 + [1], "i4")
    table = replace(table, boxes=boxes, media=media, codes=codes)
    second = table.take(np.array([0, 2, 4, 6]))
    second = _other(second, boxes=np.tile(there, (4, 1)), confidences=np.full(4, 0.9, "f4"))
    opinions = ask(table, [second])
    assert (opinions.boxes == there).all(axis=1).tolist() == [True] * 7 + [False]
    misplaced = (boxes != there).any(axis=1)
    accepted = np.arange(8) != 2
    holder = find_holders(table, opinions, accepted, misplaced)
    assert holder.tolist() == [-1, 0, -1, -1, 5, -1, -1, -1]  # the right one is the nearer


def test_classes_and_images_are_told_apart_by_their_names():
    table, _, _, _ = clusters(30)
    order = np.arange(30)[::-1]
    other = table.take(order)
    names = np.array(["b", "c0", "c1", "c2", "c3"], dtype=object)
    other = _other(other, classes=names, codes=(other.codes + 1).astype(np.int32))
    other = replace(other, media=(9 - other.media).astype(np.int32))
    wide, (aligned,) = align(table, [other])
    assert wide.classes.tolist() == ["c0", "c1", "c2", "c3", "b"]
    assert (aligned.codes == table.codes[order]).all()
    assert (aligned.media == table.media[order]).all()
    elsewhere = replace(other, sample_ids=np.array([f"{99 + i:024x}" for i in range(30)]))
    assert len(align(table, [elsewhere])[1][0]) == 0


@pytest.mark.parametrize(
    "other, sentence",
    [
        (lambda table: table.take(np.arange(0)), "has no labels in these images"),
        (lambda table: table, "has the same labels"),
        (
            lambda table: replace(table, classes=np.array(["x", "y", "z", "w"], dtype=object)),
            "has none of these classes",
        ),
    ],
)
def test_a_field_that_says_nothing_changes_nothing_and_says_so(other, sentence):
    table, vectors, _, _ = clusters(60)
    wide, others = align(table, [_other(other(table))])
    opinions = ask(wide, others)
    assert len(opinions.notes) == 1 and sentence in opinions.notes[0]
    alone, asked = find_suspects(table, vectors), find_suspects(wide, vectors, opinions=opinions)
    np.testing.assert_array_equal(alone.kinds, asked.kinds)
    assert opinions.notes[0] in asked.notes


def test_labels_without_a_class_do_not_agree():
    table, _, _, _ = clusters(30)
    codes = table.codes.copy()
    codes[:15] = -1
    table = replace(table, codes=codes)
    second = _other(table, boxes=table.boxes + 0.01)
    opinions = ask(table, [second])
    assert (opinions.agreeing[:15] == -1).all() and (opinions.agreeing[15:] == 0).all()
    assert not opinions.evidence["same class"][:15].any()
    sure = np.full(30, 0.5)
    twice = replace(table, boxes=np.tile([0.1, 0.1, 0.5, 0.5], (30, 1)))
    fit = SimpleNamespace(fits=np.ones(30, "f4"), wrong=np.zeros(30, "f4"))
    own = gather(twice, sure, fit, np.zeros((30, 1), np.int32), np.zeros(30, bool))
    assert (own.original[:15] == -1).all() and not own.columns["repeats"][:15].any()


def test_a_reason_says_who_says_so():
    table, vectors, _, _ = clusters(60)
    names = [*table.classes, "bus"]
    row = 30
    wide = replace(table, classes=np.array(names, dtype=object))
    own = str(table.labels[row])
    codes = table.codes.copy()
    codes[row] = 4  # which nothing looks like
    claims = _other(wide, codes=codes, boxes=table.boxes + 0.001)
    knows = _other(wide.take(np.flatnonzero(table.media != table.media[row])), "knows")
    rest = _other(wide.take(np.flatnonzero(table.codes != table.codes[row])), "knows not")
    found = find_suspects(wide, vectors)
    suggested = found.suggested.copy()
    suggested[row, 0] = 4

    def reason(kind, others, opposed=None, **changes):
        kinds = np.eye(5, dtype="f4")[np.full(60, kind)]
        judged = replace(found, kinds=kinds, suggested=suggested, **changes)
        unsure = replace(wide, confidences=np.full(60, np.nan, "f4"))
        opinions = ask(wide, others)
        opinions = opinions if opposed is None else replace(opinions, opposed=opposed)
        return Reasons(unsure, judged, opinions).reason(row)

    assert reason(WRONG_CLASS, [claims]) == f"'second' has bus here, rather than {own}."
    # where it speaks louder for yet another class
    louder = np.full(60, 5, np.int32)
    assert reason(WRONG_CLASS, [claims], louder) == f"'second' has bus here, rather than {own}."
    assert reason(WRONG_CLASS, [knows]) == f"Looks like bus rather than {own}."
    said = f"There may be no {own} here: "
    assert reason(BACKGROUND, [knows, rest]) == f"{said}'knows' has none."
    both = [knows, replace(knows, patches_field="too")]
    assert reason(BACKGROUND, both) == f"{said}'knows' and 'too' have none."
    overlap = {"original": np.zeros(60, np.int32), "overlap": np.full(60, 0.6, "f4")}
    assert reason(DUPLICATE, [], **overlap) == f"It overlaps another {own} by 60%."


def test_a_box_that_is_no_number_is_left_out_and_counted(flipped_labels):
    dataset, _ = flipped_labels
    sample = dataset.last()
    sample.labels.detections[2].bounding_box = [float("nan"), 0.1, 0.2, 0.2]
    sample.save()
    dataset.clone_sample_field("labels", "second")
    issues = find_label_issues(dataset, "map", second_fields="second")
    assert issues.checked == 119 and issues.missing == 1
    assert "1 label was not checked: the embedding is gone" in issues.summary()
    suspicion = dataset.values(f"{ROOT}.suspicion", unwind=True)
    assert [value is None for value in suspicion] == [False] * 119 + [True]
    assert np.isfinite(suspicion[:119]).all() and max(suspicion[:119]) > 0.5


def test_a_class_without_a_name_is_suggested_too(flipped_labels):
    dataset, _ = flipped_labels
    for sample in dataset.iter_samples(autosave=True):
        for label in sample.labels.detections:
            label.label = "" if label.label == "c0" else label.label
    find_label_issues(dataset, "map")
    names = ("suggested_label", "suggested_labels")
    first, three = dataset.values([f"{ROOT}.{name}" for name in names], unwind=True)
    assert "" in first
    # unwound: three of every label, the likeliest first
    assert (
        three[::3] == first and three.count("") == 120 - dataset.count_values(f"{ROOT}.label")[""]
    )


@pytest.mark.slow
def test_fields_in_a_dataset(flipped_labels):
    dataset, _ = flipped_labels
    dataset.clone_sample_field("labels", "second")
    for sample in dataset.iter_samples(autosave=True):
        for label in sample.second.detections:
            label.bounding_box = [*label.bounding_box[:2], 0.95 * label.bounding_box[2], 0.1]
        sample["none"] = fo.Detections(detections=[])
    issues = find_label_issues(dataset, "map", second_fields=["second", "none"])
    assert "'none' has no labels in these images and was not used." in issues.notes
    kinds = dataset.values([f"{ROOT}.{name}" for name in (
        "suspicion", "mislabeled", "misplaced", "spurious", "duplicate")], unwind=True)  # fmt: skip
    wrong, *parts = np.array(kinds, dtype=float)
    np.testing.assert_allclose(wrong, np.sum(parts, axis=0), atol=1e-5)
    suggested, first = dataset.values(
        [f"{ROOT}.suggested_labels", f"{ROOT}.suggested_label"], unwind=False
    )
    assert all(
        len(three) == 3 and three[0] == one
        for threes, ones in zip(suggested, first, strict=True)
        for three, one in zip(threes, ones, strict=True)
    )
    assert find_label_issues(dataset, "map", second_fields="second").checked == 120
    for bad in ("labels", "nothing", "filepath"):
        with pytest.raises(InvalidParameter):
            find_label_issues(dataset, "map", second_fields=[bad])


def _of_all(values):
    return [value for of_sample in values for value in of_sample]


@pytest.mark.slow
def test_what_was_found_of_a_field_stays_when_it_is_asked(flipped_labels):
    """Two fields are judged, each with the other as a second opinion."""
    dataset, _ = flipped_labels
    dataset.clone_sample_field("labels", "second")
    for sample in dataset.iter_samples(autosave=True):
        sample.labels.detections = sample.labels.detections[:-1]
    labelvet.compute_visualization(
        dataset, "second", "other", embeddings="vector", method="pca", progress=False
    )
    names = [f"second.detections.{name}" for name in ATTRIBUTES]
    find_label_issues(dataset, "other", second_fields="labels")
    own = dict(zip(names, map(_of_all, dataset.values(names)), strict=True))
    assert (found := find_label_issues(dataset, "map", second_fields="second").elsewhere)
    kept = dict(zip(names, map(_of_all, dataset.values(names)), strict=True))
    assert kept["second.detections.issue"].count("missed") == found
    marks = [f"second.detections.{name}" for name in ("issue", "issue_reason", "missed")]
    issues, reasons = (own[name] for name in marks[:2])
    alone = [one is None and why is None for one, why in zip(issues, reasons, strict=True)]
    assert not all(alone)
    for name in names:
        if name not in marks:
            assert kept[name] == own[name], name
        elif name != marks[2]:
            assert [new for new, free in zip(kept[name], alone, strict=True) if not free] == [
                old for old, free in zip(own[name], alone, strict=True) if not free
            ]


@pytest.mark.slow
def test_a_field_that_was_not_used_has_no_missed_objects(flipped_labels):
    dataset, _ = flipped_labels
    dataset.clone_sample_field("labels", "copy")
    for sample in dataset.iter_samples(autosave=True):
        sample.labels.detections[0].tags = ["rejected"]
        sample["plates"] = fo.Detections(
            detections=[fo.Detection(label="plate", bounding_box=[0.9, 0.9, 0.05, 0.05])]
        )
    issues = find_label_issues(dataset, "map", second_fields=["copy", "plates"])
    assert sum("was not used" in note for note in issues.notes) == 2
    assert issues.elsewhere == 0
    assert dataset.get_field("plates.detections.issue") is None


@pytest.mark.slow
def test_objects_are_missed_in_images_without_a_label_and_not_where_one_was_added(flipped_labels):
    dataset, _ = flipped_labels
    empty, added, outside = dataset.values("id")[:3]
    view = dataset.exclude(outside)
    labelvet.compute_visualization(
        view, "labels", "some", embeddings="vector", method="pca", progress=False
    )
    for sample in dataset.iter_samples(autosave=True):
        there = [[*label.bounding_box] for label in sample.labels.detections]
        sample["truth"] = fo.Detections(
            detections=[fo.Detection(label="c0", bounding_box=box) for box in there]
        )
        if sample.id in (empty, outside):
            sample.labels = None
        if sample.id == added:
            box = [0.9, 0.9, 0.05, 0.05]
            sample.truth.detections.append(fo.Detection(label="c1", bounding_box=box))
            sample.labels.detections.append(fo.Detection(label="c1", bounding_box=box))
    found = find_label_issues(dataset, "some", second_fields="truth")
    issues = dict(zip(*dataset.values(["id", "truth.detections.issue"]), strict=True))
    assert issues[empty] == ["missed"] * 3 and found.elsewhere == 3
    assert issues[added] == [None] * 4 and issues[outside] == [None] * 3
