"""Pascal VOC: an XML file per image, in ``Annotations`` beside ``JPEGImages``."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from ..core.errors import BadDataset
from .source import (
    IMAGE_SUFFIXES,
    Box,
    Correction,
    Faults,
    FileLabel,
    ImageFile,
    LabelSource,
    check_box,
    image_size,
    list_images,
    read_text,
)

# (folder of the XML files, folder of the images) below the dataset's folder
_LAYOUTS = (("Annotations", "JPEGImages"), ("labels", "data"), ("annotations", "images"), ("", ""))
_OBJECT = re.compile(r"[ \t]*<object>.*?</object>\r?\n?", re.S)
_NAME = re.compile(r"(<name>).*?(</name>)", re.S)
_CORNERS = ("xmin", "ymin", "xmax", "ymax")


def layout(folder: Path) -> tuple[Path, Path] | None:
    """Returns the folders of the XML files and of the images, None where it is no VOC dataset."""
    for labels, images in _LAYOUTS:
        if any((folder / labels).glob("*.xml")) and (folder / images).is_dir():
            return folder / labels, folder / images
    return None


def read(path: Path) -> LabelSource:
    """Reads a dataset.

    Args:
        path: its folder

    Raises:
        BadDataset: if it is none; what is wrong with single files is in the source's faults
    """
    folders = layout(path)
    if folders is None:
        raise BadDataset(f"'{path}' has no XML files in Annotations beside JPEGImages.")
    annotations, pictures = folders
    faults = Faults()
    images, files, labeled = [], [], set()
    by_stem = {image.stem: image for image in list_images(pictures)}
    for file in sorted(annotations.glob("*.xml")):
        files.append(file)
        labeled.add(file.stem)
        image = _read_file(file, pictures, by_stem, faults)
        if image is not None:
            images.append(image)
            labeled.add(image.path.stem)
    for stem, image_path in by_stem.items():
        if stem not in labeled:
            faults.add(
                "image has no label file|images have no label file", image_path,
                f"no '{annotations / stem}.xml'",
            )  # fmt: skip
            if image_size(image_path, faults) is not None:
                images.append(ImageFile(image_path.absolute(), []))
    return LabelSource("VOC", path, None, images, files, faults)


def _read_file(
    file: Path, pictures: Path, by_stem: dict[str, Path], faults: Faults
) -> ImageFile | None:
    try:
        root = ElementTree.fromstring(file.read_bytes())
    except (OSError, ElementTree.ParseError):
        faults.add("label file cannot be read|label files cannot be read", file)
        return None
    named = Path(root.findtext("filename") or file.stem).name
    image = pictures / named
    if image.suffix.lower() not in IMAGE_SUFFIXES or not image.exists():
        image = by_stem.get(file.stem, image)
    measured = image_size(image, faults)
    if measured is None:
        return None
    try:  # boxes are in pixels of the size that the file names
        named_size = int(root.findtext("size/width") or 0), int(root.findtext("size/height") or 0)
    except ValueError:
        named_size = (0, 0)
    width, height = named_size if min(named_size) > 0 else measured
    labels = []
    for number, item in enumerate(root.findall("object"), start=1):
        where = f"{file}:object {number}"
        name = (item.findtext("name") or "").strip()
        try:
            left, top, right, bottom = (float(item.findtext(f"bndbox/{c}") or "") for c in _CORNERS)
        except ValueError:
            faults.add("object has no box|objects have no box", where)
            continue
        if not name:
            faults.add("object has no name|objects have no name", where)
            continue
        values = (left / width, top / height, (right - left) / width, (bottom - top) / height)
        box = check_box(values, where, faults)
        if box is not None:
            labels.append(FileLabel(name, box, where))
    return ImageFile(image.absolute(), labels)


def correct(source: LabelSource, corrections: list[Correction]) -> Iterator[tuple[Path, str]]:
    """Yields ``(file, new text)`` of each XML file that changes; all else in it stays."""
    folders = layout(source.path)
    assert folders is not None
    by_file: dict[Path, list[Correction]] = defaultdict(list)
    for one in corrections:
        file = folders[0] / f"{one.image.stem}.xml"
        by_file[Path(one.place.rpartition(":object ")[0]) if one.place else file].append(one)
    for file, some in by_file.items():
        text = read_text(file)
        spans = [match.span() for match in _OBJECT.finditer(text)]
        changes = []
        size = _size(text, some[0].image)
        for one in some:
            if one.place is None:
                continue
            start, end = spans[int(one.place.rpartition(" ")[2]) - 1]
            new = "" if one.removed else _corrected(text[start:end], one, size)
            changes.append((start, end, new))
        new_objects = "".join(_object(one, size) for one in some if one.place is None)
        if new_objects:
            at = spans[-1][1] if spans else text.rindex("</annotation>")
            changes.append((at, at, new_objects))
        for start, end, new in sorted(changes, reverse=True):
            text = text[:start] + new + text[end:]
        yield file, text


def _size(text: str, image: Path) -> tuple[int, int]:
    found = [re.search(rf"<{name}>\s*(\d+)\s*</{name}>", text) for name in ("width", "height")]
    if all(found) and all(int(each[1]) for each in found if each):
        width, height = (int(each[1]) for each in found if each)
        return width, height
    return image_size(image, Faults()) or (1, 1)


def _corrected(text: str, one: Correction, size: tuple[int, int]) -> str:
    # a part of an object has a name and a box of its own
    head, parts, tail = text.partition("<part>")
    if one.name is not None:
        name = escape(one.name)
        head = _NAME.sub(lambda found: found[1] + name + found[2], head, count=1)
    if one.box is not None:
        for corner, value in zip(_CORNERS, _pixels(one.box, size), strict=True):
            head = re.sub(rf"(<{corner}>).*?(</{corner}>)", rf"\g<1>{value}\g<2>", head, count=1)
    return head + parts + tail


def _object(one: Correction, size: tuple[int, int]) -> str:
    assert one.box is not None
    corners = "".join(
        f"\t\t\t<{corner}>{value}</{corner}>\n"
        for corner, value in zip(_CORNERS, _pixels(one.box, size), strict=True)
    )
    return (
        f"\t<object>\n\t\t<name>{escape(str(one.name))}</name>\n\t\t<bndbox>\n{corners}"
        "\t\t</bndbox>\n\t</object>\n"
    )


def _pixels(box: Box, size: tuple[int, int]) -> list[int]:
    x, y, width, height = box
    return [
        round(value * side)
        for value, side in zip((x, y, x + width, y + height), (*size, *size), strict=True)
    ]
