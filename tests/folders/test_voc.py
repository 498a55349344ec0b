"""VOC's XML files as other tools write them: objects behind comments and attributes, names that
differ from their images', other encodings, turned photos."""

from __future__ import annotations

from pathlib import Path

import pytest
from labelvet.core.errors import BadDataset, InvalidParameter
from labelvet.folders.formats import correct, read_source
from labelvet.folders.source import Correction
from PIL import Image


def an_object(name: str, left: int, opening: str = "<object>", before: str = "") -> str:
    return (
        f"  {opening}\n{before}    <name>{name}</name>\n    <bndbox><xmin>{left}</xmin>"
        f"<ymin>10</ymin><xmax>{left + 20}</xmax><ymax>30</ymax></bndbox>\n  </object>\n"
    )


CAT, DOG = an_object("cat", 50), an_object("dog", 90)


@pytest.fixture
def folder(tmp_path) -> Path:
    for name in ("Annotations", "JPEGImages"):
        (tmp_path / name).mkdir()
    Image.new("RGB", (200, 100)).save(tmp_path / "JPEGImages" / "a.jpg")
    return tmp_path


def write(folder: Path, objects: str, head: str = "", name: str = "a", encoding: str = "utf-8"):
    text = f"{head}<annotation>\n<filename>a.jpg</filename>\n{objects}</annotation>\n"
    (folder / "Annotations" / f"{name}.xml").write_bytes(text.encode(encoding))
    return text


def corrected(folder: Path, number: int | None, name: str | None, box=None):
    """Returns the file and its new text, where one object is corrected, or (None) a new one."""
    (image,) = read_source(folder).images
    place = None if number is None else image.labels[number].place
    ((file, text),) = correct(read_source(folder), [Correction(image.path, place, name, box)])
    return file, text


@pytest.mark.parametrize(
    "objects",
    [
        f"<!-- {an_object('old', 1)} -->{CAT}{DOG}",
        f"<note><![CDATA[{CAT}]]></note>\n{CAT}{DOG}",
        f"{CAT}<!-- the last -->{DOG}",
        an_object("cat", 50, '<object id="1" path="a/b">') + DOG,
        f"  <object/>\n{CAT}{DOG}".replace("<object/>", '<objects n="2"/>'),
    ],
)
def test_the_object_that_was_meant_is_removed(folder, objects):
    text = write(folder, objects)
    assert corrected(folder, 1, None)[1] == text.replace(DOG, "")


@pytest.mark.parametrize(
    "before",
    ["    <!-- <name>old</name> -->\n", "    <part><name>head</name></part>\n", "    <name_2/>\n"],
)
def test_the_name_that_was_meant_is_changed(folder, before):
    text = write(folder, CAT + an_object("dog", 90, '<object id="2">', before))
    expected = text.replace("<name>dog", "<name>bird").replace("<xmin>90", "<xmin>100")
    expected = expected.replace("<xmax>110", "<xmax>120")
    assert corrected(folder, 1, "bird", (0.5, 0.1, 0.1, 0.2))[1] == expected


@pytest.mark.parametrize(
    "objects",
    [
        CAT + an_object("dog", 90, before="    <sub><name>tail</name></sub>\n"),
        CAT + an_object("dog", 90, before="    <object><name>nested</name></object>\n"),
        f"<group>{an_object('other', 1)}</group>{CAT}{DOG}",
    ],
)
def test_an_object_that_is_not_found_for_sure_is_refused(folder, objects):
    write(folder, objects)
    with pytest.raises(InvalidParameter, match=r"a\.xml' are not written as VOC's are"):
        corrected(folder, 1, "bird")


@pytest.mark.parametrize("objects", ["", CAT, "<!-- </annotation> -->"])
def test_a_new_label_goes_to_the_xml_that_names_its_image(folder, objects):
    text = write(folder, objects, name="annotation_1")
    file, new = corrected(folder, None, "R & D", (0.5, 0.5, 0.25, 0.25))
    assert file.name == "annotation_1.xml" and new.startswith(text.rpartition("</")[0])
    file.write_text(new)
    (image,) = read_source(folder).images
    assert image.labels[-1].name == "R & D" and image.labels[-1].box == (0.5, 0.5, 0.25, 0.25)


