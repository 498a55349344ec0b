"""Pascal VOC: an XML file per image, in ``Annotations`` beside ``JPEGImages``."""

from __future__ import annotations

import codecs
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from ..core.errors import BadDataset, InvalidParameter
from ..core.sentences import first_line
from .source import (
    IMAGE_SUFFIXES,
    Correction,
    Faults,
    FileLabel,
    ImageFile,
    LabelSource,
    boxes_size,
    check_box,
    image_size,
    is_text,
    list_images,
    told_size,
)

# (folder of the XML files, folder of the images) below the dataset's folder
_LAYOUTS = (("Annotations", "JPEGImages"), ("labels", "data"), ("annotations", "images"), ("", ""))
_OBJECT = re.compile(r"[ \t]*<object(?:\s[^>]*?)?(?:/>|>.*?</object\s*>)\r?\n?", re.S)
# a part of an object has a name and a box of its own
_NOT_OURS = re.compile(r"<!--.*?-->|<!\[CDATA\[.*?\]\]>|<\?.*?\?>|<part\b.*?</part\s*>", re.S)
_DECLARED = re.compile(rb"""<\?xml\s[^>]*?encoding\s*=\s*["']([\w.:-]+)""")
_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_PLACES = {"name": "name", **{corner: f"bndbox/{corner}" for corner in _CORNERS}}


@dataclass(frozen=True)
class _Annotated(ImageFile):
    """An image, and the XML file that its labels are of, which may be named otherwise."""

    file: Path


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
    images: list[ImageFile] = []
    files, labeled = [], set()
    by_stem = {image.stem: image for image in list_images(pictures)}
    for file in sorted(annotations.glob("*.xml")):
        files.append(file)
        labeled.add(file.stem)
        if not is_text(file):
            faults.add(
                "label file has a name that is not UTF-8: rename it|label files have names that "
                "are not UTF-8: rename them", file,
            )  # fmt: skip
            continue
        try:
            _, _, root = _parsed(file, file.read_bytes())
        except (OSError, BadDataset):
            faults.add("label file cannot be read|label files cannot be read", file)
            continue
        image = pictures / Path(root.findtext("filename") or file.stem).name
        if image.suffix.lower() not in IMAGE_SUFFIXES or not image.exists():
            image = by_stem.get(file.stem, image)
        labeled.add(image.stem)
        size = boxes_size(*_sides(root), image, faults)
        if size is not None:
            labels = _labels(root, file, size, faults)
            images.append(_Annotated(image.absolute(), labels, file))
    for stem, image in by_stem.items():
        if stem not in labeled:
            file = annotations / f"{stem}.xml"
            faults.add("image has no label file|images have no label file", image, f"no '{file}'")
            if image_size(image, faults) is not None:
                images.append(_Annotated(image.absolute(), [], file))
    return LabelSource("VOC", path, None, images, files, faults)


def _parsed(file: Path, content: bytes) -> tuple[str, str, ElementTree.Element]:
    """Returns the text of an XML file, its encoding, and what it holds.

    Raises:
        BadDataset: if it is no XML
    """
    try:
        declared = _DECLARED.match(content)
        encoding = declared[1].decode() if declared else "utf-8"
        if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            encoding = "utf-16"
        text = content.decode(encoding)  # the parser itself knows no encodings of several bytes
        return text, encoding, ElementTree.fromstring(text)
    except (LookupError, ValueError, ElementTree.ParseError) as error:
        raise BadDataset(f"'{file}' cannot be read: {first_line(error)}.") from None


def _sides(root: ElementTree.Element) -> tuple[str | None, str | None]:
    return root.findtext("size/width"), root.findtext("size/height")


def _objects(root: ElementTree.Element) -> list[dict[str, str]]:
    """Returns the name and the corners of each object, as they are written."""
    return [
        {tag: (item.findtext(place) or "").strip() for tag, place in _PLACES.items()}
        for item in root.findall("object")
    ]


def _labels(
    root: ElementTree.Element, file: Path, size: tuple[int, int], faults: Faults
) -> list[FileLabel]:
    width, height = size
    labels = []
    for number, item in enumerate(_objects(root), start=1):
        where = f"{file}:object {number}"
        try:
            left, top, right, bottom = (float(item[corner]) for corner in _CORNERS)
        except ValueError:
            faults.add("object has no box|objects have no box", where)
            continue
        if not item["name"]:
            faults.add("object has no name|objects have no name", where)
            continue
        values = (left / width, top / height, (right - left) / width, (bottom - top) / height)
        box = check_box(values, where, faults)
        if box is not None:
            labels.append(FileLabel(item["name"], box, where))
    return labels


