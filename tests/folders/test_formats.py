"""Labels in files: every format gives the same labels, every fault has its sentence, and a
correction changes nothing else."""

from __future__ import annotations

import json
import os
import re

import numpy as np
import pytest
import tifffile
from label_files import WRITERS, write_coco, write_voc, write_yolo
from labelvet.core.errors import BadDataset, InvalidParameter
from labelvet.embeddings.decoding import read_pixels
from labelvet.folders.coco import _MAX_BYTES
from labelvet.folders.formats import correct, read_source
from labelvet.folders.predictions import read_predictions
from labelvet.folders.source import Correction, Faults, ImageFile, LabelSource, image_size
from PIL import Image

CLASSES = ["cat", "dog", "bird"]


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(3):
        Image.new("RGB", (200, 100), (40 * number, 90, 60)).save(folder / f"{number}.jpg")
    return sorted(folder.iterdir())


TRUTH = {
    "0.jpg": [
        {"label": "cat", "box": [0.1, 0.2, 0.3, 0.4]},
        {"label": "dog", "box": [0.5, 0.5, 0.5, 0.5]},
    ],
    "1.jpg": [{"label": "dog", "box": [0.05, 0.1, 0.2, 0.3]}],
    "2.jpg": [],
}


@pytest.fixture(params=WRITERS)
def dataset(request, images, tmp_path):
    return WRITERS[request.param](tmp_path / "dataset", images, TRUTH, CLASSES)


def shown(source):
    return {
        image.path.name: [
            (label.name, pytest.approx(label.box, abs=1e-5)) for label in image.labels
        ]
        for image in source.images
    }


def test_every_format_gives_the_same_labels(dataset):
    source = read_source(dataset)
    assert not source.faults
    assert shown(source) == {
        name: [(entry["label"], tuple(entry["box"])) for entry in entries]
        for name, entries in TRUTH.items()
    }
    assert len({label.place for _, label in source.labels()}) == 3
    assert "3 images, 3 labels, 2 classes" in source.summary()
    folder = read_source(dataset.parent if dataset.is_file() else dataset)
    assert folder.images == source.images and folder.fingerprint() == source.fingerprint()


def test_a_correction_changes_nothing_else(dataset):
    source = read_source(dataset)
    before = {file: file.read_text() for file in source.files}
    first, second, third = (
        Correction(image.path, label.place, None, None) for image, label in source.labels()
    )
    corrections = [
        Correction(first.image, first.place, "bird", None),
        Correction(second.image, second.place, None, (0.4, 0.5, 0.5, 0.4)),
        third,
        Correction(source.images[2].path, None, "cat", (0.2, 0.2, 0.2, 0.2)),
    ]
    for file, text in correct(source, corrections):
        file.write_text(text)
    again = read_source(dataset)
    assert not again.faults
    assert shown(again) == {
        "0.jpg": [("bird", (0.1, 0.2, 0.3, 0.4)), ("dog", (0.4, 0.5, 0.5, 0.4))],
        "1.jpg": [],
        "2.jpg": [("cat", (0.2, 0.2, 0.2, 0.2))],
    }
    for file, text in before.items():
        same = set(text.splitlines()) & set(file.read_text().splitlines())
        assert len(same) >= min(1, len(text.splitlines()) - 2)


@pytest.mark.parametrize("ending", ["\n", "\r\n", ""])
def test_lines_of_yolo_stay_as_they_are(ending, images, tmp_path):
    file = write_yolo(tmp_path / "dataset", images, TRUTH, CLASSES)
    labels = tmp_path / "dataset" / "labels" / "train" / "0.txt"
    lines = ["0 0.25 0.4 0.3 0.4", "1   0.750000 .75 0.5 5e-1", "2 0.1 0.1 0.2 0.1 0.2 0.2"]
    labels.write_bytes((ending or "\n").join(lines).encode() + ending.encode())
    source = read_source(file)
    (one,) = [label for _, label in source.labels() if label.place.endswith("0.txt:1")]
    (image,) = [image for image in source.images if image.path.name == "0.jpg"]
    ((_, text),) = correct(source, [Correction(image.path, one.place, "dog", None)])
    expected = (ending or "\n").join(["1 0.25 0.4 0.3 0.4", *lines[1:]]) + ending
    assert text == expected
    (outline,) = [label for _, label in source.labels() if label.place.endswith("0.txt:3")]
    moved = Correction(image.path, outline.place, None, (0, 0, 0.1, 0.1))
    with pytest.raises(InvalidParameter, match="is an outline"):
        list(correct(source, [moved]))


