"""COCO: one JSON of images, annotations and categories."""

from __future__ import annotations

import codecs
import json
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from json import JSONDecoder
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from ..core.errors import BadDataset, InvalidParameter
from ..core.sentences import count
from .source import (
    Box,
    Correction,
    Faults,
    FileLabel,
    ImageFile,
    LabelSource,
    boxes_size,
    check_box,
    check_confidence,
    check_name,
    image_size,
    read_text,
    told_size,
    unknown_class,
)

# the largest of COCO's own files has 470 MB; read, a JSON takes several times its size
_MAX_BYTES = 480_000_000
_MEMORY = 8

# which Windows writes before a text
_BOM = "\ufeff"

_NO_OUTLINE: tuple[object, ...] = (None, [], [[]], {})
_SHOWN = 80  # characters

# where images lie, seen from the JSON
_PLACES = (".", "images", "data", "../images", "../data", "..")


def load_json(path: Path) -> Any:
    """Returns what a JSON file holds.

    Raises:
        BadDataset: if it is too large, cannot be read, or is no JSON
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        raise BadDataset(f"'{path}' cannot be read: {error.strerror}.") from None
    if size > _MAX_BYTES:
        raise BadDataset(
            f"'{path}' has {size / 1e6:,.0f} MB, and {_MAX_BYTES / 1e6:,.0f} MB are the most that "
            "is read: split it, for example by images."
        )
    if size * _MEMORY > psutil.virtual_memory().available:
        raise BadDataset(
            f"'{path}' has {size / 1e6:,.0f} MB, which need about {size * _MEMORY / 1e9:,.1f} GB "
            "of memory, more than is free here: split it, for example by images."
        )
    try:
        return json.loads(read_text(path).removeprefix(_BOM))
    except ValueError as error:
        raise BadDataset(f"'{path}' is not valid JSON: {error}.") from None
    except RecursionError:
        raise BadDataset(f"'{path}' is not a COCO JSON file: it is nested too deeply.") from None


def looks_like(path: Path) -> bool:
    """Whether a file is a COCO dataset, going by its first and last characters."""
    try:
        with path.open("rb") as file:
            head = file.read(1 << 16)
            file.seek(max(0, path.stat().st_size - (1 << 16)))
            text = head + file.read()
    except OSError:
        return False
    return head.removeprefix(codecs.BOM_UTF8).lstrip()[:1] == b"{" and any(
        f'"{name}"'.encode() in text for name in ("annotations", "images", "categories")
    )


def read(path: Path, images: Path | None = None) -> LabelSource:
    """Reads a dataset.

    Args:
        path: its JSON
        images: the folder of its images; by default it is looked for near the JSON

    Raises:
        BadDataset: if the JSON cannot be used; what is wrong with single images and annotations is
            in the source's faults
    """
    content = load_json(path)
    parts = [content.get(name) if isinstance(content, dict) else None for name in
             ("images", "annotations", "categories")]  # fmt: skip
    if not all(isinstance(part, list) for part in parts):
        raise BadDataset(
            f"'{path}' is not a COCO dataset: it needs images, annotations and categories."
        )
    listed, annotations, kinds = (part or [] for part in parts)
    faults = Faults()
    categories = read_categories(kinds, path, faults)
    by_number = _by_number(listed, "image", "file_name", path)
    files = {number: str(entries[0]["file_name"]) for number, entries in by_number.items()}
    folder = _image_folder(path, images, list(files.values()))
    measured: dict[int, tuple[int, int]] = {}
    for number, entries in by_number.items():
        if len(entries) > 1:
            one, other, *_ = (entry["file_name"] for entry in entries)
            faults.add(
                "image id has several entries: give each image its own|image ids have several "
                "entries: give each image its own", path, f"{number} is '{one}' and '{other}'",
            )  # fmt: skip
            continue
        sides = entries[0].get("width"), entries[0].get("height")
        size = boxes_size(*sides, folder / files[number], faults)
        if size is not None:
            measured[number] = size
    labels, crowds = _labels(annotations, categories, files, measured, path=path, faults=faults)
    source = LabelSource(
        "COCO",
        path,
        list(categories.values()),
        [ImageFile((folder / files[id_]).absolute(), labels[id_]) for id_ in measured],
        [path],
        faults,
        numbers={(folder / files[id_]).absolute(): id_ for id_ in measured},
        categories=categories,
    )
    if crowds:
        source.notes.append(f"{count(crowds, 'crowd')} left out: their boxes hold many objects.")
    return source


def read_categories(kinds: list[Any], path: Path, faults: Faults) -> dict[int, str]:
    """Returns ``{number: name}`` of categories.

    Args:
        kinds: the list of them
        path: its JSON, for sentences
        faults: where it is noted which have no name, or several

    Raises:
        BadDataset: if one is no category
    """
    found = {}
    for number, entries in _by_number(kinds, "category", "name", path).items():
        where = f"category {number}"
        named = dict.fromkeys(check_name(kind["name"], path, faults, where) for kind in entries)
        name, *others = named
        if others:
            faults.add(
                "category id has several names: give each category its own|category ids have "
                "several names: give each category its own", path,
                f"{number} is '{name}' and '{others[0]}'",
            )  # fmt: skip
        elif name is not None:
            found[number] = name
    return found


def _by_number(
    items: list[Any], what: str, name: str, path: Path
) -> dict[int, list[dict[str, Any]]]:
    found: dict[int, list[dict[str, Any]]] = {}
    for item in items:
        try:
            number, _ = whole(item["id"]), item[name]
        except (KeyError, TypeError, ValueError):
            raise BadDataset(
                f"'{path}' has the {what} {json.dumps(item)[:_SHOWN]}, and each {what} needs id, a "
                f"whole number, and {name}."
            ) from None
        found.setdefault(number, []).append(item)
    return found


def whole(id_: Any) -> int:
    """Returns an id as a number; some tools write it as text, or with a decimal point.

    Raises:
        TypeError: if it is neither a number nor text
        ValueError: if it is not whole
    """
    if isinstance(id_, bool):
        raise TypeError(id_)
    if isinstance(id_, float) and not id_.is_integer():  # nor are infinity and NaN
        raise ValueError(id_)
    return int(id_)


def _labels(
    annotations: list[Any],
    categories: dict[int, str],
    files: dict[int, str],
    sizes: dict[int, tuple[int, int]],
    *,
    path: Path,
    faults: Faults,
) -> tuple[dict[int, list[FileLabel]], int]:
    labels: dict[int, list[FileLabel]] = defaultdict(list)
    crowds = 0
    for row, annotation in enumerate(annotations):
        where = f"{path}:annotation {row}"
        try:
            image, category = whole(annotation["image_id"]), whole(annotation["category_id"])
            values = [float(value) for value in annotation["bbox"]]
            score = annotation.get("score")
            confidence = None if score is None else float(score)
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
            faults.add(
                "annotation lacks image_id, category_id or bbox, or has no numbers there|"
                "annotations lack image_id, category_id or bbox, or have no numbers there", where,
            )  # fmt: skip
            continue
        if annotation.get("iscrowd"):
            crowds += 1
        elif category not in categories:
            faults.add(
                "label has a category that has no name of its own|"
                "labels have categories that have no name of their own",
                where, str(category),
            )  # fmt: skip
        elif image not in files:
            faults.add(
                "annotation is of an image that is not listed|"
                "annotations are of images that are not listed", where, str(image),
            )  # fmt: skip
        elif image in sizes:
            box = relative_box(values, sizes[image], where, faults)
            if confidence is not None:
                confidence = check_confidence(confidence, where, faults)
                box = None if confidence is None else box
            if box is not None:
                labels[image].append(
                    FileLabel(
                        categories[category], box, _place(annotation, row, files[image]), confidence
                    )
                )
    return labels, crowds


def _place(annotation: dict[str, Any], row: int, file: str) -> str:
    """Says where a label stands: people search for its image and its id, and ids may be missing or
    be there twice."""
    id_ = annotation.get("id")
    return f"{file}: annotation{'' if id_ is None else f' {id_}'}, index {row}"


def relative_box(
    values: list[float], size: tuple[int, int], where: str, faults: Faults
) -> Box | None:
    """Returns COCO's box in pixels relative to its image, None where it does not lie in it."""
    if len(values) != 4:
        faults.add("box does not have four numbers|boxes do not have four numbers", where)
        return None
    width, height = size
    x, y, w, h = values
    return check_box((x / width, y / height, w / width, h / height), where, faults)


