"""What was found about the labels of a run, kept with it.

A review, perhaps in another process and on another day, learns from it without judging all labels
again. It lies beside the run's record (:mod:`labelvet.dataset.records`) and goes with the run.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import fiftyone as fo
import numpy as np
from numpy.typing import NDArray

from ..core.table import PatchTable
from ..dataset.brain_runs import find_run, run_field
from ..dataset.documents import Ids, byte_keys, parse_ids
from ..dataset.memory import Memory
from ..dataset.records import (
    delete_tensors,
    drop_orphaned_tensors,
    read_tensors,
    tensors_version,
    write_tensors,
)
from .kinds import BADLY_PLACED, KINDS, WRONG_CLASS
from .suspicion import Suspicion

_BUCKET = "labelvet_issues"
_BESIDE = ("look", "certain", "notes", "tracks")
_ARRAYS = [each.name for each in fields(Suspicion) if each.name not in _BESIDE]
_KEPT_BYTES = 128 * 2**20


@dataclass(frozen=True, eq=False)
class Findings:
    """What was found, of the n labels that were judged.

    Attributes:
        patches_field: the field of the labels
        sample_ids: (n, 12) ids of their samples
        ids: (n, 12) ids of the labels
        codes: (n,) int32 the class of each at that time, -1 for none
        classes: the names of the classes
        found: what was suspected
        tracks: (n,) int32 the number of each one's track, None where none was followed
    """

    patches_field: str
    sample_ids: Ids
    ids: Ids
    codes: NDArray[np.int32]
    classes: tuple[str, ...]
    found: Suspicion
    tracks: NDArray[np.int32] | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def nbytes(self) -> int:
        """What it takes in memory, about."""
        arrays = [getattr(self.found, name) for name in _ARRAYS]
        # the rows by id are a dict of about 150 bytes a label
        return 190 * len(self) + sum(int(np.asarray(array).nbytes) for array in arrays)

    def class_named(self, code: int) -> str | None:
        """Returns the name of a class, None for -1."""
        return self.classes[code] if code >= 0 else None

    def classes_named(self, codes: NDArray[np.int32]) -> list[str]:
        """Returns the names of some classes but -1."""
        return [self.classes[code] for code in codes.tolist() if code >= 0]

    def rows_of(self, sample_ids: Ids, ids: Ids) -> NDArray[np.int64]:
        """Returns the rows of some labels, -1 for those that were not judged."""
        rows = map(self._row_of.get, byte_keys(ids))
        found = np.array([-1 if row is None else row for row in rows], np.int64)
        # an import may have left a label of the same id in another sample
        found[(self.sample_ids[found] != sample_ids).any(axis=1)] = -1
        return found

    @cached_property
    def questions(self) -> NDArray[np.int64] | None:
        """(n,) the number of the question that each label is part of, None where each is its own.

        Of a track, those are one question that have the same class, the same likeliest kind of
        issue and, for a wrong class, the same suggestion. A label whose box is probably wrong is a
        question of its own, as each frame needs its own box.
        """
        if self.tracks is None:
            return None
        kinds, names = self.found.likeliest, len(self.classes) + 1
        suggested = np.where(kinds == WRONG_CLASS, self.found.suggested[:, 0], -1)
        asked = self.tracks.astype(np.int64) * names + self.codes + 1
        asked = (asked * len(KINDS) + kinds) * names + suggested + 1
        asked = np.where(kinds == BADLY_PLACED, -1 - np.arange(len(self)), asked)
        return np.asarray(np.unique(asked, return_inverse=True)[1].reshape(-1))

    @cached_property
    def _row_of(self) -> dict[bytes, int]:
        return {key: row for row, key in enumerate(byte_keys(self.ids))}


def save_findings(dataset: fo.Dataset, brain_key: str, table: PatchTable, found: Suspicion) -> None:
    """Keeps what was found of a run, in place of what was kept before."""
    run = find_run(dataset, brain_key)
    if run is None:
        return  # deleted meanwhile
    arrays: dict[str, NDArray[Any]] = {name: getattr(found, name) for name in _ARRAYS}
    arrays |= {
        "sample_ids": parse_ids(table.sample_ids.tolist()),
        "ids": parse_ids(table.ids.tolist()),
        "codes": table.codes,
    }
    if found.tracks is not None:
        arrays["tracks"] = found.tracks.of.astype(np.int32)
    metadata = {
        "patches_field": table.patches_field,
        "classes": [str(name) for name in table.classes],
        "look": found.look,
        "certain": found.certain,
        "notes": found.notes,
    }
    write_tensors(_BUCKET, run, arrays, metadata)
    drop_orphaned_tensors(_BUCKET)


def load_findings(dataset: fo.Dataset, brain_key: str) -> Findings | None:
    """Reads what was found of a run, None where nothing was; the last few stay in memory."""
    run = find_run(dataset, brain_key)
    version = None if run is None else tensors_version(_BUCKET, run)
    if run is None or version is None:
        return None
    kept_as = (dataset._sample_collection_name, version)
    if (before := _kept.find(kept_as)) is not None:
        return before
    content = read_tensors(_BUCKET, run)
    if content is None:
        return None  # removed meanwhile
    arrays, metadata = content
    if not arrays.keys() >= set(_ARRAYS):
        return None  # kept by an earlier version, which knew less
    columns: dict[str, Any] = {name: arrays[name] for name in _ARRAYS}
    found = Suspicion(
        **columns,
        look=int(metadata["look"]),
        certain=bool(metadata["certain"]),
        notes=list(metadata["notes"]),
    )
    kept = Findings(
        metadata["patches_field"],
        arrays["sample_ids"],
        arrays["ids"],
        arrays["codes"],
        tuple(metadata["classes"]),
        found,
        arrays.get("tracks"),
    )
    _kept.put(kept_as, kept)
    return kept


def delete_findings(dataset: fo.Dataset, patches_field: str | None) -> None:
    """Removes what is kept of the dataset's runs of a field, of all for None."""
    for key in dataset.list_brain_runs(type="visualization"):
        field = run_field(dataset, key)
        run = find_run(dataset, key)
        if run is not None and patches_field in (None, field):
            delete_tensors(_BUCKET, run)


_kept: Memory[Findings] = Memory(_KEPT_BYTES, lambda kept: kept.nbytes)
