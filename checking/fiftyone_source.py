"""The labels of a dataset in the user's FiftyOne, read in a process of its own.

A check has a database of its own, and FiftyOne knows one for each process. What is read is handed
over as JSON; nothing is written into the user's database.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Any

from ..core.errors import BadDataset, LabelvetError
from ..core.sentences import first_line
from ..folders.source import Faults, FileLabel, ImageFile, LabelSource, check_box, image_size

PREFIX = "fiftyone:"


def read_fiftyone(name: str, field: str | None = None) -> LabelSource:
    """Reads a dataset of FiftyOne.

    Args:
        name: its name
        field: its field of detections; may be left out where there is one

    Raises:
        BadDataset: if there is none, or it has several such fields
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "labels.json"
        ended = subprocess.run(
            [sys.executable, "-m", __name__, name, field or "", str(file)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        if ended.returncode:
            said = ended.stderr.strip().splitlines()
            raise BadDataset(said[-1] if said else f"'{name}' cannot be read from FiftyOne.")
        text = file.read_text()
    faults = Faults()
    images = []
    for path, labels in json.loads(text):
        if image_size(Path(path), faults) is None:
            continue
        good = []
        for id_, label, box, confidence in labels:
            where = f"{path}, label {id_}"
            if label is None or not box:
                faults.add(
                    "label has no class or no box|labels have no class or no box", where
                )  # fmt: skip
                continue
            box = check_box(box, where, faults)
            if box is not None:
                good.append(FileLabel(str(label), box, where, confidence))
        images.append(ImageFile(Path(path), good))
    identity = sha256(text.encode()).hexdigest()
    return LabelSource("FiftyOne", Path(name), None, images, [], faults, identity=identity)


def _write(name: str, field: str, file: Path) -> None:
    """Writes ``[[image, [[id, class, box, confidence]]]]`` of a dataset."""
    import fiftyone as fo

    if not fo.dataset_exists(name):
        raise BadDataset(f"There is no dataset '{name}' in FiftyOne.")
    dataset = fo.load_dataset(name)
    if dataset.media_type != fo.core.media.IMAGE:
        raise BadDataset(f"'{name}' holds {dataset.media_type}: only images can be checked.")
    fields = list(dataset.get_field_schema(embedded_doc_type=fo.Detections))
    if field and field not in fields:
        raise BadDataset(f"'{field}' is not a Detections field of '{name}': {_listed(fields)}.")
    if not field and len(fields) != 1:
        raise BadDataset(f"Say with --field which labels of '{name}' to check: {_listed(fields)}.")
    root = f"{field or fields[0]}.detections"
    names = ("id", "label", "bounding_box", "confidence")
    columns = dataset.values(["filepath", *(f"{root}.{each}" for each in names)])
    content: list[Any] = [
        [path, list(zip(*(part or [] for part in of_sample), strict=True))]
        for path, *of_sample in zip(*columns, strict=True)
    ]
    file.write_text(json.dumps(content))


def _listed(fields: list[str]) -> str:
    return f"it has {', '.join(fields)}" if fields else "it has none"


if __name__ == "__main__":
    problem = ""
    try:
        _write(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
    except LabelvetError as error:
        problem = str(error)
    # whatever FiftyOne raises, where its database does not answer for example
    except Exception as error:
        problem = f"FiftyOne's dataset '{sys.argv[1]}' cannot be read: {first_line(error)}."
    if problem:
        print(problem, file=sys.stderr, flush=True)
    # at an exit FiftyOne may take itself for the last client, and delete what is not persistent
    os._exit(bool(problem))