def test_a_new_label_of_an_image_without_an_xml_gets_one(folder):
    Image.new("RGB", (200, 100)).save(folder / "JPEGImages" / "b.jpg")
    write(folder, CAT)
    source = read_source(folder)
    (image,) = [each.path for each in source.images if each.path.name == "b.jpg"]
    ((file, text),) = correct(source, [Correction(image, None, "dog", (0.1, 0.1, 0.2, 0.2))])
    assert file == folder / "Annotations" / "b.xml"
    file.write_text(text)
    again = read_source(folder)
    assert not again.faults and [len(each.labels) for each in again.images] == [1, 1]


@pytest.mark.parametrize("encoding", ["GBK", "Shift_JIS", "utf-16"])
def test_an_encoding_that_the_file_names_is_read_and_not_written(folder, encoding):
    head = f'<?xml version="1.0" encoding="{encoding}"?>\n'
    write(folder, an_object("犬", 50), head, encoding=encoding)
    source = read_source(folder)
    assert not source.faults and source.images[0].labels[0].name == "犬"
    with pytest.raises(InvalidParameter, match=f"is in {encoding}, and only UTF-8 can be written"):
        corrected(folder, 0, None, (0.1, 0.1, 0.2, 0.2))


def test_a_file_whose_bytes_are_the_same_in_utf_8_is_written(folder):
    text = write(folder, DOG, '<?xml version="1.0" encoding="GBK"?>\n', encoding="GBK")
    assert corrected(folder, 0, "cat")[1] == text.replace("dog", "cat")
    with pytest.raises(InvalidParameter, match="only UTF-8"):
        corrected(folder, 0, "猫")


@pytest.mark.parametrize("encoding", ["utf-8", "nothing-known", "hex"])
def test_an_encoding_that_is_not_the_files_is_a_fault(folder, encoding):
    write(folder, an_object("中", 50), f'<?xml version="1.0" encoding="{encoding}"?>', "b", "GBK")
    (said,) = [each for each in read_source(folder).faults.sentences() if "b.xml" in each]
    assert said.startswith("1 label file cannot be read, in ")


SIZE = "<size><width>{}</width><height>{}</height></size>\n"


@pytest.mark.parametrize("name", ["a", "annotation_1"])
def test_a_turned_photo_whose_size_is_told_unturned_is_a_fault(folder, name):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (200, 100)).save(folder / "JPEGImages" / "a.jpg", exif=exif)
    write(folder, SIZE.format(200, 100) + CAT, name=name)
    source = read_source(folder)
    with pytest.raises(BadDataset, match=r"swapped, .*a\.jpg': 200 x 100, and shown it is 100 x"):
        source.check(False)
    assert not source.images and len(source.faults.sentences()) == 1
    write(folder, SIZE.format(100, 200) + CAT, name=name)
    assert read_source(folder).images[0].labels[0].box == pytest.approx((0.5, 0.05, 0.2, 0.1))


def test_a_size_is_told_in_whole_numbers_or_a_fault(folder):
    write(folder, SIZE.format("400.0", " 200 ") + CAT)
    assert read_source(folder).images[0].labels[0].box == pytest.approx((0.125, 0.05, 0.05, 0.1))
    box = (0.1, 0.1, 0.2, 0.2)
    assert "<xmin>40</xmin><ymin>20</ymin><xmax>120</xmax>" in corrected(folder, 0, None, box)[1]
    write(folder, SIZE.format("wide", 200) + CAT)
    with pytest.raises(BadDataset, match=r"no number of pixels, in .*a\.jpg': wide x 200"):
        read_source(folder).check(False)


def test_a_file_whose_name_is_not_utf_8_is_a_fault(folder):
    write(folder, CAT, name="caf\udce9")
    with pytest.raises(
        BadDataset, match=r"1 label file has a name that is not UTF-8: .*udce9\.xml"
    ):
        read_source(folder).check(False)
