"""Numbers of classes in predictions are understood only where they can mean one thing."""

from __future__ import annotations

import json

import pytest
from label_files import write_coco, write_yolo
from labelvet.core.errors import BadDataset
from labelvet.folders.formats import read_source
from labelvet.folders.predictions import read_predictions
from PIL import Image

NAMES = ("000042.jpg", "42.jpg", "other.jpg")
CLASSES = ["cat", "dog", "bird"]
COCO_CLASSES = [f"class {number}" for number in range(80)]


@pytest.fixture
def images(tmp_path):
    for name in NAMES:
        Image.new("RGB", (200, 100)).save(tmp_path / name)
    return [tmp_path / name for name in NAMES]


@pytest.fixture
def read(images, tmp_path):
    """Reads predictions ``{image_id, file_name, category_id, ...}`` as (file name, class)."""
    truth = {name: [{"label": "cat", "box": [0.1, 0.2, 0.3, 0.4]}] for name in NAMES}

    def call(*entries, classes=CLASSES, write=write_yolo):
        folder = tmp_path / f"dataset of {len(list(tmp_path.iterdir()))}"
        named = {
            name: [{**each, "label": classes[0]} for each in some] for name, some in truth.items()
        }
        source = read_source(write(folder, images, named, classes))
        file = folder / "predictions.json"
        common = {"bbox": [80, 40, 40, 20], "score": 0.9}
        file.write_text(json.dumps([{**common, **entry} for entry in entries]))
        found = read_predictions(file, source)
        assert not found.faults
        return [(image.path.name, label.name) for image, label in found.labels()]

    return call


def test_ultralytics_counts_from_1_and_its_file_names_tell(read):
    entry = {"image_id": 42, "file_name": "000042.jpg", "category_id": 1}
    assert read(entry) == [("000042.jpg", "cat")]
    assert read({"image_id": 7, "file_name": "other.jpg", "category_id": 3}) == [
        ("other.jpg", "bird")
    ]
    # its older versions counted from 0
    assert read(entry, {**entry, "category_id": 0}) == [
        ("000042.jpg", "dog"),
        ("000042.jpg", "cat"),
    ]


def test_ultralytics_writes_cocos_numbers_for_cocos_classes(read):
    entry = {"image_id": 42, "file_name": "42.jpg"}
    for number, beside, index in ((18, 90, 16), (13, 12, 12), (11, 1, 10)):
        found = read(
            {**entry, "category_id": number}, {**entry, "category_id": beside},
            classes=COCO_CLASSES,
        )  # fmt: skip
        assert found[0] == ("42.jpg", COCO_CLASSES[index])
    with pytest.raises(BadDataset, match="or be COCO's own"):
        read({**entry, "category_id": 18}, classes=COCO_CLASSES)


def test_numbers_of_images_elsewhere_tell_how_classes_are_counted(read):
    """The predictions are of all splits, and one of them is read."""
    elsewhere = {"image_id": "train.jpg", "category_id": 0}
    assert read({"image_id": "other.jpg", "category_id": 1}, elsewhere) == [("other.jpg", "dog")]


@pytest.mark.parametrize(
    "numbers, expected", [((0, 1), ["cat", "dog"]), ((1, 3), ["cat", "bird"]), ((1, 2), None)]
)
def test_bare_numbers_are_refused_where_they_may_mean_two_classes(read, numbers, expected):
    entries = [{"image_id": "other", "category_id": number} for number in numbers]
    if expected is None:
        with pytest.raises(BadDataset, match="write the class of each prediction as its label"):
            read(*entries)
    else:
        assert read(*entries) == [("other.jpg", name) for name in expected]
    named = [{**entry, "label": "dog"} for entry in entries]
    assert read(*named) == [("other.jpg", "dog")] * 2


def test_numbers_of_a_coco_source_are_its_own(read):
    entry = {"image_id": 3, "category_id": 2}
    assert read(entry, write=write_coco) == [("other.jpg", "dog")]
    unknown = {**entry, "image_id": 99, "file_name": "other.jpg"}
    assert read(unknown, write=write_coco) == [("other.jpg", "dog")]
