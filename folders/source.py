"""What a folder of labeled images holds, in one form for every format."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from ..core.errors import BadDataset, InvalidParameter
from ..core.files import update_digest
from ..core.images import upright_size
from ..core.sentences import agree, count

# ultralytics' own; what is not decoded here, such as HEIC, is a fault
IMAGE_SUFFIXES = frozenset(
    {".avif", ".bmp", ".dng", ".heic", ".heif", ".jfif", ".jp2", ".jpeg", ".jpg", ".mpo", ".png",
     ".tif", ".tiff", ".webp"}
)  # fmt: skip
# boxes are rounded where they are written; what lies further out is a fault
_OUTSIDE = 0.01
# fingerprints without it are of an older form, of times instead of contents
_OF_CONTENTS = "contents:"
_LARGEST = 1e6  # pixels of an image's side
_SHOWN = 40  # characters
# a softmax in single precision may end this far above 1
_ROUNDING = 1e-5

Box = tuple[float, float, float, float]
"""``x, y, width, height`` relative to the image, from its top left corner."""


@dataclass(frozen=True)
class FileLabel:
    """One label as its file has it.

    Attributes:
        name: its class
        box: inside the image
        place: where in the source it stands: unique there, and the same when it is read again
        confidence: in [0, 1], None where the file has none
    """

    name: str
    box: Box
    place: str
    confidence: float | None = None


@dataclass(frozen=True)
class ImageFile:
    """One image and its labels."""

    path: Path
    labels: list[FileLabel]


class Faults:
    """What is wrong with the files of a dataset: each kind once, with its count and first case."""

    def __init__(self) -> None:
        self._first: dict[str, str] = {}
        self._counts: dict[str, int] = {}

    def add(self, kind: str, where: object, detail: str = "") -> None:
        """Notes one fault.

        Args:
            kind: what it is, with its noun: "image cannot be read|images cannot be read"
            where: the file, and the line
            detail: what stands there
        """
        self._counts[kind] = self._counts.get(kind, 0) + 1
        shown = f"'{where}'{f': {detail}' if detail else ''}"
        # a file's name may be no text
        self._first.setdefault(kind, shown.encode(errors="backslashreplace").decode())

    def __bool__(self) -> bool:
        return bool(self._counts)

    def sentences(self) -> list[str]:
        """Returns one sentence for each kind."""
        found = []
        for kind, number in self._counts.items():
            one, _, many = kind.partition("|")
            where = f"{agree(number, 'in', 'as')} {self._first[kind]}"
            found.append(f"{count(number, one, many)}, {where}.")
        return found


@dataclass
class LabelSource:
    """A dataset as its files have it.

    Attributes:
        format: "YOLO", "COCO", "VOC" or "FiftyOne"
        path: what was given
        classes: every class that the source names, also where no label has it; None where a label
            may have any
        images: the images; one that is given several times is a fault, and left out
        files: the files that hold labels, which a second run compares
        faults: what is wrong with it
        notes: sentences on what was left out on purpose
        identity: what changes with the labels where no file does
        numbers: ``{image path: id}`` of a COCO file
        categories: ``{number: class}`` of a COCO or a YOLO file
        before: what files held that an export has written since, None where there was no file
    """

    format: str
    path: Path
    classes: list[str] | None
    images: list[ImageFile]
    files: list[Path]
    faults: Faults = field(default_factory=Faults)
    notes: list[str] = field(default_factory=list)
    identity: str = ""
    numbers: dict[Path, int] = field(default_factory=dict)
    categories: dict[int, str] = field(default_factory=dict)
    before: dict[Path, bytes | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.numbers = {straight(path): number for path, number in self.numbers.items()}
        entries: dict[Path, list[ImageFile]] = {}
        for image in self.images:
            path = straight(image.path)
            image = image if path == image.path else replace(image, path=path)
            entries.setdefault(path, []).append(image)
        self.images = []
        for path, found in entries.items():
            if len(found) > 1:
                places = (each.labels[0].place if each.labels else "no label" for each in found)
                self.faults.add(
                    "image has several entries: write all its labels into one|images have several "
                    "entries: write all labels of each into one", path, " and ".join(places),
                )  # fmt: skip
            elif not is_text(path):
                self.faults.add(
                    "image has a name that is not UTF-8: rename it|images have names that are not "
                    "UTF-8: rename them", path,
                )  # fmt: skip
            else:
                self.images += found

    def __len__(self) -> int:
        return sum(len(image.labels) for image in self.images)

    def labels(self) -> Iterator[tuple[ImageFile, FileLabel]]:
        """Yields every label with its image."""
        for image in self.images:
            for label in image.labels:
                yield image, label

    def content(self, file: Path) -> bytes | None:
        """Returns what a file of labels held when it was checked, None where there was none.

        Raises:
            BadDataset: if it cannot be read
        """
        if file in self.before:
            return self.before[file]
        return _read(file) if file.exists() else None

    def text(self, file: Path) -> str:
        """Returns the text of a file of labels when it was checked, "" where there was none.

        Raises:
            BadDataset: if it cannot be read, or is not text
        """
        return _decoded(self.content(file) or b"", file)

    def fingerprint(self) -> str:
        """Returns what changes with the contents of the files of labels, and with the images' sizes
        in bytes, but not with their times, which a copy or a checkout changes."""
        digest = sha256(f"{self.format}{self.identity}".encode())
        for file in sorted(set(self.files)):
            if file not in self.before:
                digest.update(os.fsencode(f"{file} {digest_file(file)}\n"))
            elif (content := self.before[file]) is not None:
                digest.update(os.fsencode(f"{file} {sha256(content).hexdigest()}\n"))
        for path in sorted(image.path for image in self.images):
            digest.update(os.fsencode(f"{path} {path.stat().st_size if path.exists() else None}\n"))
        return f"{_OF_CONTENTS}{digest.hexdigest()}"

    def is_as(self, fingerprint: str | None) -> bool:
        """Whether nothing changed since a fingerprint was taken, which may be of the older form."""
        if fingerprint is None or fingerprint.startswith(_OF_CONTENTS):
            return fingerprint == self.fingerprint()
        digest = sha256(f"{self.format}{self.identity}".encode())
        for path in sorted({*self.files, *(image.path for image in self.images)}):
            try:
                status = path.stat()
                digest.update(os.fsencode(f"{path}{status.st_size}{status.st_mtime_ns}\n"))
            except OSError:
                digest.update(os.fsencode(f"{path} gone\n"))
        return fingerprint == digest.hexdigest()

    def summary(self) -> str:
        """Returns a line on what was read."""
        kinds = len({label.name for _, label in self.labels()})
        return (
            f"{self.format}: {count(len(self.images), 'image')}, {count(len(self), 'label')}, "
            f"{count(kinds, 'class', 'classes')}."
        )

    def check(self, lenient: bool) -> None:
        """Raises unless every file is as its format wants it.

        Args:
            lenient: whether what is broken was left out on purpose

        Raises:
            BadDataset: if a file has a fault, with a sentence for each kind, or there is no label
        """
        if self.faults and not lenient:
            raise BadDataset("\n".join(self.faults.sentences()))
        if not len(self):
            raise BadDataset(f"There is no label in '{self.path}'.")


def list_images(folder: Path) -> list[Path]:
    """Returns the images of a folder and those below it, sorted; links are followed, as
    ultralytics does, and what is hidden is left out.

    Raises:
        BadDataset: if a folder cannot be read
    """
    return sorted(_images_below(folder, frozenset()))


def _images_below(folder: Path, above: frozenset[Path]) -> Iterator[Path]:
    real = folder.resolve()
    if real in above:  # a link that leads back
        return
    try:
        entries = list(folder.iterdir())
    except OSError as error:
        raise BadDataset(f"'{folder}' cannot be read: {error.strerror}.") from None
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _images_below(entry, above | {real})
        elif entry.suffix.lower() in IMAGE_SUFFIXES:
            yield entry


def straight(path: Path) -> Path:
    """Returns a path without ``..``, as FiftyOne keeps it."""
    return path.parent.resolve() / path.name if ".." in path.parts else path


def digest_file(file: Path) -> str | None:
    """Returns a digest of what a file holds, None where it cannot be read."""
    digest = sha256()
    try:
        update_digest(digest, file)
    except OSError:
        return None
    return digest.hexdigest()


def is_text(value: object) -> bool:
    """Whether a path, or a word, can be written as UTF-8, as a database wants it."""
    try:
        return bool(str(value).encode())
    except UnicodeEncodeError:
        return False


def check_name(name: Any, where: object, faults: Faults, detail: str = "") -> str | None:
    """Returns the name of a class, None where it has none, or one that is no text.

    Args:
        name: what its file has
        where: the file and the line, for the sentence
        faults: where it is noted
        detail: which class it is of its file
    """
    if name is None or not str(name).strip():
        faults.add("class has no name|classes have no name", where, detail)
    elif not is_text(name):
        faults.add(
            "class has a name that is not text|classes have names that are not text", where, detail
        )  # fmt: skip
    else:
        return str(name)
    return None


def image_size(path: Path, faults: Faults) -> tuple[int, int] | None:
    """Returns the width and height of an image as people see it, None where it cannot be read."""
    try:
        return upright_size(path)
    except FileNotFoundError:
        faults.add("image is missing|images are missing", path)
        return None
    # whatever Pillow's readers raise of a broken file
    except Exception:
        faults.add("image cannot be read|images cannot be read", path)
        return None


def told_size(width: Any, height: Any) -> tuple[int, int] | None:
    """Returns the width and height of an image that its file of labels tells, as numbers or as
    text; None where it does not.

    Raises:
        ValueError: if they are no numbers of pixels
    """
    if not (width and height):
        return None
    try:
        sides = float(width), float(height)
    except (OverflowError, TypeError) as error:
        raise ValueError(error) from None
    if not all(side.is_integer() and side < _LARGEST for side in sides):
        raise ValueError(sides)
    return (int(sides[0]), int(sides[1])) if min(sides) > 0 else None


def boxes_size(
    width: Any, height: Any, image: Path, faults: Faults
) -> tuple[int, int] | None:  # fmt: skip
    """Returns the width and height that the boxes of an image are of, None where it is left out.

    Args:
        width, height: what its file of labels says, see :func:`told_size`
        image: its file
        faults: where it is noted that it cannot be read, or is told a size that cannot be its own
    """
    try:
        told = told_size(width, height)
    except ValueError:
        faults.add(
            "image has a width or a height that is no number of pixels|images have widths or "
            "heights that are no numbers of pixels", image, f"{width} x {height}"[:_SHOWN],
        )  # fmt: skip
        return None
    size = image_size(image, faults)
    if size is None or told is None:
        return size
    if told == size[::-1] != size:
        faults.add(
            "image has its width and height swapped, so its boxes may be turned, too: write all "
            "of them as the image is shown|images have their widths and heights swapped, so their "
            "boxes may be turned, too: write all of them as the images are shown", image,
            f"{told[0]} x {told[1]}, and shown it is {size[0]} x {size[1]}",
        )  # fmt: skip
        return None
    return told


def check_confidence(value: Any, where: object, faults: Faults) -> float | None:
    """Returns a confidence in [0, 1], where a rounding error above it is 1; None where it is none.

    Args:
        value: a number, or its text
        where: the file and the line, for the sentence
        faults: where it is noted
    """
    confidence = float(value)
    if 0 <= confidence <= 1 + _ROUNDING:
        return min(confidence, 1.0)
    faults.add(
        "confidence is not from 0 to 1|confidences are not from 0 to 1", where, str(value)
    )  # fmt: skip
    return None


def check_box(values: Iterable[float], where: object, faults: Faults) -> Box | None:
    """Returns a box that lies inside its image, None where it does not.

    Args:
        values: x, y, width, height, relative to the image
        where: the file and the line, for the sentence
        faults: where it is noted
    """
    x, y, width, height = values
    shown = f"{x:.3g}, {y:.3g}, {width:.3g}, {height:.3g}"
    if not all(abs(value) < 1e6 for value in (x, y, width, height)):
        faults.add("box is not four numbers|boxes are not four numbers", where, shown)
        return None
    if width <= 0 or height <= 0:
        faults.add("box has no area|boxes have no area", where, shown)
        return None
    if min(x, y) < -_OUTSIDE or max(x + width, y + height) > 1 + _OUTSIDE:
        faults.add(
            "box lies outside its image|boxes lie outside their images",
            where,
            f"{shown} of an image that is 1 wide and high",
        )
        return None
    left, top = max(x, 0.0), max(y, 0.0)
    box = (left, top, min(x + width, 1.0) - left, min(y + height, 1.0) - top)
    if min(box[2:]) <= 0:
        faults.add("box lies outside its image|boxes lie outside their images", where, shown)
        return None
    return box


def read_text(path: Path) -> str:
    """Returns the text of a file, with the line ends that it has.

    Raises:
        BadDataset: if it cannot be read, or is not text
    """
    return _decoded(_read(path), path)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadDataset(f"'{path}' cannot be read: {error.strerror}.") from None


def _decoded(content: bytes, path: Path) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise BadDataset(f"'{path}' cannot be read: it is not text.") from None


@dataclass(frozen=True)
class Correction:
    """What became of one label.

    Attributes:
        image: the image's file
        place: see :class:`FileLabel`; None for a label that is new
        name, box: what they are now; both None where the label was removed
    """

    image: Path
    place: str | None
    name: str | None
    box: Box | None

    @property
    def removed(self) -> bool:
        """Whether the label is to go."""
        return self.name is None and self.box is None


def unknown_class(name: str, where: object) -> InvalidParameter:
    """Returns the error for a class that a format has to name before a label can have it."""
    return InvalidParameter(
        f"'{name}' is not a class of '{where}', so nothing was written: add it there, or give "
        "the labels another class."
    )