def test_the_rest_of_a_coco_file_stays_byte_for_byte(images, tmp_path):
    file = write_coco(tmp_path / "dataset", images, TRUTH, CLASSES)
    content = json.loads(file.read_text())
    content["annotations"][0]["segmentation"] = [[1.50, 2e1, 3]]
    text = json.dumps(content, indent=2).replace("1.5,", "1.50,")
    file.write_text(text)
    source = read_source(file)
    image, label = next(source.labels())
    ((_, new),) = correct(source, [Correction(image.path, label.place, "bird", None)])
    assert new == text.replace('"category_id": 1', '"category_id": 3', 1)
    last = list(source.labels())[-1]
    ((_, new),) = correct(source, [Correction(last[0].path, last[1].place, None, None)])
    content["annotations"].pop()
    assert json.loads(new) == content
    every = [Correction(image.path, label.place, None, None) for image, label in source.labels()]
    ((_, new),) = correct(source, every)
    assert json.loads(new) == {**content, "annotations": []}


def test_a_class_that_the_files_do_not_name_is_refused(images, tmp_path):
    for number, write in enumerate((write_yolo, write_coco)):
        source = read_source(write(tmp_path / str(number), images, TRUTH, CLASSES))
        image, label = next(source.labels())
        with pytest.raises(InvalidParameter, match="'horse' is not a class"):
            list(correct(source, [Correction(image.path, label.place, "horse", None)]))


def test_parts_of_an_object_of_voc_stay(images, tmp_path):
    folder = write_voc(tmp_path / "dataset", images, TRUTH, CLASSES)
    file = folder / "Annotations" / "1.xml"
    part = "<part><name>head</name><bndbox><xmin>12</xmin></bndbox></part>\n  </object>"
    file.write_text(file.read_text().replace("</object>", part))
    source = read_source(folder)
    ((image, label),) = [each for each in source.labels() if each[0].path.name == "1.jpg"]
    ((_, text),) = correct(source, [Correction(image.path, label.place, "R & D", (0, 0, 0.5, 0.5))])
    assert "<name>R &amp; D</name>" in text and part in text
    assert re.search(r"<xmin>0</xmin><ymin>0</ymin><xmax>100</xmax><ymax>50</ymax>", text)


def fault(path, **options):
    with pytest.raises(BadDataset) as refused:
        read_source(path, **options).check(False)
    return str(refused.value)


def test_every_fault_of_yolo_is_a_sentence(images, tmp_path):
    file = write_yolo(tmp_path / "dataset", images, TRUTH, CLASSES)
    labels = tmp_path / "dataset" / "labels" / "train"
    (labels / "0.txt").write_text("7 0.5 0.5 0.1 0.1\n0 0.9 0.5 0.4 0.1\ncat 1\n0 .5 .5 0 .1\n")
    (labels / "1.txt").unlink()
    (tmp_path / "pictures" / "2.jpg").write_bytes(b"no image")
    said = fault(file).splitlines()
    assert len(said) == 6
    for line, words in zip(
        said,
        [
            "1 label has a class number that has no name, in", "1 box lies outside its image",
            "1 line is not a label", "1 box has no area", "1 image has no label file",
            "1 image cannot be read",
        ],
        strict=True,
    ):  # fmt: skip
        assert line.startswith(words) and line.endswith(".")
    assert f"{labels / '0.txt'}:1': 7." in said[0]
    lenient = read_source(file)
    assert [len(image.labels) for image in lenient.images] == [0, 0]


