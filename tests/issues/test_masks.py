"""What masks tell by themselves: each kind at its threshold, in documents, files and frames."""

from __future__ import annotations

import zlib
from dataclasses import replace
from io import BytesIO

import fiftyone as fo
import numpy as np
import pytest
from labelvet.issues.box_checks import check_boxes
from labelvet.issues.find import find_label_issues
from labelvet.issues.geometry import name_geometry
from labelvet.issues.masks import find_masks
from PIL import Image
from tables import make_table

WHOLE = (0.0, 0.0, 0.5, 0.5)


def _mask(*filled, size=(100, 100)):
    """A mask of some windows of rows and columns, of which those with a 0 at the end are empty."""
    mask = np.zeros(size, bool)
    for top, bottom, left, right, *value in filled:
        mask[top:bottom, left:right] = not value
    return mask


def _names(masks, boxes):
    table = make_table(["a.jpg"], boxes)
    outlines = np.full(len(boxes), None, dtype=object)
    for row, mask in enumerate(masks):
        if mask is not None:
            data = BytesIO()
            np.save(data, mask)
            outlines[row] = zlib.compress(data.getvalue())
    return name_geometry(find_masks(replace(table, outlines=outlines)))


FIRST_CELL = (0, 1, 0, 1, 0)


@pytest.mark.parametrize(
    ("mask", "names"),
    [
        (None, None),
        (_mask((0, 100, 0, 85)), None),
        (_mask((0, 100, 0, 84)), ["loose box"]),
        (_mask((8, 92, 0, 100)), ["loose box"]),
        (_mask((0, 4, 0, 3), size=(4, 4)), None),  # a cell of few
        (_mask(), ["empty mask"]),
        (_mask((0, 100, 0, 100)), ["full mask"]),
        (_mask((0, 100, 0, 100), FIRST_CELL), None),
        (_mask((0, 7, 0, 9), size=(7, 9)), None),
        (_mask((0, 100, 0, 100), FIRST_CELL, (40, 50, 40, 50, 0)), ["holes"]),
        (_mask((0, 100, 0, 100), FIRST_CELL, (40, 50, 40, 49, 0)), None),
        # a bay is no hole, and what touches at a corner alone is no way out
        (_mask((0, 100, 0, 100), (40, 50, 40, 100, 0)), None),
        (_mask((0, 100, 0, 100), (0, 10, 0, 10, 0), (10, 20, 10, 20, 0)), ["holes"]),
        (_mask((0, 100, 0, 60), (90, 100, 80, 100)), ["islands"]),
        (_mask((0, 100, 0, 60), (90, 100, 68, 100)), ["islands"]),
        (_mask((0, 100, 0, 60), (90, 100, 66, 100)), None),  # 7 cells of 141
        (_mask((0, 100, 0, 60), (95, 100, 80, 100)), None),  # 1.6 % of the area
        (_mask((0, 50, 0, 50), (50, 100, 50, 100)), None),  # they touch
    ],
)
def test_one_mask(mask, names):
    assert _names([mask], [WHOLE]) == [names]


def test_what_covers_half_of_another_mask():
    left, full = _mask((0, 100, 0, 50), FIRST_CELL), _mask((0, 10, 0, 10), size=(10, 10))

    def covers(*boxes, masks=(left, full)):
        found = _names(masks, [WHOLE, *boxes])
        return ["covers another" in (some or ()) for some in found]

    # the left half of the box ends at .25
    assert covers((0.15, 0.2, 0.2, 0.1)) == [True, False]
    assert covers((0.17, 0.2, 0.2, 0.1)) == [False, False]
    # a box in the other is not a mask in the other
    assert covers((0.3, 0.2, 0.1, 0.1)) == [False, False]
    assert covers((0.2, 0.2, 0.2, 0.1), masks=(left, None)) == [False, False]
    # two of one object cover each other
    assert covers((0.0, 0.0, 0.5, 0.5), masks=(left, left)) == [True, True]
    upper = _mask((0, 40, 0, 50), FIRST_CELL)
    assert covers((0.0, 0.0, 0.5, 0.5), masks=(left, upper)) == [True, False]
    # in another image
    table = make_table(["a.jpg", "b.jpg"], [WHOLE, WHOLE])
    data = BytesIO()
    np.save(data, left)
    outlines = np.array([zlib.compress(data.getvalue())] * 2, dtype=object)
    assert not find_masks(replace(table, outlines=outlines))["covers another"].any()


def test_masks_of_a_dataset_are_checked_in_documents_files_and_frames(
    make_dataset, tmp_path, monkeypatch
):
    monkeypatch.setattr("labelvet.issues.box_checks._MASKED_AT_ONCE", 1)
    loose, islands = _mask((0, 100, 0, 50)), _mask((0, 100, 0, 60), (90, 100, 80, 100))
    file = tmp_path / "mask.png"
    Image.fromarray(islands.astype(np.uint8) * 255).save(file)

    def label(**more):
        return fo.Detection(label="a", bounding_box=[0.1, 0.1, 0.3, 0.3], **more)

    dataset = make_dataset()
    dataset.add_samples(
        [
            fo.Sample("/a.jpg", det=fo.Detections(detections=[label(), label(mask=loose)])),
            fo.Sample("/b.jpg", det=fo.Detections(detections=[label()])),
            fo.Sample(
                "/c.jpg",
                det=fo.Detections(
                    detections=[label(mask_path=str(file)), label(mask_path="/no/such.png")]
                ),
            ),
        ]
    )
    lines = []
    found = check_boxes(dataset, "det", progress=lambda _, line: lines.append(line))
    assert found.summary() == (
        "5 labels checked. Boxes: nothing stands out. "
        "Masks: 1 loose box, 1 islands, 1 unreadable mask."
    )
    assert any(line.startswith("Checking boxes") for line in lines)
    told = [[None, ["loose box"]], [None], [["islands"], ["unreadable mask"]]]
    assert dataset.values("det.detections.geometry") == told

    sample = dataset.first()
    sample["det"].detections[1].mask = _mask((0, 100, 0, 100), FIRST_CELL)
    sample.save()
    check_boxes(dataset, "det")
    dataset.reload()
    assert dataset.values("det.detections.geometry")[0] == [None, None]

    videos, sample = make_dataset(), fo.Sample("/one.mp4")
    for number in (1, 2):
        labels = fo.Detections(detections=[label(), label(mask=loose if number == 2 else None)])
        sample.frames[number] = fo.Frame(det=labels)
    videos.add_sample(sample)
    assert check_boxes(videos, "frames.det").geometry["loose box"] == 1
    assert videos.values("frames.det.detections.geometry") == [[[None] * 2, [None, ["loose box"]]]]


def test_label_issues_tell_what_is_odd_about_masks(flipped_labels):
    dataset, _ = flipped_labels
    assert "Masks" not in find_label_issues(dataset, "map").summary()
    sample = dataset.last()
    sample["labels"].detections[0].mask = _mask((0, 100, 0, 50))
    sample.save()
    assert "Masks: 1 loose box." in find_label_issues(dataset, "map").summary()
    dataset.reload()
    assert "loose box" in dataset.last()["labels"].detections[0].geometry
