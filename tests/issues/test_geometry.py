"""What boxes tell by themselves: each kind at its threshold, mirrored images, in a dataset."""

from __future__ import annotations

from dataclasses import replace

import fiftyone as fo
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from labelvet.core.errors import InvalidParameter
from labelvet.issues.box_checks import check_boxes
from labelvet.issues.find import find_label_issues
from labelvet.issues.geometry import GEOMETRY_KINDS, find_geometry, name_geometry
from labelvet.issues.writing import remove_label_issues
from tables import make_table

SIZE = (1000.0, 500.0)


def _names(boxes, size=SIZE, codes=None):
    table = make_table(["a.jpg"], boxes)
    if codes is not None:
        table = replace(table, codes=np.array(codes, np.int32))
    return name_geometry(find_geometry(table, np.tile(size, (len(boxes), 1))))


@pytest.mark.parametrize(
    ("box", "names"),
    [
        ((0.4, 0.4, 0.2, 0.2), None),
        ((0.1, 0.4, 0.8, 0.2), ["sliver"]),  # 800 x 100 pixels
        ((0.1, 0.4, 0.79, 0.2), None),
        ((0.4, 0.4, 0.008, 0.016), ["tiny"]),  # 8 x 8 pixels
        ((0.4, 0.4, 0.009, 0.016), None),
        ((0.001, 0.4, 0.2, 0.2), ["cut off"]),  # 1 pixel from the border
        ((0.0011, 0.4, 0.2, 0.2), None),
        ((0.8, 0.4, 0.2, 0.2), ["cut off"]),
        ((0.8, 0.4, 0.202, 0.2), ["outside"]),
        ((1.1, 0.4, 0.2, 0.2), ["outside"]),
        ((0.4, -0.003, 0.2, 0.2), ["outside"]),
        ((0.4, 0.4, 0.0, 0.2), ["no area"]),
        ((0.4, 0.4, 0.2, -0.1), ["no area"]),
        ((0.4, 0.4, np.nan, 0.2), None),
    ],
)
def test_one_box(box, names):
    assert _names([box]) == [names]


def test_frames_need_no_images(make_dataset):
    """Each frame is an image of its own, though none has a file."""
    dataset, sample = make_dataset(), fo.Sample("/one.mp4")
    inner, outer = [0.45, 0.45, 0.05, 0.05], [0.4, 0.4, 0.2, 0.2]
    for number, boxes in ((1, [inner, outer]), (2, [inner])):
        labels = [fo.Detection(label="cat", bounding_box=box) for box in boxes]
        sample.frames[number] = fo.Frame(det=fo.Detections(detections=labels))
    dataset.add_sample(sample)
    assert check_boxes(dataset, "frames.det").checked == 3
    assert dataset.values("frames.det.detections.geometry") == [[[["nested"], None], [None]]]


def test_whole_images_have_no_boxes():
    assert _names([(0.0, 0.0, 1.0, 1.0)] * 2) == [None, None]


def test_without_the_images_size_parts_of_it_count():
    box = (0.4, 0.4, 0.01, 0.01)
    assert _names([box], (np.nan, np.nan)) == [["tiny"]]
    assert _names([box], (1000.0, 1000.0)) == [None]
    assert _names([(0.002, 0.4, 0.2, 0.2)], (np.nan, np.nan)) == [["cut off"]]


def test_nested_is_the_smaller_one_of_a_class():
    around, inside, half = (0.2, 0.2, 0.6, 0.6), (0.3, 0.3, 0.2, 0.2), (0.7, 0.3, 0.2, 0.2)
    assert _names([around, inside, half]) == [None, ["nested"], None]
    assert _names([around, inside], codes=[0, 1]) == [None, None]
    assert _names([around, inside], codes=[-1, -1]) == [None, None]
    # the same object again: a duplicate, which embeddings and confidences tell
    assert _names([around, (0.22, 0.22, 0.56, 0.56)]) == [None, None]


