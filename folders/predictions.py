"""What a second detector says of the images of a source, in the forms that detectors write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..core.errors import BadDataset
from .coco import load_json, relative_box
from .source import (
    Faults,
    FileLabel,
    ImageFile,
    LabelSource,
    check_box,
    check_confidence,
    image_size,
)

# so many folders before its name may tell a file from others
_FOLDERS = 3
_SEVERAL = Path()  # what is found where several images have a name


def read_predictions(path: Path, source: LabelSource) -> LabelSource:
    """Reads predictions.

    COCO's results (a list with image_id, category_id, bbox in pixels and score), a COCO dataset
    with scores, or ``{file name: [{label, confidence, box}]}`` with relative boxes. An image is
    found by its COCO id, its file name or its stem; a category is the source's, or a number in its
    list of classes, or a name.

    Args:
        path: a JSON
        source: what they are of

    Raises:
        BadDataset: if the file is of no such form, or none of its images is the source's
    """
    content = load_json(path)
    faults = Faults()
    names = dict(source.categories) or dict(enumerate(source.classes or []))
    by_key = _images_by_name(source)
    by_key |= {str(number): image_path for image_path, number in source.numbers.items()}
    if isinstance(content, dict) and isinstance(content.get("annotations"), list):
        entries = content["annotations"]
        names |= {kind["id"]: kind["name"] for kind in content.get("categories") or []}
        for image in content.get("images") or []:
            image_path = _find(by_key, str(image.get("file_name")))
            if image_path is not None:
                by_key[str(image.get("id"))] = image_path
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
    matched = 0
    for row, entry in enumerate(entries):
        where = f"{path}:entry {row}"
        image_path = _find(by_key, _key(entry))
        if image_path is None:
            continue
        if image_path is _SEVERAL:
            faults.add(
                "prediction names a file that several images have: write its folder before it|"
                "predictions name files that several images have: write their folder before them",
                where, _key(entry),
            )  # fmt: skip
            continue
        matched += 1
        try:
            label = _label(entry, where, names, image_path, sizes, faults)
        except (KeyError, TypeError, ValueError):
            faults.add(
                "prediction lacks a class, a score or a box|predictions lack a class, a score or a "
                "box", where,
            )  # fmt: skip
            continue
        if label is not None:
            images[image_path].append(label)
    if not matched:
        raise BadDataset(f"None of the predictions of '{path}' is of an image of '{source.path}'.")
    found = [ImageFile(image_path, labels) for image_path, labels in images.items()]
    return LabelSource("predictions", path, None, found, [path], faults)


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


def _key(entry: Any) -> str:
    if not isinstance(entry, dict):
        return ""
    return str(entry.get("image_id", entry.get("file_name")))


def _label(
    entry: dict[str, Any],
    where: str,
    names: dict[int, str],
    image: Path,
    sizes: dict[Path, tuple[int, int]],
    faults: Faults,
) -> FileLabel | None:
    score = entry.get("score", entry.get("confidence"))
    confidence = None if score is None else check_confidence(score, where, faults)
    if score is not None and confidence is None:
        return None
    name = entry.get("label")
    if name is None:
        name = names.get(int(entry["category_id"]))
        if name is None:
            faults.add(
                "prediction has a category that has no name|predictions have categories that have "
                "no name", where, str(entry["category_id"]),
            )  # fmt: skip
            return None
    if "bbox" in entry:
        if image not in sizes:
            sizes[image] = image_size(image, faults) or (1, 1)
        box = relative_box([float(v) for v in entry["bbox"]], sizes[image], where, faults)
    else:
        box = check_box([float(value) for value in entry["box"]], where, faults)
    return None if box is None else FileLabel(str(name), box, where, confidence)
