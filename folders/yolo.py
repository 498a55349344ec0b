"""YOLO as ultralytics reads it: a yaml of folders and classes, and a text file per image."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from ..core.errors import BadDataset, InvalidParameter
from ..core.sentences import first_line
from .source import (
    Box,
    Correction,
    Faults,
    FileLabel,
    ImageFile,
    LabelSource,
    check_box,
    check_confidence,
    check_name,
    image_size,
    list_images,
    read_text,
    straight,
    unknown_class,
)

# a class, a box and a confidence; outlines have more
_MOST_WORDS_OF_A_BOX = 6
SPLITS = ("train", "val", "test")


def looks_like(path: Path) -> bool:
    """Whether a yaml file describes a YOLO dataset."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return False
    return isinstance(content, dict) and "names" in content


def read(path: Path, split: str | None = None) -> LabelSource:
    """Reads a dataset.

    Args:
        path: its yaml
        split: "train", "val" or "test"; None for all that it has

    Raises:
        BadDataset: if the yaml cannot be used; what is wrong with single files is in the source's
            faults
    """
    try:
        content = yaml.safe_load(read_text(path))
    except yaml.YAMLError as error:
        raise BadDataset(f"'{path}' is not valid YAML: {first_line(error)}.") from None
    faults = Faults()
    classes = _classes(content, path, faults)
    keypoints = _count_keypoints(content, path)
    images, files, notes = [], [path], list[str]()
    for image in _with_own_labels(_images(content, path, split, notes), faults):
        labels, file = _labels(image, classes, keypoints, faults)
        if image_size(image, faults) is None:
            continue
        images.append(ImageFile(image, labels))
        if file is not None:
            files.append(file)
    names = [classes[number] for number in sorted(classes)]
    return LabelSource("YOLO", path, names, images, files, faults, notes, categories=classes)


def _classes(content: Any, path: Path, faults: Faults) -> dict[int, str]:
    names = content.get("names") if isinstance(content, dict) else None
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not names or not all(isinstance(n, int) for n in names):
        raise BadDataset(f"'{path}' has no names: a list of the classes, or number: class.")
    checked = {n: check_name(name, path, faults, f"number {n}") for n, name in names.items()}
    return {number: name for number, name in checked.items() if name is not None}


def _count_keypoints(content: dict[str, Any], path: Path) -> int:
    """Returns how many numbers follow the box of each label of a dataset of poses, 0 for others."""
    shape = content.get("kpt_shape")
    if shape is None:
        return 0
    if not (isinstance(shape, list) and len(shape) == 2 and all(type(n) is int for n in shape)):
        raise BadDataset(
            f"'{path}' has a kpt_shape that is not two numbers: write [points, numbers of each], "
            "as [17, 3]."
        )
    return int(shape[0] * shape[1])


def _images(content: dict[str, Any], path: Path, split: str | None, notes: list[str]) -> list[Path]:
    given = [name for name in SPLITS if content.get(name)]
    if split is not None and split not in given:
        raise BadDataset(f"'{path}' has no '{split}': it has {', '.join(given) or 'no images'}.")
    if not given:
        raise BadDataset(f"'{path}' names no images: it needs train, val or test.")
    root = path.parent / Path(str(content.get("path") or "."))
    found: dict[Path, None] = {}
    for name in [split] if split else given:
        entries = content[name]
        for entry in entries if isinstance(entries, list) else [entries]:
            place = _place(str(entry), root, path.parent)
            if place is None and name == "test" and split is None and len(given) > 1:
                notes.append(f"'{root / str(entry)}', the 'test' of '{path}', is not there.")
                continue
            if place is None:
                raise BadDataset(
                    f"'{root / str(entry)}', the '{name}' of '{path}', does not exist."
                )
            for image in list_images(place) if place.is_dir() else _listed(place, root):
                found[straight(image.absolute())] = None
    if not found:
        raise BadDataset(f"There are no images where '{path}' says.")
    return list(found)


def _place(entry: str, *roots: Path) -> Path | None:
    """Returns where an entry leads, None for nowhere; the last root is the yaml's folder, which
    holds where 'path' is of another machine, and Roboflow writes ``../`` before what lies in it."""
    places = (root / each for each in (entry, entry.removeprefix("../")) for root in roots)
    return next((place for place in places if place.exists()), None)


def _with_own_labels(images: list[Path], faults: Faults) -> Iterator[Path]:
    by_file: dict[Path, list[Path]] = defaultdict(list)
    for image in images:
        by_file[label_file(image)].append(image)
    for file, some in by_file.items():
        if len(some) > 1:  # a photo's original, in a format that is not decoded, has no labels
            some = [image for image in some if image_size(image, faults) is not None]
        if len(some) < 2:
            yield from some
            continue
        faults.add(
            "label file is of several images: rename them, so that each has its own|label files "
            "are of several images: rename them, so that each has its own", file,
            " and ".join(f"'{image}'" for image in some),
        )  # fmt: skip


