"""Changes of many labels, written down before they are done: what takes them back reads it.

They lie in FiftyOne's ``ExecutionStore`` of the dataset, so that a change can be undone after a
crash, from another process and by another person. A module that changes labels in bulk begins a
:class:`Change` of its kind, adds each batch before it writes it, and in its undo reads them again.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import fiftyone as fo
import numpy as np
from bson import Binary
from fiftyone.operators.store import ExecutionStore

from ..core.errors import UnknownUndo
from .documents import Ids

_STORE = "labelvet_undo"
_UNDO_SECONDS = 30 * 24 * 3600
_TAGS = "tags"  # the kind of changes that were written down before there were others


@dataclass
class Change:
    """A change of a dataset.

    Attributes:
        dataset: the dataset
        token: what names the change, 24 letters and digits
        kind: which module made it
        what: what that module needs to know to undo it; plain values
    """

    dataset: fo.Dataset
    token: str
    kind: str
    what: dict[str, Any]
    _batches: int = field(default=0, repr=False)

    def add_batch(self, sample_ids: Ids, ids: Ids) -> None:
        """Writes down which labels, of which samples, are changed next."""
        batch = {"s": Binary(sample_ids.tobytes()), "i": Binary(ids.tobytes())}
        _store(self.dataset).set(f"{self.token}.{self._batches}", batch, ttl=_UNDO_SECONDS)
        self._batches += 1

    def batches(self) -> Iterator[tuple[Ids, Ids]]:
        """Yields the (n, 12) samples and labels of each batch."""
        store, self._batches = _store(self.dataset), 0
        while (batch := store.get(f"{self.token}.{self._batches}")) is not None:
            samples, ids = (np.frombuffer(batch[n], np.uint8).reshape(-1, 12) for n in ("s", "i"))
            self._batches += 1
            yield samples, ids

    def close(self) -> None:
        """Says that the change was taken back, and forgets its batches."""
        store = _store(self.dataset)
        store.set(self.token, {**self.what, "kind": self.kind, "undone": True}, ttl=_UNDO_SECONDS)
        for number in range(self._batches):
            store.delete(f"{self.token}.{number}")


def begin(dataset: fo.Dataset, kind: str, **what: Any) -> Change:
    """Writes down that a change begins, before any of it is done."""
    change = Change(dataset, secrets.token_hex(12), kind, what)
    record = {**what, "kind": kind, "undone": False}
    _store(dataset).set(change.token, record, ttl=_UNDO_SECONDS)
    return change


def find_change(dataset: fo.Dataset, token: Any) -> Change:
    """Finds a change that can be taken back.

    Raises:
        UnknownUndo: if the dataset has no such change, or it was taken back before
    """
    # the store finds whatever it is given, so it is given nothing but a token
    known = isinstance(token, str) and len(token) == 24 and token.isalnum()
    record = _store(dataset).get(token) if known else None
    if record is None:
        raise UnknownUndo("There is nothing to undo: it is another dataset's, or too long ago.")
    what = dict(record)
    kind, undone = what.pop("kind", _TAGS), what.pop("undone")
    if undone:
        raise UnknownUndo("This was undone before.")
    return Change(dataset, token, kind, what)


def _store(dataset: fo.Dataset) -> ExecutionStore:
    return ExecutionStore.create(_STORE, dataset_id=dataset._doc.id)
