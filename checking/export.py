"""Corrected labels, back in their files: what differs from the files, and the files that change."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import fiftyone as fo

from ..core.errors import InvalidParameter
from ..core.files import write_whole
from ..core.sentences import count
from ..dataset.states import REJECTED_TAG
from ..folders.formats import correct
from ..folders.source import Box, Correction, FileLabel, LabelSource
from .result import FIELD, PLACE

# what a database keeps of a number that was read from a file
_SAME = 1e-6


@dataclass(frozen=True)
class Changed:
    """A correction, and what stood in the file before.

    Attributes:
        correction: the label as it is now
        before: as it was; None where it is new
        incomplete: whether it has no class or no box now, so that it cannot be written
    """

    correction: Correction
    before: FileLabel | None
    incomplete: bool = False

    def sentence(self) -> str:
        """Returns a line on it, as a diff has it."""
        one, before = self.correction, self.before
        where = before.place if before else str(one.image)
        if self.incomplete:
            was = f"{before.name} {_shown(before.box)} → " if before else ""
            now = f"{one.name or 'no class'} {_shown(one.box) if one.box else 'no box'}"
            return f"? {where}  {was}{now}"
        if before is None:
            return f"+ {where}  {one.name} {_shown(one.box)}"
        if one.removed:
            return f"- {where}  {before.name} {_shown(before.box)}"
        parts = []
        if one.name is not None:
            parts.append(f"{before.name} → {one.name}")
        if one.box is not None:
            parts.append(f"{one.name or before.name} {_shown(before.box)} → {_shown(one.box)}")
        return f"~ {where}  {', '.join(parts)}"


def find_corrections(dataset: fo.Dataset, source: LabelSource) -> list[Changed]:
    """Returns how the labels of a dataset differ from the files that they came from.

    Labels that were rejected, or deleted, are removed.

    Args:
        dataset: what the source was imported into
        source: the files, as they were then
    """
    root = f"{FIELD}.detections"
    columns = dataset.values(
        ["filepath", *(f"{root}.{name}" for name in ("label", "bounding_box", "tags", PLACE))]
    )
    now: dict[str, tuple[str | None, Box | None] | None] = {}
    new: list[Changed] = []
    shown = set()
    for file, *of_sample in zip(*columns, strict=True):
        shown.add(file)
        for name, corners, tags, place in zip(*(part or [] for part in of_sample), strict=True):
            rejected = REJECTED_TAG in (tags or [])
            box = tuple(corners) if corners else None
            if place is not None:
                now[f"{file}\n{place}"] = None if rejected else (name, box)
            elif not rejected:
                incomplete = not name or box is None
                new.append(Changed(Correction(Path(file), None, name, box), None, incomplete))
    found = []
    for image, label in source.labels():
        if str(image.path) not in shown:
            continue  # a sample that was deleted says nothing of its file
        there = now.get(f"{image.path}\n{label.place}")
        if there is None:
            found.append(Changed(Correction(image.path, label.place, None, None), label))
            continue
        name, box = there
        if not name or box is None:
            one = Correction(image.path, label.place, name, box)
            found.append(Changed(one, label, incomplete=True))
            continue
        moved = any(abs(a - b) > _SAME for a, b in zip(box, label.box, strict=True))
        if name != label.name or moved:
            one = Correction(
                image.path,
                label.place,
                name if name != label.name else None,
                box if moved else None,
            )
            found.append(Changed(one, label))
    return found + new


def corrected_texts(source: LabelSource, changes: list[Changed]) -> dict[Path, str]:
    """Returns what files of labels are to hold: those with corrections, and those that an export
    has written before.

    Raises:
        InvalidParameter: if a correction cannot be written, or has no class or no box
    """
    if incomplete := [change for change in changes if change.incomplete]:
        before, image = incomplete[0].before, incomplete[0].correction.image
        where = f"'{before.place}'" if before else f"a new one of '{image}'"
        raise InvalidParameter(
            f"{count(len(incomplete), 'label lacks', 'labels lack')} a class or a box in the App, "
            f"as {where}: nothing was written. Complete or delete what is incomplete there, and "
            "export again."
        )
    as_checked = {file: source.text(file) for file in source.before}
    return as_checked | dict(correct(source, [change.correction for change in changes]))


def write_files(texts: Mapping[Path, str]) -> None:
    """Writes files of labels where they are; all are complete before the first takes its place.

    Raises:
        InvalidParameter: if one cannot be written
    """
    with _said():
        for file in texts:  # an image that had no label file may be in a split that had none
            file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(texts)


def write_folder(source: LabelSource, changes: list[Changed], to: Path) -> list[Path]:
    """Writes all files of labels into a folder, and returns those that were corrected.

    Args:
        source: the files
        changes: what to change in them
        to: a folder that is new or empty, and stays empty where something cannot be written

    Raises:
        InvalidParameter: if the folder holds something, or a correction cannot be written
    """
    texts = corrected_texts(source, changes)
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise InvalidParameter(f"'{to}' is not empty: choose a new folder.")
    files = {*source.files, *texts}
    root = Path(os.path.commonpath([file.absolute().parent for file in files]))
    try:
        with _said():
            for file in files:
                target = to / file.absolute().relative_to(root)
                target.parent.mkdir(parents=True, exist_ok=True)
                if file in texts:
                    target.write_text(texts[file], encoding="utf-8", newline="")
                else:
                    shutil.copyfile(file, target)
    except BaseException:
        _empty(to)
        raise
    return [to / file.absolute().relative_to(root) for file in texts]


@contextmanager
def _said() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        file = error.filename2 or error.filename  # a disk that is full names none
        where = f"in '{Path(file).parent}'" if file else "of labels"
        raise InvalidParameter(
            f"A file {where} cannot be written: {error.strerror}. Fix that and export again."
        ) from None


def _empty(folder: Path) -> None:
    with suppress(OSError):
        for each in folder.iterdir():
            if each.is_dir():
                shutil.rmtree(each, ignore_errors=True)
            else:
                each.unlink()


def lines(changes: list[Changed]) -> Iterator[str]:
    """Yields a readable diff."""
    for change in changes:
        yield change.sentence()


def _shown(box: Box | None) -> str:
    return f"[{', '.join(f'{value:.4f}' for value in box or ())}]"
