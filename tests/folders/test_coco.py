"""COCO's JSON as other tools write it: keys within keys, outlines, categories of one name, ids that
are text, turned photos."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from labelvet.core.errors import BadDataset, InvalidParameter
from labelvet.folders.coco import looks_like
from labelvet.folders.formats import correct, read_source
from labelvet.folders.predictions import read_predictions
from labelvet.folders.source import Correction
from PIL import Image

MOVED = (0.1, 0.2, 0.3, 0.4)


@pytest.fixture
def file(tmp_path) -> Path:
    Image.new("RGB", (200, 100)).save(tmp_path / "a.jpg")
    return tmp_path / "instances.json"


def content(**annotation: Any) -> dict[str, Any]:
    label = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [150, 10, 40, 20], "area": 800}
    return {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 200, "height": 100}],
        "categories": [{"id": number, "name": name} for number, name in enumerate("abb", start=1)],
        "annotations": [{**annotation, **label}],
    }


def corrected(file: Path, name: str | None, box=None) -> str:
    source = read_source(file)
    ((image, label),) = source.labels()
    ((_, text),) = correct(source, [Correction(image.path, label.place, name, box)])
    return text


def test_only_the_keys_of_the_annotation_itself_are_changed(file):
    nested = {"bbox": [1, 2, 3, 4], "category_id": 5, "area": 6}
    before = content(attributes=nested, segmentation=[])
    before = {"info": {"annotations": [nested]}, **before}
    before["categories"].pop()
    file.write_text(json.dumps(before))
    after = json.loads(corrected(file, "b", MOVED))
    changed = {"category_id": 2, "bbox": [20.0, 20.0, 60.0, 40.0], "area": 2400.0}
    assert after == {**before, "annotations": [{**before["annotations"][0], **changed}]}


def test_the_first_label_goes_to_the_list_of_annotations_itself(file):
    before = {"info": {"annotations": []}, **content(), "annotations": []}
    file.write_text(json.dumps(before))
    source = read_source(file)
    ((_, text),) = correct(source, [Correction(source.images[0].path, None, "a", MOVED)])
    after = json.loads(text)
    assert after["info"] == before["info"] and len(after["annotations"]) == 1


@pytest.mark.parametrize("outline", [[[150, 10, 190, 10, 170, 30]], {"counts": "a", "size": [1]}])
def test_the_box_of_a_segmentation_is_not_moved(file, outline):
    before = content(segmentation=outline)
    before["categories"].pop()
    file.write_text(json.dumps(before))
    with pytest.raises(InvalidParameter, match=r"index 0' in .* has a segmentation"):
        corrected(file, None, MOVED)
    after = json.loads(corrected(file, "b"))
    assert after["annotations"] == [{**before["annotations"][0], "category_id": 2}]


@pytest.mark.parametrize("number", [2, 3])
def test_of_categories_with_one_name_a_label_keeps_its_own(file, number):
    before = content()
    before["annotations"][0]["category_id"] = number
    file.write_text(json.dumps(before))
    assert json.loads(corrected(file, None, MOVED))["annotations"][0]["category_id"] == number
    assert json.loads(corrected(file, "a"))["annotations"][0]["category_id"] == 1


def test_a_name_of_several_categories_is_not_given(file):
    file.write_text(json.dumps(content()))
    with pytest.raises(InvalidParameter, match=r"'b' is the name of 2 categories of .*instances"):
        corrected(file, "b")


@pytest.mark.parametrize(
    ("part", "item", "words"),
    [
        ("images", {"id": "a1", "file_name": "a.jpg"}, 'the image {"id": "a1", .* each image'),
        ("images", {"id": None, "file_name": "a.jpg"}, 'the image {"id": null, .* each image'),
        ("images", "a.jpg", 'the image "a.jpg", and each image needs id, a whole number, and file'),
        ("categories", {"id": "cat", "name": "cat"}, "each category needs id, a whole number, and"),
        ("categories", {"id": 1}, 'the category {"id": 1}, and .* and name.'),
    ],
)
def test_an_id_that_is_no_number_is_a_sentence(file, part, item, words):
    file.write_text(json.dumps({**content(), part: [item]}))
    with pytest.raises(BadDataset, match=words):
        read_source(file)


def test_a_byte_order_mark_is_read_and_kept(file):
    text = "\ufeff" + json.dumps(content())
    file.write_text(text, encoding="utf-8")
    assert looks_like(file) and len(read_source(file.parent)) == 1
    assert len(read_predictions(file, read_source(file))) == 1
    new = corrected(file, None, MOVED)
    assert new[:9] == text[:9] and json.loads(new[1:])["annotations"][0]["area"] == 2400


def zero_before(number: int) -> str:
    return f"0{number}"


@pytest.mark.parametrize(
    ("own", "other"),
    [(int, int), (str, str), (float, float), (zero_before, zero_before), (int, str), (str, float)],
)
def test_ids_are_written_in_the_type_of_the_file(file, own, other):
    before = content()
    before["categories"].pop()
    for part in ("images", "categories"):
        before[part] = [{**item, "id": own(item["id"])} for item in before[part]]
    (label,) = before["annotations"]
    label |= {"id": own(1), "image_id": other(1), "category_id": other(1)}
    file.write_text(json.dumps(before))
    source = read_source(file)
    ((image, found),) = source.labels()
    changes = [
        Correction(image.path, found.place, "b", MOVED),
        Correction(image.path, None, "b", MOVED),
    ]
    ((_, text),) = correct(source, changes)
    changed, added = json.loads(text)["annotations"]
    for one in (changed, added):
        # of the same type, too
        assert repr((one["image_id"], one["category_id"])) == repr((other(1), other(2)))
        assert one["bbox"] == [20, 20, 60, 40]
    assert repr(changed["id"]) == repr(own(1))
    assert repr(added["id"]) == repr("2" if own is zero_before else own(2))


TWO_IMAGES = [{"id": 1, "file_name": "a.jpg"}, {"id": 1.0, "file_name": "b.jpg"}]
TWO_CATEGORIES = [{"id": 1, "name": "cat"}, {"id": "1", "name": "dog"}]


@pytest.mark.parametrize(
    ("part", "items", "words"),
    [
        ("images", TWO_IMAGES, "1 image id has several entries: .* 1 is 'a.jpg' and 'b.jpg'"),
        ("images", TWO_IMAGES[:1] * 2, "1 image id has several entries: .* 'a.jpg' and 'a.jpg'"),
        ("categories", TWO_CATEGORIES, "1 category id has several names: .* 1 is 'cat' and 'dog'"),
        ("categories", [{"id": 1, "name": None}], "1 class has no name, in .*: category 1"),
        ("categories", [{"id": 1, "name": " "}], "1 class has no name, in .*: category 1"),
        ("categories", [{"id": 1, "name": "a\ud800"}], "1 class has a name that is not text, in"),
        ("images", [{**TWO_IMAGES[0], "file_name": "a\ud800"}], r"cannot be read, in .*a\\ud800"),
        ("images", [{**TWO_IMAGES[0], "width": "wide", "height": 1}], "pixels, in .*: wide x 1"),
        ("images", [{**TWO_IMAGES[0], "width": 10**400, "height": 1}], "no number of pixels, in"),
        ("annotations", {"bbox": [10**400, 0, 1, 1]}, "1 annotation lacks .* no numbers there, in"),
        ("annotations", {"category_id": float("inf")}, "1 annotation lacks .* no numbers there"),
        ("annotations", {"image_id": 1.5}, "1 annotation lacks .* no numbers there, in"),
    ],
)
def test_what_cannot_be_meant_is_a_fault_and_never_a_label(file, part, items, words):
    Image.new("RGB", (200, 100)).save(file.parent / "b.jpg")
    before = content()
    if part == "annotations":
        items = [{**before[part][0], **items}]
    file.write_text(json.dumps({**before, part: items}))
    source = read_source(file, file.parent)
    with pytest.raises(BadDataset, match=words):
        source.check(False)
    assert not len(source)


def test_a_json_whose_name_is_not_utf_8_is_a_sentence(file):
    file = file.with_name("caf\udce9.json")
    file.write_text(json.dumps(content()))
    with pytest.raises(BadDataset, match=r"caf\\udce9\.json' has a name that is not UTF-8: rename"):
        read_source(file)


def test_a_category_that_is_there_twice_is_one(file):
    before = content()
    file.write_text(json.dumps({**before, "categories": before["categories"][:1] * 2}))
    source = read_source(file)
    source.check(False)
    assert source.classes == ["a"] and len(source) == 1


def test_predictions_of_an_image_id_with_two_images_are_a_fault(file):
    Image.new("RGB", (200, 100)).save(file.parent / "b.jpg")
    images = [TWO_IMAGES[0], {"id": 2, "file_name": "b.jpg"}]
    file.write_text(json.dumps({**content(), "images": images}))
    predicted = file.with_name("predicted.json")
    predicted.write_text(json.dumps({**content(score=0.5), "images": TWO_IMAGES[:1] * 2}))
    assert len(read_predictions(predicted, read_source(file))) == 1
    twice = [TWO_IMAGES[0], {"id": 1, "file_name": "b.jpg"}]
    predicted.write_text(json.dumps({**content(score=0.5), "images": twice}))
    with pytest.raises(BadDataset, match="None of the predictions"):
        read_predictions(predicted, read_source(file))


@pytest.mark.parametrize(
    ("told", "box"),
    [
        ((0, 100), [20, 20, 60, 40]),
        ((None, 100), [20, 20, 60, 40]),
        (("400", "200"), [40, 40, 120, 80]),
        ((400.0, 200.0), [40, 40, 120, 80]),
    ],
)
def test_a_size_is_told_in_whole_numbers_or_else_the_images(file, told, box):
    before = content()
    before["images"][0]["width"], before["images"][0]["height"] = told
    file.write_text(json.dumps(before))
    width = float(told[0] or 200)
    assert read_source(file).images[0].labels[0].box[0] == pytest.approx(150 / width)
    assert json.loads(corrected(file, None, MOVED))["annotations"][0]["bbox"] == box


def test_a_turned_photo_whose_size_is_told_unturned_is_a_fault(file):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (200, 100)).save(file.parent / "a.jpg", exif=exif)
    file.write_text(json.dumps(content()))
    source = read_source(file)
    with pytest.raises(BadDataset, match=r"swapped, .*a\.jpg': 200 x 100, and shown it is 100 x"):
        source.check(False)
    assert not source.images and len(source.faults.sentences()) == 1
    upright = content()
    upright["images"][0] |= {"width": 100, "height": 200}
    upright["annotations"][0]["bbox"] = [50, 10, 40, 20]
    file.write_text(json.dumps(upright))
    assert read_source(file).images[0].labels[0].box == pytest.approx((0.5, 0.05, 0.4, 0.1))
