"""What a folder of labeled images holds, in one form for every format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from ..core.errors import BadDataset, InvalidParameter
from ..core.images import upright_size
from ..core.sentences import count

IMAGE_SUFFIXES = frozenset(
    {".bmp", ".jfif", ".jpeg", ".jpg", ".mpo", ".png", ".tif", ".tiff", ".webp"}
)
# boxes are rounded where they are written; what lies further out is a fault
_OUTSIDE = 0.01
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
        self._first.setdefault(kind, f"'{where}'{f': {detail}' if detail else ''}")

    def __bool__(self) -> bool:
        return bool(self._counts)

    def sentences(self) -> list[str]:
        """Returns one sentence for each kind."""
        found = []
        for kind, number in self._counts.items():
            one, _, many = kind.partition("|")
            what = f"1 {one}" if number == 1 else f"{number:,} {many}"
            found.append(f"{what}, {'as' if number > 1 else 'in'} {self._first[kind]}.")
        return found


@dataclass
class LabelSource:
    """A dataset as its files have it.

    Attributes:
        format: "YOLO", "COCO", "VOC" or "FiftyOne"
        path: what was given
        classes: every class that the source names, also where no label has it; None where a label
            may have any
        images: the images
        files: the files that hold labels, which a second run compares
        faults: what is wrong with it
        notes: sentences on what was left out on purpose
        identity: what changes with the labels where no file does
        numbers: ``{image path: id}`` of a COCO file
        categories: ``{number: class}`` of a COCO or a YOLO file
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

    def __len__(self) -> int:
        return sum(len(image.labels) for image in self.images)

    def labels(self) -> Iterator[tuple[ImageFile, FileLabel]]:
        """Yields every label with its image."""
        for image in self.images:
            for label in image.labels:
                yield image, label

    def fingerprint(self) -> str:
        """Returns what changes when a file of labels or an image changes."""
        digest = sha256(f"{self.format}{self.identity}".encode())
        for path in sorted({*self.files, *(image.path for image in self.images)}):
            try:
                status = path.stat()
                digest.update(f"{path}{status.st_size}{status.st_mtime_ns}\n".encode())
            except OSError:
                digest.update(f"{path} gone\n".encode())
        return digest.hexdigest()

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
    """Returns the images of a folder and those below it, sorted."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
    )


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
    """Returns the text of a file.

    Raises:
        BadDataset: if it cannot be read, or is not text
    """
    try:
        with open(path, encoding="utf-8", newline="") as file:  # line ends stay as they are
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise BadDataset(f"'{path}' cannot be read: {reason}.") from None


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