def test_every_fault_of_coco_is_a_sentence(images, tmp_path):
    file = write_coco(tmp_path / "dataset", images, TRUTH, CLASSES)
    content = json.loads(file.read_text())
    content["annotations"][0]["category_id"] = 99
    content["annotations"][1]["bbox"] = [190, 10, 50, 50]
    content["annotations"][2]["image_id"] = 77
    content["annotations"].append({"id": 1})
    content["images"].append({"id": 9, "file_name": "nowhere.jpg"})
    file.write_text(json.dumps(content))
    said = fault(file).splitlines()
    assert len(said) == 5
    assert "1 image is missing" in said[0] and "category that has no name" in said[1]
    assert "outside its image" in said[2] and "image that is not listed" in said[3]
    assert "lacks image_id" in said[4]
    for text, words in (
        ("", "is not valid JSON"), ("{", "is not valid JSON"), ("[1]", "is not a COCO dataset"),
        ('{"images": [{}], "annotations": [], "categories": []}', "image needs id"),
        ("[" * 100_000, "nested too deeply"),
    ):  # fmt: skip
        file.write_text(text)
        assert words in fault(file)


def test_a_json_that_is_too_large_is_not_read(tmp_path):
    file = tmp_path / "instances.json"
    file.touch()
    os.truncate(file, _MAX_BYTES + 20_000_000)
    assert "has 500 MB, and 480 MB are the most" in fault(file)


def test_every_fault_of_voc_is_a_sentence(images, tmp_path):
    folder = write_voc(tmp_path / "dataset", images, TRUTH, CLASSES)
    annotations = folder / "Annotations"
    text = (annotations / "0.xml").read_text()
    (annotations / "0.xml").write_text(text.replace("<xmin>20", "<xmin>far", 1))
    (annotations / "1.xml").write_text("<annotation>")
    (annotations / "2.xml").unlink()
    said = fault(folder).splitlines()
    assert "1 object has no box" in said[0] and "1 label file cannot be read" in said[1]
    assert "1 image has no label file" in said[2] and "2.jpg" in said[2]


def test_what_is_no_dataset_is_a_sentence(images, tmp_path):
    assert "There is no" in fault(tmp_path / "nothing")
    assert "is not a supported dataset" in fault(tmp_path / "pictures")
    assert "not in a supported format" in fault(images[0])
    yaml = tmp_path / "data.yaml"
    for text, words in (
        ("names: [a]", "names no images"), ("train: x", "has no names"),
        (":\n- [", "is not valid YAML"),
        ("names: [a]\ntrain: gone", "does not exist"),
    ):  # fmt: skip
        yaml.write_text(text)
        assert words in fault(yaml)
    yaml.write_text("names: [a]\ntrain: pictures")
    assert "it has train" in fault(yaml, split="val")


def test_two_formats_at_once_are_refused(images, tmp_path):
    folder = tmp_path / "dataset"
    write_yolo(folder, images, TRUTH, CLASSES)
    write_coco(tmp_path / "other", images, TRUTH, CLASSES).rename(folder / "instances.json")
    said = fault(folder)
    assert "holds several datasets, 'dataset.yaml', 'instances.json'" in said


def test_predictions_in_every_form(dataset, tmp_path):
    source = read_source(dataset)
    numbers = {path.name: number for path, number in source.numbers.items()}
    category = {name: number for number, name in source.categories.items()}.get("dog", 2)
    entry = {"category_id": category, "bbox": [20, 10, 40, 30], "score": 0.7}
    forms = [
        [{"image_id": numbers.get("1.jpg", "1"), "label": "dog", **entry}],
        {"1.jpg": [{"label": "dog", "confidence": 0.7, "box": [0.1, 0.1, 0.2, 0.3]}]},
        {
            "images": [{"id": 5, "file_name": "some/1.jpg"}],
            "categories": [{"id": category, "name": "dog"}],
            "annotations": [{"image_id": 5, **entry}],
        },
    ]
    file = tmp_path / "predictions.json"
    for form in forms:
        file.write_text(json.dumps(form))
        ((image, label),) = read_predictions(file, source).labels()
        assert (image.path.name, label.name, label.confidence) == ("1.jpg", "dog", 0.7)
        assert label.box == pytest.approx((0.1, 0.1, 0.2, 0.3))
    file.write_text(json.dumps([{"image_id": "of another dataset", **entry}]))
    with pytest.raises(BadDataset, match="None of the predictions"):
        read_predictions(file, source)
    file.write_text('"words"')
    with pytest.raises(BadDataset, match="holds no predictions"):
        read_predictions(file, source)


