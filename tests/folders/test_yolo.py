"""YOLO as ultralytics reads it: poses, links, Roboflow's yaml, and label files that are shared."""

from __future__ import annotations

import os

import pytest
from labelvet.core.errors import BadDataset
from labelvet.folders.formats import correct, read_source
from labelvet.folders.source import Correction
from labelvet.folders.yolo import label_file
from PIL import Image

LABEL = "0 0.5 0.5 0.2 0.2\n"


def draw(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (20, 10)).save(path)
    file = label_file(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(LABEL)


def write_yaml(folder, text):
    file = folder / "data.yaml"
    file.write_text(f"names: [a, b]\n{text}\n")
    return file


def names(source):
    return [image.path.name for image in source.images]


def test_images_that_share_a_label_file_are_a_fault_and_left_out(tmp_path):
    for name in ("a.jpg", "a.png", "b.jpg"):
        draw(tmp_path / "images" / name)
    source = read_source(write_yaml(tmp_path, "train: images"))
    (said,) = source.faults.sentences()
    assert "label file is of several images" in said and "a.jpg' and '" in said and "a.png" in said
    assert names(source) == ["b.jpg"]


def test_a_photo_beside_its_original_that_is_not_decoded_is_read(tmp_path):
    draw(tmp_path / "images" / "a.jpg")
    (tmp_path / "images" / "a.HEIC").write_bytes(b"original")
    source = read_source(write_yaml(tmp_path, "train: images"))
    (said,) = source.faults.sentences()
    assert "a.HEIC" in said and names(source) == ["a.jpg"] and len(source) == 1


@pytest.mark.parametrize("points", [2, 3])
def test_the_box_of_a_pose_is_its_first_four_numbers(tmp_path, points):
    draw(tmp_path / "images" / "a.jpg")
    keypoints = " ".join(["0.9 0.9 2"[: 4 * points - 1]] * 4)
    (tmp_path / "labels" / "a.txt").write_text(f"0 0.5 0.5 0.2 0.2 {keypoints}\n")
    source = read_source(write_yaml(tmp_path, f"train: images\nkpt_shape: [4, {points}]"))
    assert not source.faults
    ((image, label),) = source.labels()
    assert label.box == pytest.approx((0.4, 0.4, 0.2, 0.2))
    moved = Correction(image.path, label.place, None, (0.1, 0.1, 0.2, 0.2))
    ((_, text),) = correct(source, [moved])
    assert text == f"0 0.2 0.2 0.2 0.2 {keypoints}\n"


@pytest.mark.parametrize("shape", ["17", "[17]", "[a, b]"])
def test_a_kpt_shape_that_is_none_is_a_sentence(tmp_path, shape):
    draw(tmp_path / "images" / "a.jpg")
    with pytest.raises(BadDataset, match=r"write \[points, numbers of each\]"):
        read_source(write_yaml(tmp_path, f"train: images\nkpt_shape: {shape}"))


def test_linked_folders_are_read_and_one_that_leads_back_once(tmp_path):
    draw(tmp_path / "images" / "own" / "b.jpg")
    draw(tmp_path / "pool" / "images" / "a.jpg")
    (tmp_path / "images" / "linked").symlink_to(tmp_path / "pool" / "images")
    (tmp_path / "images" / "own" / "back").symlink_to(tmp_path / "images")
    draw(tmp_path / "images" / ".hidden" / "c.jpg")
    (tmp_path / "labels" / "linked").mkdir()
    (tmp_path / "labels" / "linked" / "a.txt").write_text(LABEL)
    source = read_source(write_yaml(tmp_path, "train: images"))
    assert not source.faults.sentences()
    assert names(source) == ["a.jpg", "b.jpg"]


def test_every_suffix_of_ultralytics_is_read_or_a_fault(tmp_path):
    for name in ("a.avif", "c.jp2", "d.webp"):
        draw(tmp_path / "images" / name)
    for name in ("e.heic", "f.heif"):
        (tmp_path / "images" / name).write_bytes(b"not decoded here")
        (tmp_path / "labels" / name).with_suffix(".txt").write_text(LABEL)
    source = read_source(write_yaml(tmp_path, "train: images"))
    assert names(source) == ["a.avif", "c.jp2", "d.webp"]
    assert [said[:24] for said in source.faults.sentences()] == ["2 images cannot be read,"]


def test_roboflows_yaml_is_read_as_ultralytics_does(tmp_path):
    for split in ("train", "valid"):
        draw(tmp_path / "roboflow" / split / "images" / f"{split}.jpg")
    entries = "train: ../train/images\nval: ../valid/images\ntest: ../test/images"
    file = write_yaml(tmp_path / "roboflow", entries)
    source = read_source(file)
    assert names(source) == ["train.jpg", "valid.jpg"] and not source.faults
    assert "'test'" in source.notes[0] and "is not there" in source.notes[0]
    with pytest.raises(BadDataset, match=r"the 'test' of .* does not exist"):
        read_source(file, split="test")


def test_paths_are_those_that_fiftyone_keeps(tmp_path):
    draw(tmp_path / "images" / "a.jpg")
    (tmp_path / "yaml").mkdir()
    source = read_source(write_yaml(tmp_path / "yaml", "path: ..\ntrain: images"))
    assert [image.path for image in source.images] == [tmp_path / "images" / "a.jpg"]


def test_a_name_that_is_not_utf_8_is_a_fault(tmp_path):
    draw(tmp_path / "images" / "b.jpg")
    for folder, suffix in ((b"images", b".jpg"), (b"labels", b".txt")):
        old, new = (os.fsencode(tmp_path) + b"/" + folder + b"/" + n for n in (b"b", b"caf\xe9"))
        os.rename(old + suffix, new + suffix)
    draw(tmp_path / "images" / "a.jpg")
    source = read_source(write_yaml(tmp_path, "train: images"))
    (said,) = source.faults.sentences()
    assert "a name that is not UTF-8: rename it" in said and "caf\\udce9.jpg" in said
    assert said.encode() and source.fingerprint() and names(source) == ["a.jpg"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("null", "1 class has no name, in"),
        ("''", "1 class has no name, in"),
        ('"a\\ud800"', "1 class has a name that is not text, in"),
    ],
)
def test_a_class_without_a_name_is_a_fault(tmp_path, name, words):
    draw(tmp_path / "images" / "a.jpg")
    file = write_yaml(tmp_path, "train: images")
    file.write_text(file.read_text().replace("[a,", f"[{name},"))
    source = read_source(file)
    first, second = source.faults.sentences()
    assert first.startswith(words) and first.endswith(": number 0.")
    assert second.startswith("1 label has a class number that has no name, in")
    assert source.classes == ["b"] and not len(source)