def _image_folder(path: Path, given: Path | None, names: list[str]) -> Path:
    if given is not None:
        if not given.is_dir():
            raise BadDataset(f"'{given}', given as the image folder, is not a folder.")
        return given
    # as in coco/annotations/instances_val2017.json beside coco/val2017 or coco/images/val2017
    split = path.stem.rpartition("_")[2]
    places = (*_PLACES, f"../{split}", f"../images/{split}", f"images/{split}")
    tried = names[:1] + names[-1:]
    for place in places:
        if any((path.parent / place / name).exists() for name in tried):
            return Path(path.parent / place).resolve()
    raise BadDataset(
        f"The images of '{path}' are not beside it: say with --images in which folder they are."
    )


def correct(source: LabelSource, corrections: list[Correction]) -> Iterator[tuple[Path, str]]:
    """Yields the JSON with its new text: only the annotations that were corrected are changed.

    Raises:
        InvalidParameter: if a class is no category of it, or several, or the box of a segmentation
            was moved
    """
    numbers: dict[str, list[int]] = defaultdict(list)
    for number, name in source.categories.items():
        numbers[name].append(number)
    text = source.text(source.path)
    parts = _members(text, text.index("{"))
    annotations = parts["annotations"].value
    spans = _items(text, parts["annotations"].start)
    images = {whole(image["id"]): image for image in parts["images"].value}
    kinds = {whole(kind["id"]): kind["id"] for kind in parts["categories"].value}
    first = {key: _first(annotations, key) for key in ("id", "image_id", "category_id")}
    next_id = _largest_id(annotations) + 1

    def category(name: str, like: Any) -> Any:
        if name not in numbers:
            raise unknown_class(name, source.path)
        if len(numbers[name]) > 1:
            raise InvalidParameter(
                f"'{name}' is the name of {len(numbers[name])} categories of '{source.path}', so "
                "nothing was written: give them names of their own and check again, or give the "
                "labels another class."
            )
        return _written(kinds[numbers[name][0]], like)

    def pixels(one: Correction) -> list[float]:
        listed = images[source.numbers[one.image]]
        told = told_size(listed.get("width"), listed.get("height"))
        width, height = told or image_size(one.image, Faults()) or (1, 1)
        return [
            round(value * side, 2)
            for value, side in zip(one.box or (), (width, height) * 2, strict=True)
        ]

    changes: dict[int, str | None] = {}
    added = []
    for one in corrections:
        if one.place is not None:
            row = int(one.place.rpartition(" ")[2])
            if one.removed:
                changes[row] = None
                continue
            start, end = spans[row]
            item = text[start:end]
            if one.name is not None:
                like = annotations[row]["category_id"]
                item = _set(item, "category_id", category(one.name, like))
            if one.box is not None:
                if annotations[row].get("segmentation") not in _NO_OUTLINE:
                    raise InvalidParameter(
                        f"'{one.place}' in '{source.path}' has a segmentation, and its box cannot "
                        "be moved: nothing was written. Undo that, or remove the label."
                    )
                box = pixels(one)
                item = _set(item, "bbox", box)
                if "area" in annotations[row]:
                    item = _set(item, "area", round(box[2] * box[3], 2))
            changes[row] = item
        else:
            box = pixels(one)
            image = images[source.numbers[one.image]]["id"]
            new = {
                "id": _written(next_id, first["id"]),
                "image_id": _written(image, first["image_id"]),
                "category_id": category(str(one.name), first["category_id"]), "bbox": box,
                "area": round(box[2] * box[3], 2), "iscrowd": 0,
            }  # fmt: skip
            added.append(json.dumps(new))
            next_id += 1
    yield source.path, _spliced(text, parts["annotations"].start + 1, spans, changes, added)


