"""The types of labels: their boxes, and what is said of those that are no patches."""

from __future__ import annotations

import fiftyone as fo
import numpy as np
import pytest
from label_types import NAN, PATCHES, labels_of, others
from labelvet.core.errors import NoPatches, UnknownField
from labelvet.dataset.documents import samples_of
from labelvet.dataset.label_fields import label_field
from labelvet.dataset.label_views import filter_labels
from labelvet.dataset.patches import (
    count_patches,
    is_of_whole_images,
    list_comparable_fields,
    list_patches_fields,
    read_patches,
)

BOXES = {
    "detection": [0.25, 0.25, 0.5, 0.5],
    "polyline": [0.1, 0.2, 0.4, 0.7],
    "keypoint": [0.2, 0.1, 0.4, 0.4],
    "classification": [0, 0, 1, 1],
}
CONFIDENCES = {"keypoint": 0.7, "classification": 0.75}


@pytest.fixture
def every_type(make_dataset):
    """An image with a label of every type, and one with none."""
    dataset = make_dataset()
    dataset.add_samples(
        [fo.Sample("/media/a.jpg", **labels_of("cat"), **others()), fo.Sample("/media/b.jpg")]
    )
    return dataset


@pytest.mark.parametrize("field", PATCHES)
def test_every_type_has_its_box(every_type, field):
    table = read_patches(every_type, field)
    np.testing.assert_allclose(table.boxes, [BOXES[field.removesuffix("s")]])
    np.testing.assert_allclose(table.confidences, [CONFIDENCES.get(field, NAN)], rtol=1e-6)
    label = every_type.first()[field]
    ids = [label.id] if field.removesuffix("s") == field else [one.id for one in label[field]]
    assert table.label_ids.tolist() == ids and table.labels.tolist() == ["cat"]
    assert table.sample_ids.tolist() == [every_type.first().id]
    assert count_patches(every_type, field) == 1
    assert is_of_whole_images(every_type, field) == table.of_whole_images
    assert table.of_whole_images == field.startswith("classification")


def test_only_what_is_about_the_same_is_compared(every_type):
    assert list_comparable_fields(every_type, "classification") == ["classifications"]
    boxed = list_comparable_fields(every_type, "polylines")
    assert set(PATCHES) - {"polylines", "classification", "classifications"} <= set(boxed)
    assert "classification" not in boxed


@pytest.mark.parametrize(
    ("points", "box"),
    [
        ([(0.5, 0.5)], [0.475, 0.475, 0.05, 0.05]),
        ([(1, 0)], [0.95, 0, 0.05, 0.05]),
        ([(0.2, 0.5), (0.6, 0.5)], [0.2, 0.49, 0.4, 0.02]),
        ([(0, 0.1), (0, 0.9)], [0, 0.1, 0.04, 0.8]),
        ([(NAN, NAN), (0.2, 0.3), (0.4, 0.4)], [0.2, 0.3, 0.2, 0.1]),
        ([(0.9, 1.2), (1.1, 1.2)], [0.9, 1.195, 0.2, 0.01]),
        ([(NAN, NAN)], [NAN] * 4),
        ([], [NAN] * 4),
    ],
)
def test_points_and_lines_have_a_box_with_an_area(make_dataset, points, box):
    dataset = make_dataset()
    whole = fo.Keypoint(points=[(0, 0), (1, 1)])
    keypoints = fo.Keypoints(keypoints=[fo.Keypoint(points=points), whole])
    dataset.add_sample(fo.Sample("/media/a.jpg", keypoints=keypoints))
    boxes = read_patches(dataset, "keypoints").boxes
    np.testing.assert_allclose(boxes, [box, [0, 0, 1, 1]])
    shapes = fo.Polylines(polylines=[fo.Polyline(points=[points[:1], points[1:]])])
    dataset.add_sample(fo.Sample("/media/b.jpg", polylines=shapes))
    for name in ("keypoints", "polylines"):  # the database makes the same
        field = label_field(dataset, name)
        each = {"$map": {"input": field.labels(), "in": field.type.stored_box("$$this.points")}}
        stored = [one["b"] for one in samples_of(dataset).aggregate([{"$project": {"b": each}}])]
        (first, *_), expected = stored[name == "polylines"], None if NAN in box else box
        assert first == (expected and pytest.approx(expected))


@pytest.mark.parametrize(
    ("field", "sentence"),
    [
        (
            "segmentation",
            r"'segmentation' holds semantic segmentation, which has no instances: make them with "
            r"fiftyone.utils.labels.segmentations_to_detections\(dataset, 'segmentation', "
            r"'segmentation_instances', mask_types='thing'\), and choose that field\.",
        ),
        ("heatmap", "'heatmap' holds heatmaps, which have no instances: make a Segmentation"),
        ("events", "'events' holds events of videos: choose labels of images or of frames"),
        ("score", "'score' holds numbers, which have no classes: color a map by them"),
        ("place", "'place' holds places, which have no classes"),
        ("filepath", "'filepath' holds no labels of images: choose one of detection, "),
    ],
)
def test_what_is_no_patch_is_refused_by_name(every_type, field, sentence):
    assert field not in list_patches_fields(every_type)
    with pytest.raises(UnknownField, match=sentence):
        read_patches(every_type, field)


@pytest.mark.parametrize("field", ["cuboids", "lanes"])
def test_labels_in_3d_are_refused_by_name(every_type, field):
    with pytest.raises(NoPatches, match=f"'{field}' holds labels in 3D, which cannot be cropped"):
        read_patches(every_type, field)


def test_labels_without_a_box_are_refused(make_dataset):
    dataset = make_dataset()
    nothing = fo.Polylines(polylines=[fo.Polyline(label="road", points=[])])
    dataset.add_sample(fo.Sample("/media/a.jpg", lines=nothing))
    with pytest.raises(NoPatches, match="No label of 'lines' has a box or points"):
        read_patches(dataset, "lines")


def test_the_advice_for_segmentation_makes_patches(make_dataset):
    from fiftyone.utils.labels import segmentations_to_detections

    dataset, mask = make_dataset(), np.zeros((10, 20), np.uint8)
    mask[2:4, 2:6] = mask[6:9, 10:18] = 7
    sample = fo.Sample("/media/a.jpg", regions=fo.Segmentation(mask=mask))
    dataset.add_sample(sample)
    segmentations_to_detections(dataset, "regions", "regions_instances", mask_types="thing")
    boxes = read_patches(dataset, "regions_instances").boxes
    np.testing.assert_allclose(sorted(boxes.tolist()), [[0.1, 0.2, 0.2, 0.2], [0.5, 0.6, 0.4, 0.3]])


def test_keypoints_are_filtered_by_the_mean_of_their_confidences(make_dataset):
    dataset = make_dataset()
    for confidences in ([0.2, 0.4], [0.9, NAN, 0.7], [0.95, 0.95], None):
        point = fo.Keypoint(points=[(0, 0), (1, 1)], confidence=confidences)
        dataset.add_sample(fo.Sample(f"/media/{confidences}.jpg", points=point))
    bounds = {(None, 0.5): 1, (0.3, 0.8): 2, (0.85, None): 1, (0, 1): 3}
    for bound, count in bounds.items():
        assert len(filter_labels(dataset, "points", bound)) == count
