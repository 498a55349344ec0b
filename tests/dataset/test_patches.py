"""The patch table, read from real datasets and views."""

from __future__ import annotations

import fiftyone as fo
import numpy as np
import pytest
from fiftyone import ViewField as F
from labelvet.core.errors import InvalidParameter, NoPatches, UnknownField
from labelvet.dataset.patches import (
    count_patches,
    list_patches_fields,
    read_attribute,
    read_patches,
)

SQUARE = [0.25, 0.25, 0.5, 0.5]


def detection(label="cat", box=SQUARE, **attributes):
    return fo.Detection(label=label, bounding_box=box, **attributes)


@pytest.fixture
def labeled(make_dataset):
    """Three images: two labels, none, one; and one field of every other kind."""
    dataset = make_dataset()
    dataset.add_samples(
        [
            fo.Sample(
                filepath="/media/a.jpg",
                boxes=fo.Detections(
                    detections=[
                        detection("dog", confidence=0.9),
                        detection("cat", [0, 0, 0.1, 0.2], confidence=0.2),
                    ]
                ),
                main=detection("dog"),
                outline=fo.Polyline(points=[[(0.1, 0.2), (0.5, 0.4)], [(0.3, 0.9)]]),
                outlines=fo.Polylines(
                    polylines=[fo.Polyline(label="road", points=[[(0, 0), (1, 0.5)]])]
                ),
                kind=fo.Classification(label="indoor"),
            ),
            fo.Sample(filepath="/media/b.jpg"),
            fo.Sample(
                filepath="/media/c.jpg", boxes=fo.Detections(detections=[detection(label=None)])
            ),
        ]
    )
    return dataset


def test_detections_become_columns(labeled):
    table = read_patches(labeled, "boxes")
    assert len(table) == 3
    assert table.labels.tolist() == ["dog", "cat", None]
    assert table.classes.tolist() == ["cat", "dog"]
    np.testing.assert_allclose(table.confidences, [0.9, 0.2, np.nan])
    np.testing.assert_allclose(table.boxes[1], [0, 0, 0.1, 0.2])
    first, second, third = (str(table.filepaths[i]) for i in table.media)
    assert first == second == "/media/a.jpg" and third == "/media/c.jpg"
    assert table.label_ids.tolist() == [
        d.id for s in labeled if s.boxes for d in s.boxes.detections
    ]
    assert table.sample_ids.tolist() == [
        s.id for s in labeled if s.boxes for _ in s.boxes.detections
    ]


def test_polylines_are_boxed_with_all_their_shapes(labeled):
    assert list_patches_fields(labeled) == ["boxes", "main", "outline", "outlines", "kind"]
    np.testing.assert_allclose(read_patches(labeled, "main").boxes, [SQUARE])
    np.testing.assert_allclose(read_patches(labeled, "outline").boxes, [[0.1, 0.2, 0.4, 0.7]])
    np.testing.assert_allclose(read_patches(labeled, "outlines").boxes, [[0, 0, 1, 0.5]])


def test_whole_images_without_a_field(labeled):
    table = read_patches(labeled)
    assert len(table) == 3 and table.label_ids is None
    assert table.ids.tolist() == labeled.values("id")
    np.testing.assert_allclose(table.boxes, [[0, 0, 1, 1]] * 3)


def test_views_are_respected(labeled):
    confident = labeled.filter_labels("boxes", F("confidence") > 0.5)
    assert read_patches(confident, "boxes").labels.tolist() == ["dog"]
    backwards = labeled.sort_by("filepath", reverse=True)
    assert read_patches(backwards, "boxes").labels.tolist() == [None, "dog", "cat"]
    assert len(read_patches(labeled.select(labeled.last().id), "boxes")) == 1


def test_a_patches_view_names_the_samples_of_its_dataset(labeled):
    table = read_patches(labeled.to_patches("boxes"), "boxes")
    whole = read_patches(labeled, "boxes")
    assert table.label_ids.tolist() == whole.label_ids.tolist()
    assert table.sample_ids.tolist() == whole.sample_ids.tolist()


def test_grouped_datasets_are_read_by_their_active_slice(make_dataset):
    dataset = make_dataset()
    dataset.add_group_field("group", default="left")
    group = fo.Group()
    dataset.add_samples(
        [
            fo.Sample(
                filepath=f"/media/{side}.jpg",
                group=group.element(side),
                boxes=fo.Detections(detections=[detection(side)]),
            )
            for side in ("left", "right")
        ]
        + [fo.Sample(filepath="/media/cloud.pcd", group=group.element("lidar"))]
    )
    assert read_patches(dataset, "boxes").labels.tolist() == ["left"]
    dataset.group_slice = "right"
    assert read_patches(dataset, "boxes").labels.tolist() == ["right"]
    dataset.group_slice = "lidar"
    with pytest.raises(InvalidParameter, match=r"image slice \(left, right\)"):
        read_patches(dataset, "boxes")


def test_counting_agrees_with_reading(labeled):
    for name in list_patches_fields(labeled):
        assert count_patches(labeled, name) == len(read_patches(labeled, name))
    assert count_patches(labeled, None) == 3


def test_wrong_fields_are_named_with_those_that_work(labeled):
    with pytest.raises(UnknownField, match=r"no field 'boxs'.*boxes, main"):
        read_patches(labeled, "boxs")
    with pytest.raises(UnknownField, match=r"'filepath' holds no labels.*boxes, main"):
        read_patches(labeled, "filepath")


def test_nothing_to_embed_is_an_error(labeled, make_dataset):
    with pytest.raises(NoPatches, match="no labels in 'boxes'"):
        read_patches(labeled.match(F("filepath").ends_with("b.jpg")), "boxes")
    with pytest.raises(NoPatches):
        read_patches(make_dataset())


def test_videos_are_refused(make_dataset):
    dataset = make_dataset()
    dataset.add_sample(fo.Sample(filepath="/media/a.mp4"))
    with pytest.raises(InvalidParameter, match="not video"):
        read_patches(dataset)


def test_unusable_boxes_are_named(make_dataset):
    boxes = {
        "no area": [0.1, 0.1, 0, 0.5],
        "outside": [1.2, 0.1, 0.5, 0.5],
        "not a number": [0.1, float("nan"), 0.5, 0.5],
    }
    dataset = make_dataset()
    dataset.add_sample(
        fo.Sample(
            filepath="/media/a.jpg",
            boxes=fo.Detections(
                detections=[detection(box=box) for box in [SQUARE, *boxes.values()]]
            ),
        )
    )
    table = read_patches(dataset, "boxes")
    problems = table.box_problems()
    assert set(problems) == set(table.label_ids[1:])
    for id_, part in zip(table.label_ids[1:], boxes, strict=True):
        assert part in problems[id_]


def test_read_attribute(labeled):
    values = read_attribute(labeled, "boxes", "confidence")
    assert list(values.values()) == [0.9, 0.2, None]
    assert read_attribute(labeled, "boxes", "boxes.detections.confidence") == values
    assert list(read_attribute(labeled, "main", "label").values()) == ["dog"]
    with pytest.raises(UnknownField):
        read_attribute(labeled, "boxes", "absent")