def test_predictions_of_files_with_equal_names_are_told_by_their_folders(tmp_path):
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
        Image.new("RGB", (20, 10)).save(tmp_path / folder / "1.jpg")
    images = [ImageFile(tmp_path / folder / "1.jpg", []) for folder in ("here", "there")]
    source = LabelSource("", tmp_path, None, images, [], Faults())
    file, box = tmp_path / "predictions.json", {"label": "dog", "box": [0.1, 0.1, 0.2, 0.3]}
    file.write_text(json.dumps({"there/1.jpg": [{**box, "confidence": 1.0000001}]}))
    ((image, label),) = read_predictions(file, source).labels()
    assert (image.path.parent.name, label.confidence) == ("there", 1.0)
    file.write_text(json.dumps({"there/1.jpg": [box], "1.jpg": [box]}))
    read = read_predictions(file, source)
    assert len(list(read.labels())) == 1
    assert "write its folder before it" in "".join(read.faults.sentences())


def test_predictions_of_files_in_equal_folders_are_told_by_their_paths(tmp_path):
    paths = [tmp_path / folder / "images" / "1.jpg" for folder in ("first", "second")]
    source = LabelSource("", tmp_path, None, [ImageFile(one, []) for one in paths], [], Faults())
    file, box = tmp_path / "predictions.json", {"label": "dog", "box": [0.1, 0.1, 0.2, 0.3]}
    for name in ("second/images/1.jpg", str(paths[1]), str(paths[1].with_suffix(""))):
        file.write_text(json.dumps({name: [box]}))
        ((image, _),) = read_predictions(file, source).labels()
        assert image.path == paths[1]


def test_predictions_of_an_unknown_file_name_are_told_by_their_id(images, tmp_path):
    source = read_source(write_coco(tmp_path / "dataset", images, TRUTH, CLASSES))
    number = source.numbers[next(path for path in source.numbers if path.name == "1.jpg")]
    entry = {"image_id": number, "category_id": 2, "bbox": [20, 10, 40, 30]}
    renamed = [{"id": number, "file_name": "renamed since.jpg"}]
    file = tmp_path / "predictions.json"
    file.write_text(json.dumps({"images": renamed, "annotations": [entry]}))
    ((image, _),) = read_predictions(file, source).labels()
    assert image.path.name == "1.jpg"


@pytest.mark.parametrize("orientation", [1, 3, 6, 8, 9])
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tiff"])
def test_the_size_of_an_image_is_that_of_its_upright_pixels(tmp_path, name, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", (40, 20)).save(tmp_path / name, exif=exif)
    height, width = read_pixels(str(tmp_path / name)).shape[:2]
    assert image_size(tmp_path / name, Faults()) == (width, height)


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_tiff_that_pillow_does_not_know_has_a_size(tmp_path, orientation):
    path = tmp_path / "a.tiff"
    extra = [(0x0112, "H", 1, orientation, True)]
    tifffile.imwrite(path, np.zeros((20, 40, 3), np.float32), photometric="rgb", extratags=extra)
    height, width = read_pixels(str(path)).shape[:2]
    assert image_size(path, Faults()) == (width, height)
    path.write_bytes(b"II*\0 and nothing else")
    faults = Faults()
    assert image_size(path, faults) is None and faults


def test_an_image_above_pillows_limit_has_a_size(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    Image.new("RGB", (40, 20)).save(tmp_path / "a.png")
    assert image_size(tmp_path / "a.png", Faults()) == (40, 20)
