"""What every format promises: an image is given once, and contents count, not times."""

from __future__ import annotations

import json
import os
from hashlib import sha256

import pytest
from label_files import WRITERS, write_coco, write_voc
from labelvet.core.errors import BadDataset
from labelvet.folders.formats import read_source
from PIL import Image

TRUTH = {f"{n}.jpg": [{"label": "a", "box": [0.1 * n, 0.2, 0.3, 0.4]}] for n in range(1, 3)}


@pytest.fixture
def images(tmp_path):
    paths = [tmp_path / name for name in TRUTH]
    for path in paths:
        Image.new("RGB", (20, 10)).save(path)
    return paths


def test_an_image_with_two_entries_is_a_fault_of_coco(images, tmp_path):
    file = write_coco(tmp_path / "dataset", images, TRUTH, ["a"])
    content = json.loads(file.read_text())
    content["images"][1]["file_name"] = "../images/1.jpg"
    file.write_text(json.dumps(content))
    source = read_source(file)
    with pytest.raises(BadDataset) as refused:
        source.check(False)
    assert "1 image has several entries: write all its labels into one" in str(refused.value)
    assert "1.jpg: annotation 100, index 0 and ../images/1.jpg: annotation 101, index 1" in (
        str(refused.value)
    )
    assert not source.images


def test_an_image_with_two_entries_is_a_fault_of_voc(images, tmp_path):
    folder = write_voc(tmp_path / "dataset", images, TRUTH, ["a"])
    file = folder / "Annotations" / "2.xml"
    file.write_text(file.read_text().replace("2.jpg", "1.jpg"))
    (said,) = [s for s in read_source(folder).faults.sentences() if "several entries" in s]
    assert "1.xml:object 1 and " in said and "2.xml:object 1" in said


@pytest.mark.parametrize("format_", WRITERS)
def test_times_do_not_change_a_fingerprint_and_contents_do(format_, images, tmp_path):
    path = WRITERS[format_](tmp_path / "dataset", images, TRUTH, ["a"])
    source = read_source(path)
    before = source.fingerprint()
    for file in (*source.files, *images):
        os.utime(file, (1, 1))
    assert read_source(path).fingerprint() == before and source.is_as(before)
    file = source.files[-1]
    text = file.read_text()
    file.write_text(text.replace("4", "5", 1))
    assert len(text) == file.stat().st_size and not read_source(path).is_as(before)
    file.write_text(text)
    Image.new("RGB", (2000, 1000)).save(images[0])
    assert not source.is_as(before)


def test_a_fingerprint_of_the_older_form_is_understood(images, tmp_path):
    source = read_source(write_coco(tmp_path / "dataset", images, TRUTH, ["a"]))
    older = sha256(b"COCO")
    for path in sorted({*source.files, *(image.path for image in source.images)}):
        status = path.stat()
        older.update(f"{path}{status.st_size}{status.st_mtime_ns}\n".encode())
    assert source.is_as(older.hexdigest()) and not source.is_as(None)
    os.utime(source.path, (1, 1))
    assert not source.is_as(older.hexdigest())