def correct(source: LabelSource, corrections: list[Correction]) -> Iterator[tuple[Path, str]]:
    """Yields ``(file, new text)`` of each XML file that changes; all else in it stays.

    Raises:
        InvalidParameter: if a file is written in a way that corrections cannot be written to
    """
    own = {image.path: image.file for image in source.images if isinstance(image, _Annotated)}
    by_file: dict[Path, list[Correction]] = defaultdict(list)
    for one in corrections:
        file = Path(one.place.rpartition(":object ")[0]) if one.place else own[one.image]
        by_file[file].append(one)
    for file, some in by_file.items():
        yield file, _corrected_file(file, source.content(file), some)


def _corrected_file(file: Path, content: bytes | None, corrections: list[Correction]) -> str:
    image = corrections[0].image
    if content is None:
        name = escape(image.name)
        content = f"<annotation>\n\t<filename>{name}</filename>\n</annotation>\n".encode()
    text, encoding, root = _parsed(file, content)
    size = told_size(*_sides(root)) or image_size(image, Faults()) or (1, 1)
    masked = _masked(text)
    spans = [match.span() for match in _OBJECT.finditer(masked)]
    wanted: list[dict[str, str] | None] = [*_objects(root)]
    if len(spans) != len(wanted):
        raise _unlike(file)
    changes, added = [], ""
    for one in corrections:
        values = _values(one, size)
        if one.place is None:
            added += _object(values)
            wanted.append(values)
            continue
        number = int(one.place.rpartition(" ")[2]) - 1
        start, end = spans[number]
        new = "" if one.removed else _corrected(text[start:end], values)
        changes.append((start, end, new))
        wanted[number] = None if one.removed else {**(wanted[number] or {}), **values}
    if added:
        at = spans[-1][1] if spans else masked.rfind("</")
        changes.append((at, at, added))
    for start, end, new in sorted(changes, reverse=True):
        text = text[:start] + new + text[end:]
    try:
        came_out = _objects(ElementTree.fromstring(text))
    except (ValueError, ElementTree.ParseError):
        raise _unlike(file) from None
    # found by a pattern, which may have met something else
    if came_out != [each for each in wanted if each is not None]:
        raise _unlike(file)
    if text.encode(encoding, "replace") != text.encode():
        raise InvalidParameter(
            f"'{file}' is in {encoding}, and only UTF-8 can be written, so nothing was written: "
            "undo its corrections, or convert it to UTF-8 and check it again."
        )
    return text


def _unlike(file: Path) -> InvalidParameter:
    return InvalidParameter(
        f"The objects of '{file}' are not written as VOC's are, so nothing was written: undo its "
        "corrections, and make them by hand."
    )


def _masked(text: str) -> str:
    """Returns a text of the same length, without what only looks like an object's own tags."""
    return _NOT_OURS.sub(lambda found: "#" * len(found[0]), text)


def _values(one: Correction, size: tuple[int, int]) -> dict[str, str]:
    """Returns what a correction says, by its tag."""
    values = {} if one.name is None else {"name": one.name.strip()}
    if one.box is not None:
        x, y, width, height = one.box
        corners = zip(_CORNERS, (x, y, x + width, y + height), (*size, *size), strict=True)
        values |= {corner: str(round(value * side)) for corner, value, side in corners}
    return values


def _corrected(text: str, values: dict[str, str]) -> str:
    for tag, value in values.items():
        found = re.search(rf"<{tag}(?:\s[^>]*)?>(.*?)</{tag}\s*>", _masked(text), re.S)
        if found is not None:
            text = text[: found.start(1)] + escape(value) + text[found.end(1) :]
    return text


def _object(values: dict[str, str]) -> str:
    corners = "".join(f"\t\t\t<{each}>{values[each]}</{each}>\n" for each in _CORNERS)
    return (
        f"\t<object>\n\t\t<name>{escape(values['name'])}</name>\n\t\t<bndbox>\n{corners}"
        "\t\t</bndbox>\n\t</object>\n"
    )
