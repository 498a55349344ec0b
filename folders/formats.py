"""Which format a path is of, and its reader and writer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..core.errors import BadDataset
from . import coco, voc, yolo
from .source import Correction, LabelSource, is_text

_YAML = (".yaml", ".yml")


def read_source(path: Path, images: Path | None = None, split: str | None = None) -> LabelSource:
    """Reads a dataset of YOLO (a yaml), COCO (a json) or VOC (a folder), or the folder of one.

    Args:
        path: the file or folder
        images: the folder of a COCO dataset's images
        split: of a YOLO dataset; None for all

    Raises:
        BadDataset: if it is none of them, or two at once, or its name is no text
    """
    path = path.expanduser()
    if not path.exists():
        raise BadDataset(f"There is no '{path}'.")
    if path.is_dir():
        path = _in_folder(path)
    path = path.absolute()
    if not is_text(path):
        shown = str(path).encode(errors="backslashreplace").decode()
        raise BadDataset(f"'{shown}' has a name that is not UTF-8: rename it.")
    if path.is_dir():
        return voc.read(path)
    if path.suffix.lower() in _YAML:
        return yolo.read(path, split)
    if path.suffix.lower() == ".json":
        return coco.read(path, images)
    raise BadDataset(
        f"'{path}' is not in a supported format: give a YOLO yaml, a COCO json, a VOC folder or "
        "fiftyone:NAME."
    )


def _in_folder(folder: Path) -> Path:
    """Returns what describes the one dataset that a folder holds."""
    found = [
        file
        for file in sorted(folder.iterdir())
        if (file.suffix.lower() in _YAML and yolo.looks_like(file))
        or (file.suffix.lower() == ".json" and coco.looks_like(file))
    ]
    if voc.layout(folder) is not None:
        found.append(folder)
    if len(found) > 1:
        listed = ", ".join(f"'{each.name}'" if each != folder else "XML files" for each in found)
        raise BadDataset(
            f"'{folder}' holds several datasets, {listed}: give the one that you mean."
        )
    if not found:
        raise BadDataset(
            f"'{folder}' is not a supported dataset: it has no YOLO yaml, no COCO json and no XML "
            "files in Annotations beside JPEGImages."
        )
    return found[0]


def correct(source: LabelSource, corrections: list[Correction]) -> Iterator[tuple[Path, str]]:
    """Yields ``(file, new text)`` of each file of labels that corrections change.

    Args:
        source: the dataset, as it was read just now
        corrections: what became of its labels

    Raises:
        InvalidParameter: if a correction cannot be said in the format
    """
    writers = {"YOLO": yolo.correct, "COCO": coco.correct, "VOC": voc.correct}
    yield from writers[source.format](source, corrections)