def test_far_from_its_class():
    # in rows beside each other, so that none is in another
    sides = np.random.default_rng(0).uniform([0.1, 0.2], [0.12, 0.24], (40, 2))
    usual = np.column_stack([np.arange(40) / 41 * 2 - 0.5, np.full(40, 0.3), sides])
    large, wide = (0.3, 0.3, 0.5, 0.99), (0.3, 0.6, 0.22, 0.11)
    boxes = [*usual.tolist(), large, wide]
    names = [set(some or ()) & {"odd size", "odd shape"} for some in _names(boxes)]
    assert names == [*[set()] * 40, {"odd size"}, {"odd shape"}]
    # among few, nothing is far from the others
    assert not any("odd size" in (some or ()) for some in _names([*boxes[:18], large]))


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.booleans())
def test_mirrored_images_and_shuffled_labels_have_the_same_geometry(seed, sized):
    rng = np.random.default_rng(seed)
    boxes = np.column_stack(
        [rng.uniform(-0.1, 1, (30, 2)), rng.choice([0, 0.003, 0.1, 0.5], (30, 2))]
    )
    size = SIZE if sized else (np.nan, np.nan)
    codes = rng.integers(-1, 2, 30)
    order = rng.permutation(30)
    mirrored = boxes.copy()
    mirrored[:, 0] = 1 - boxes[:, 0] - boxes[:, 2]
    names = _names(boxes, size, codes)
    assert [names[row] for row in order] == _names(boxes[order], size, codes[order])
    assert _names(mirrored, size, codes) == names
    assert all(set(some or ()) <= set(GEOMETRY_KINDS) for some in names)


def test_boxes_of_a_dataset_are_checked_without_a_visualization(make_dataset):
    dataset = make_dataset()
    size = fo.ImageMetadata(width=1000, height=500)
    # the first is no sliver in pixels, 20 x 150
    boxes = [[0.4, 0.4, 0.02, 0.3], [1.1, 0.4, 0.2, 0.2], [0.0, 0.1, 0.9, 0.1]]
    labels = [fo.Detection(label="a", bounding_box=box) for box in boxes]
    labels.append(fo.Detection(label="a"))
    dataset.add_sample(
        fo.Sample(filepath="/a.jpg", metadata=size, boxes=fo.Detections(detections=labels))
    )
    dataset.add_sample(fo.Sample(filepath="/b.jpg", boxes=fo.Detections()))
    found = check_boxes(dataset, "boxes")
    assert found.summary() == "4 labels checked. Boxes: 1 sliver, 1 cut off, 1 outside."
    dataset.reload()
    assert dataset.values("boxes.detections.geometry")[0] == [
        None, ["outside"], ["sliver", "cut off"], None,
    ]  # fmt: skip
    # the sidebar filters by it
    sliver = dataset.filter_labels("boxes", fo.ViewField("geometry").contains("sliver"))
    assert sliver.count("boxes.detections") == 1

    sample = dataset.first()
    sample.boxes.detections[1].bounding_box = [0.1, 0.4, 0.2, 0.2]
    sample.save()
    assert check_boxes(dataset, "boxes").geometry["outside"] == 0
    dataset.reload()
    assert dataset.values("boxes.detections.geometry")[0][1] is None
    assert remove_label_issues(dataset) == ["boxes.detections.geometry"]
    dataset.add_sample_field("scene", fo.EmbeddedDocumentField, embedded_doc_type=fo.Classification)
    with pytest.raises(InvalidParameter, match="whole images"):
        check_boxes(dataset, "scene")
    dataset.add_sample_field("boxes.detections.geometry", fo.StringField)
    with pytest.raises(InvalidParameter, match="of their own named geometry"):
        check_boxes(dataset, "boxes")


def test_label_issues_tell_the_geometry_of_what_cannot_be_judged_too(flipped_labels):
    dataset, _ = flipped_labels
    sample = dataset.last()
    sample["labels"].detections.append(
        fo.Detection(label="c0", bounding_box=[1.2, 0.4, 0.2, 0.2], vector=np.ones(16, "f4"))
    )
    sample.save()
    issues = find_label_issues(dataset, "map")
    assert issues.checked == 120 and issues.geometry["outside"] == 1
    assert "1 outside" in issues.summary()
    dataset.reload()
    last = dataset.values(["labels.detections.geometry", "labels.detections.suspicion"])
    assert [column[-1][-1] for column in last] == [["outside"], None]
    before = dataset.values("labels.detections.suspicion")
    check_boxes(dataset, "labels")
    assert dataset.values("labels.detections.suspicion") == before