def _listed(file: Path, root: Path) -> Iterator[Path]:
    for line in read_text(file).splitlines():
        if line.strip():
            near = file.parent if line.startswith("./") else root
            yield near / line.strip()


def label_file(image: Path) -> Path:
    """Returns where the labels of an image stand: ``labels`` in place of the last ``images``."""
    parts = list(image.parts)
    for place in range(len(parts) - 2, -1, -1):
        if parts[place] == "images":
            parts[place] = "labels"
            break
    return Path(*parts).with_suffix(".txt")


def _labels(
    image: Path, classes: dict[int, str], keypoints: int, faults: Faults
) -> tuple[list[FileLabel], Path | None]:
    file = label_file(image)
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        faults.add("image has no label file|images have no label file", image, f"no '{file}'")
        return [], None
    except (OSError, UnicodeDecodeError):
        faults.add("label file cannot be read|label files cannot be read", file)
        return [], file
    labels = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        where = f"{file}:{number}"
        label = _label(line, where, classes, keypoints, faults)
        if label is not None:
            labels.append(label)
    return labels, file


def _label(
    line: str, where: str, classes: dict[int, str], keypoints: int, faults: Faults
) -> FileLabel | None:  # fmt: skip
    words = line.split()
    try:
        number, values = float(words[0]), [float(word) for word in words[1:]]
    except ValueError:
        values = []
        number = -1.0
    if keypoints and len(values) == 4 + keypoints:
        values = values[:4]
    if len(values) < 4 or (len(values) > 5 and len(values) % 2):
        faults.add(
            "line is not a label|lines are not labels", where,
            f"'{line[:40]}' is not a class number and a box, x y width height",
        )  # fmt: skip
        return None
    if not number.is_integer() or int(number) not in classes:
        faults.add(
            "label has a class number that has no name|labels have class numbers that have no name",
            where, words[0],
        )  # fmt: skip
        return None
    confidence = None
    if len(values) == 5:
        confidence = check_confidence(values[4], where, faults)
        if confidence is None:
            return None
    box = check_box(_corner_box(values), where, faults)
    if box is None:
        return None
    return FileLabel(classes[int(number)], box, where, confidence)


def _corner_box(values: list[float]) -> Box:
    if len(values) <= 5:
        x, y, width, height = values[:4]
        return x - width / 2, y - height / 2, width, height
    xs, ys = values[::2], values[1::2]  # an outline
    return min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)


def correct(source: LabelSource, corrections: list[Correction]) -> Iterator[tuple[Path, str]]:
    """Yields ``(file, new text)`` of each label file that changes; all other lines stay.

    Raises:
        InvalidParameter: if a class is not named by the yaml, or the box of an outline was moved
    """
    numbers = {name: number for number, name in source.categories.items()}
    keypoints = _count_keypoints(yaml.safe_load(source.text(source.path)), source.path)
    by_file: dict[Path, list[Correction]] = defaultdict(list)
    for correction in corrections:
        if correction.name is not None and correction.name not in numbers:
            raise unknown_class(correction.name, source.path)
        by_file[label_file(correction.image)].append(correction)
    for file, some in by_file.items():
        lines = source.text(file).splitlines(keepends=True)
        for one in some:
            if one.place is None:
                continue
            row = int(one.place.rpartition(":")[2]) - 1
            if one.removed:
                lines[row] = ""
                continue
            words = lines[row].split()
            ending = lines[row][len(lines[row].rstrip()) :]
            if one.name is not None:
                words[0] = str(numbers[one.name])
            if one.box is not None:
                pose = keypoints and len(words) == 5 + keypoints
                if len(words) > _MOST_WORDS_OF_A_BOX and not pose:
                    raise InvalidParameter(
                        f"'{one.place}' is an outline, and its box cannot be moved: nothing was "
                        "written. Undo that, or remove the label."
                    )
                words[1:5] = _words(one.box)
            lines[row] = " ".join(words) + ending
        if lines and lines[-1] and not lines[-1].endswith("\n") and any(
            one.place is None for one in some
        ):  # fmt: skip
            lines[-1] += "\n"
        lines += [
            f"{numbers[str(one.name)]} {' '.join(_words(one.box))}\n"
            for one in some
            if one.place is None and one.box is not None
        ]
        yield file, "".join(lines)


def _words(box: Box) -> list[str]:
    x, y, width, height = box
    return [f"{value:.6g}" for value in (x + width / 2, y + height / 2, width, height)]
