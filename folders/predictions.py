"""What a second detector says of the images of a source, in the forms that detectors write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..core.errors import BadDataset
from .coco import load_json, read_categories, relative_box, whole
from .source import (
    Faults,
    FileLabel,
    ImageFile,
    LabelSource,
    check_box,
    check_confidence,
    check_name,
    image_size,
)

# the numbers that COCO gives its 80 classes, and ultralytics with it
_COCO_NUMBERS = [number for number in range(1, 91)
                 if number not in (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)]  # fmt: skip
# so many folders before its name may tell a file from others
_FOLDERS = 3
_SEVERAL = Path()  # what is found where several images have a name


def read_predictions(path: Path, source: LabelSource) -> LabelSource:
    """Reads predictions.

    COCO's results (a list with image_id, category_id, bbox in pixels and score), a COCO dataset
    with scores, or ``{file name: [{label, confidence, box}]}`` with relative boxes. An image is
    found by its file name, its stem or its COCO id; a category is a name, a number that the file
    itself or a COCO source names, or one in the list of classes, from 0 or from 1, where it can
    only mean one of them. ultralytics, which writes image_id and file_name, counts from 1.

    Args:
        path: a JSON
        source: what they are of

    Raises:
        BadDataset: if the file is of no such form, none of its images is the source's, or its
            categories can be several classes
    """
    content = load_json(path)
    faults = Faults()
    names: dict[int, str] = dict(source.categories) if source.numbers else {}
    by_key = _images_by_name(source)
    by_key |= {str(number): image_path for image_path, number in source.numbers.items()}
    if isinstance(content, dict) and isinstance(content.get("annotations"), list):
        entries = content["annotations"]
        names |= read_categories(_dicts(content.get("categories")), path, faults)
        own: dict[str, Path] = {}
        for image in _dicts(content.get("images")):
            image_path = _find(by_key, str(image.get("file_name")))
            if image_path is not None:
                key = str(image.get("id"))
                own[key] = image_path if own.get(key, image_path) == image_path else _SEVERAL
        by_key |= own
    elif isinstance(content, list):
        entries = content
    elif isinstance(content, dict) and all(isinstance(each, list) for each in content.values()):
        entries = [
            {**entry, "image_id": name} if isinstance(entry, dict) else entry
            for name, some in content.items()
            for entry in some
        ]
    else:
        raise BadDataset(
            f"'{path}' holds no predictions: it needs a list of image_id, category_id, bbox and "
            "score, or file name: list of label, confidence and box."
        )
    images: dict[Path, list[FileLabel]] = {image.path: [] for image in source.images}
    sizes: dict[Path, tuple[int, int]] = {}
    matched: list[tuple[str, Path, Any]] = []
    for row, entry in enumerate(entries):
        where = f"{path}:entry {row}"
        image_path = _image_of(entry, by_key)
        if image_path is _SEVERAL:
            faults.add(
                "prediction names a file that several images have: write its folder before it|"
                "predictions name files that several images have: write their folder before them",
                where, " or ".join(_keys(entry)),
            )  # fmt: skip
        elif image_path is not None:
            matched.append((where, image_path, entry))
    if not matched:
        raise BadDataset(f"None of the predictions of '{path}' is of an image of '{source.path}'.")
    if not names and source.categories:
        names = _meaning(entries, source.categories, path)
    for where, image_path, entry in matched:
        try:
            label = _label(entry, where, names, image_path, sizes=sizes, faults=faults)
        except (KeyError, OverflowError, TypeError, ValueError):
            faults.add(
                "prediction lacks a class, a score or a box|predictions lack a class, a score or a "
                "box", where,
            )  # fmt: skip
            continue
        if label is not None:
            images[image_path].append(label)
    found = [ImageFile(image_path, labels) for image_path, labels in images.items()]
    return LabelSource("predictions", path, None, found, [path], faults)


def _dicts(items: Any) -> list[dict[str, Any]]:
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _images_by_name(source: LabelSource) -> dict[str, Path]:
    """Returns the images by their names and stems, alone and with some folders before them."""
    by_name: dict[str, Path] = {}
    for image in source.images:
        path = image.path
        for name in {path.name, path.stem}:
            for folders in range(_FOLDERS + 1):
                key = "/".join((*path.parent.parts[len(path.parent.parts) - folders :], name))
                by_name[key] = path if by_name.get(key, path) == path else _SEVERAL
    return by_name


def _find(by_key: dict[str, Path], name: str) -> Path | None:
    parts = Path(name).parts[-_FOLDERS - 1 :]
    keys = (name, *("/".join(parts[first:]) for first in range(len(parts))))
    return next((by_key[key] for key in keys if key in by_key), None)


def _keys(entry: Any) -> list[str]:
    """Returns what an entry calls its image; a file's name tells more than a number does."""
    if not isinstance(entry, dict):
        return []
    return [str(entry[name]) for name in ("file_name", "image_id") if name in entry]


def _image_of(entry: Any, by_key: dict[str, Path]) -> Path | None:
    found = [path for key in _keys(entry) if (path := _find(by_key, key)) is not None]
    return next((path for path in found if path is not _SEVERAL), found[0] if found else None)


def _meaning(entries: list[Any], classes: dict[int, str], path: Path) -> dict[int, str]:
    """Returns the class of each number that predictions use and that nothing names.

    Raises:
        BadDataset: if a number may be one class or another
    """
    numbered = [each for each in entries if isinstance(each, dict) and "label" not in each]
    numbers = {number for each in numbered if (number := _number(each)) is not None}
    from_one = {number + 1: name for number, name in classes.items()}
    meanings = [from_one]
    if len(classes) == len(_COCO_NUMBERS):
        in_order = (classes[number] for number in sorted(classes))
        meanings.append(dict(zip(_COCO_NUMBERS, in_order, strict=True)))
    by_ultralytics = all(each.keys() >= {"image_id", "file_name"} for each in numbered)
    if not by_ultralytics or 0 in numbers:  # as it did before it wrote file names
        meanings.append(classes)
    fitting = [names for names in meanings if numbers <= names.keys()]
    if len({tuple(names[number] for number in numbers) for names in fitting}) > 1:
        raise BadDataset(
            f"The category_id numbers of '{path}' may count the classes from 0 or from 1 or be "
            "COCO's own: write the class of each prediction as its label, or a COCO json whose "
            "categories name the numbers."
        )
    return fitting[0] if fitting else meanings[-1]


def _number(entry: dict[str, Any]) -> int | None:
    try:
        return whole(entry["category_id"])
    except (KeyError, TypeError, ValueError):
        return None


def _label(
    entry: dict[str, Any],
    where: str,
    names: dict[int, str],
    image: Path,
    *,
    sizes: dict[Path, tuple[int, int]],
    faults: Faults,
) -> FileLabel | None:
    score = entry.get("score", entry.get("confidence"))
    confidence = None if score is None else check_confidence(score, where, faults)
    if score is not None and confidence is None:
        return None
    name = entry.get("label")
    if name is None:
        name = names.get(whole(entry["category_id"]))
        if name is None:
            faults.add(
                "prediction has a category that has no name|predictions have categories that have "
                "no name", where, str(entry["category_id"]),
            )  # fmt: skip
            return None
    elif check_name(name, where, faults) is None:
        return None
    if "bbox" in entry:
        if image not in sizes:
            sizes[image] = image_size(image, faults) or (1, 1)
        box = relative_box([float(v) for v in entry["bbox"]], sizes[image], where, faults)
    else:
        box = check_box([float(value) for value in entry["box"]], where, faults)
    return None if box is None else FileLabel(str(name), box, where, confidence)
