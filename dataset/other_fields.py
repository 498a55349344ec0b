"""The points of the further fields of a run that is of several.

FiftyOne's results are of one field. Those of a run of several are of its first field, so that
FiftyOne shows and lassoes these labels rightly, on the same map. The points of the other fields lie
here, under the id that the run's config names, as its record does
(:mod:`labelvet.dataset.records`). A further field that is renamed or deleted is left out of what is
read of the run, and comes back with its name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any

import numpy as np
from bson import ObjectId
from numpy.typing import NDArray

from ..core.table import mark_of, pair_ids
from .documents import Ids, hex_ids
from .patches import list_patches_fields
from .records import drop_orphaned_tensors, read_tensors, tensors_version, write_tensors
from .storage import Storage

_BUCKET = "labelvet_fields"

# what the config of a run of several fields says of them: their names and how many points each has
FIELDS, NUM_POINTS = "fields", "points"


@dataclass(frozen=True)
class RunFields:
    """The label fields of a run of several, of which the first one is the run's own.

    Attributes:
        names: the fields, as the run was computed of them
        sizes: how many points each has
        left: which of them are on the map: the first one, and those that the dataset has still
        gone: those that were renamed or deleted
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]
    left: tuple[bool, ...]
    gone: tuple[str, ...]

    @classmethod
    def of(cls, how: Mapping[str, Any], storage: Storage) -> RunFields | None:
        """Reads them from what the config of a run holds of ours; None for a run of one field.

        Args:
            how: the config's ``labelvet``
            storage: where the labels are
        """
        if FIELDS not in how:
            return None
        first, *others = how[FIELDS]
        # a run that was imported from another database has its first field alone
        kept = has_other_fields(ObjectId(how["record"]))
        known = list_patches_fields(storage) if kept else []
        return cls(
            (first, *others),
            tuple(how[NUM_POINTS]),
            (True, *(name in known for name in others)),
            tuple(name for name in others if kept and name not in known),
        )

    @property
    def others(self) -> tuple[str, ...]:
        """The further fields that are on the map."""
        return tuple(compress(self.names[1:], self.left[1:]))

    @property
    def rows(self) -> NDArray[np.int64]:
        """(m,) which rows of what is kept of the run are those of its map."""
        return np.flatnonzero(np.repeat(self.left, self.sizes))


@dataclass(frozen=True, eq=False)
class FieldPoints:
    """The n points of the labels of a field.

    Attributes:
        field: the field
        points: (n, 2) or (n, 3) float32
        sample_ids: (n, 12) ids of the labels' samples
        ids: (n, 12) ids of the labels
    """

    field: str
    points: NDArray[np.float32]
    sample_ids: Ids
    ids: Ids

    def __len__(self) -> int:
        return len(self.points)

    @property
    def pairs(self) -> NDArray[np.str_]:
        """(n,) what tells every label from all others of the run, as a table has it."""
        pairs = pair_ids(hex_ids(self.sample_ids), hex_ids(self.ids))
        return np.char.add(pairs, mark_of(self.field))


def write_other_fields(run: ObjectId, others: Sequence[FieldPoints]) -> None:
    """Keeps the points of further fields under the id of a run."""
    tensors: dict[str, NDArray[Any]] = {}
    for number, one in enumerate(others):
        tensors |= {
            f"points.{number}": one.points,
            f"samples.{number}": one.sample_ids,
            f"ids.{number}": one.ids,
        }
    write_tensors(_BUCKET, run, tensors, {"fields": [one.field for one in others]})


def read_other_fields(run: ObjectId) -> list[FieldPoints]:
    """Reads the points of a run's further fields; none where they are in another database."""
    kept = read_tensors(_BUCKET, run)
    if kept is None:
        return []
    tensors, metadata = kept
    return [
        FieldPoints(field, *(tensors[f"{name}.{number}"] for name in ("points", "samples", "ids")))
        for number, field in enumerate(metadata["fields"])
    ]


def has_other_fields(run: ObjectId) -> bool:
    """Whether the points of a run's further fields are in this database."""
    return tensors_version(_BUCKET, run) is not None


def drop_orphaned_points() -> None:
    """Drops what is kept of runs that do not exist any more, whoever deleted them."""
    drop_orphaned_tensors(_BUCKET)