def _first(annotations: list[Any], key: str) -> Any:
    """Returns the first id that annotations have there, None where they have none."""
    found = (each.get(key) for each in annotations if isinstance(each, dict))
    return next((id_ for id_ in found if type(id_) in (int, float, str)), None)


def _largest_id(annotations: list[Any]) -> int:
    """Returns the largest id that is a number, 0 for none."""
    largest = 0
    for each in annotations:
        with suppress(KeyError, TypeError, ValueError):
            largest = max(largest, whole(each["id"]))
    return largest


def _written(id_: Any, like: Any) -> Any:
    """Returns an id of the type of another one, as tools compare them: 1, "1" or 1.0."""
    return id_ if like is None or type(id_) is type(like) else type(like)(whole(id_))


class _Member(NamedTuple):
    """What a key of a JSON object has, and where in the text it stands."""

    value: Any
    start: int
    end: int


def _members(text: str, at: int) -> dict[str, _Member]:
    """Returns what the JSON object has that opens there; of a key that is there twice the last."""
    decoder = JSONDecoder()
    found = {}
    at += 1
    while text[at := _skip(text, at)] != "}":
        key, at = decoder.raw_decode(text, at)
        start = _skip(text, at)
        value, at = decoder.raw_decode(text, start)
        found[key] = _Member(value, start, at)
    return found


def _items(text: str, at: int) -> list[tuple[int, int]]:
    """Returns where each item of the JSON list stands that opens there."""
    decoder = JSONDecoder()
    spans = []
    at += 1
    while text[at := _skip(text, at)] != "]":
        _, end = decoder.raw_decode(text, at)
        spans.append((at, end))
        at = end
    return spans


def _skip(text: str, at: int) -> int:
    """Returns the next place that holds a value, a key or the end of a list or an object."""
    while text[at] in " \t\r\n,:":
        at += 1
    return at


def _set(item: str, key: str, value: Any) -> str:
    """Replaces the value of an annotation's own key, and leaves the rest of its text."""
    _, start, end = _members(item, 0)[key]
    return item[:start] + json.dumps(value) + item[end:]


def _spliced(
    text: str,
    opening: int,
    spans: list[tuple[int, int]],
    changes: dict[int, str | None],
    added: list[str],
) -> str:
    """Returns the text with items of the list replaced, removed (None) and appended."""
    if not spans:
        return text[:opening] + ", ".join(added) + text[opening:]
    between = text[spans[0][1] : spans[1][0]] if len(spans) > 1 else ", "
    head, tail = text[: spans[0][0]], text[spans[-1][1] :]
    kept: list[str] = []
    pieces: list[str] = []
    for row, (start, end) in enumerate(spans):
        new = changes.get(row, text[start:end])
        if new is None:
            continue
        if kept:
            pieces.append(text[spans[row - 1][1] : start])
        kept.append(new)
        pieces.append(new)
    for item in added:
        if pieces:
            pieces.append(between)
        pieces.append(item)
    return head + "".join(pieces) + tail
