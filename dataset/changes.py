"""Changes of many labels, written down before they are done: what takes them back reads it.

They lie in FiftyOne's store of the dataset, so that a change can be undone after a crash, from
another process and by another person. A module that changes labels in bulk begins a
:class:`Change` of its kind, adds each batch before it writes it, and in its undo reads them again.

FiftyOne's internals are used in one place here: the store's collection, so that a list is read in
one query.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import wraps
from typing import Any, TypeVar

import fiftyone as fo
import numpy as np
from bson import Binary
from numpy.typing import NDArray
from pymongo import ReturnDocument

from ..core.errors import UnknownUndo
from ..core.user import current_user
from .documents import Ids
from .holds import Hold
from .storage import Storage, collection_named
from .stores import begin_record, open_store, record_of

_STORE, _CLOCK = "labelvet_undo", "clock"
_UNDO_SECONDS = 30 * 24 * 3600
_LISTED = 200
_CLOSED = "This was already undone, or closed by Finish."
_HELD = {
    "made": "This change is still being made: try again once it has ended.",
    "undone": "This is already being undone: wait a moment.",
}
_T = TypeVar("_T")

_RECORDED = ("kind", "sentence", "by", "at", "what", "expires", "closed")


@dataclass
class Change:
    """A change of a dataset.

    Attributes:
        dataset: the dataset, or the storage of its frames
        token: what names the change, 24 letters and digits
        kind: which module made it
        sentence: what it did; until that is known, what it is about to do
        by: who did it
        at: when it began, in UTC, by the clock of the database
        what: what its module needs to know to undo it; plain values
        expires: whether it can be undone for 30 days only; one that holds labels which are
            nowhere else can be undone until it is closed
        closed: whether it cannot be undone any more
    """

    dataset: fo.Dataset = field(repr=False)
    token: str
    kind: str
    sentence: str
    by: str
    at: datetime
    what: dict[str, Any]
    expires: bool = True
    closed: bool = False
    _batches: int = field(default=0, repr=False)

    def add_batch(self, sample_ids: Ids, ids: Ids, had: NDArray[np.uint8] | None = None) -> None:
        """Writes down which labels, of which samples, are changed next.

        Args:
            sample_ids: (n, 12) the samples
            ids: (n, 12) the labels
            had: (n,) what each had before, as its module counts; by default zeros
        """
        had = np.zeros(len(ids), np.uint8) if had is None else had
        columns = {"s": sample_ids, "i": ids, "h": had}
        self._add({name: Binary(column.tobytes()) for name, column in columns.items()})

    def batches(self) -> Iterator[tuple[Ids, Ids, NDArray[np.uint8]]]:
        """Yields what :meth:`add_batch` was given."""
        for batch in self._added():
            samples, ids, had = (np.frombuffer(batch[name], np.uint8) for name in "sih")
            yield samples.reshape(-1, 12), ids.reshape(-1, 12), had

    def add_entries(self, entries: list[dict[str, Any]]) -> None:
        """Writes down what is changed next, as its module words it.

        Args:
            entries: plain values, of a batch that fits into a document of MongoDB, which is 16 MB
        """
        self._add({"entries": entries})

    def entries(self) -> Iterator[list[dict[str, Any]]]:
        """Yields what :meth:`add_entries` was given."""
        for batch in self._added():
            yield batch["entries"]

    def leave_entries(self, batches: list[list[dict[str, Any]]]) -> None:
        """Has only these left of what :meth:`entries` yielded: they are still to be undone."""
        had, self._batches = self._batches, 0
        for entries in batches:
            self.add_entries(entries)
        self._delete_batches(self._batches, had)

    def _delete_batches(self, first: int, end: int) -> None:
        for number in range(first, end):
            open_store(self.dataset, _STORE).delete(f"{self.token}.{number}")

    def _add(self, batch: dict[str, Any]) -> None:
        self._set(f"{self.token}.{self._batches}", batch)
        self._batches += 1

    def _added(self) -> Iterator[Any]:
        store, self._batches = open_store(self.dataset, _STORE), 0
        while (batch := store.get(f"{self.token}.{self._batches}")) is not None:
            self._batches += 1
            yield batch

    def say(self, sentence: str) -> None:
        """Writes down what the change did, now that it is known."""
        self.sentence = sentence
        self._write({"value.sentence": sentence})

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Holds the change while it is undone, so that of two who undo it at once one does.

        Raises:
            UnknownUndo: if it is still being made, another one undoes it now, or it was undone or
                closed before
        """
        hold = Hold(self._stored(), "undone")
        if not hold.take({"value.closed": False}):
            found = (collection_named("execution_store").find_one(self._stored()) or {}).get(
                "value"
            )
            if found is None or found["closed"]:
                raise UnknownUndo(_CLOSED)
            raise UnknownUndo(_HELD[found.get("held", {"being": "undone"})["being"]])
        with hold.kept():
            yield

    def _stored(self) -> dict[str, Any]:
        return record_of(self.dataset, _STORE, self.token)

    def _write(self, values: dict[str, Any]) -> None:
        collection_named("execution_store").update_one(self._stored(), {"$set": values})

    def close(self) -> None:
        """Says that the change cannot be taken back any more; its record is kept for 30 days."""
        self.closed = True
        self._write({"value.closed": True})
        self.keep(False)
        self._delete_batches(0, self._batches)

    def keep(self, for_good: bool) -> None:
        """Says whether the record is kept for good, or forgotten after 30 days."""
        record, store = self._stored(), collection_named("execution_store")
        if for_good:
            store.update_one(record, {"$set": {"expires_at": None}})
        elif store.find_one({**record, "expires_at": None}, {"_id": 1}):
            open_store(self.dataset, _STORE).update_ttl(self.token, _UNDO_SECONDS)

    def drop(self) -> None:
        """Forgets a change that did nothing."""
        self._delete_batches(0, self._batches)
        open_store(self.dataset, _STORE).delete(self.token)

    def _record(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _RECORDED}

    def _set(self, key: str, value: Any) -> None:
        open_store(self.dataset, _STORE).set(
            key, value, ttl=_UNDO_SECONDS if self.expires else None
        )


def undone_once(undo: Callable[[Change], _T]) -> Callable[[Change], _T]:
    """Has what takes a change back hold it meanwhile, see :meth:`Change.claimed`."""

    @wraps(undo)
    def holding(change: Change) -> _T:
        with change.claimed():
            return undo(change)

    return holding


@contextmanager
def begin(
    dataset: fo.Dataset,
    kind: str,
    sentence: str,
    by: str | None = None,
    expires: bool = True,
    **what: Any,
) -> Iterator[Change]:
    """Writes down that a change begins, before any of it is done, and holds it until it is made, or
    as far as it got: it cannot be undone meanwhile.

    Args:
        dataset: the dataset, or the storage of its frames
        kind: which module makes it
        sentence: what is about to be done
        by: who does it; by default the user of this process
        expires: see :class:`Change`
        **what: what the module needs to know to undo it; plain values
    """
    token = secrets.token_hex(12)
    if isinstance(dataset, Storage) and dataset.frames:
        what["frames"] = True
    at = unique_moment(dataset)
    change = Change(dataset, token, kind, sentence, by or current_user(), at, what, expires)
    hold = Hold(change._stored(), "made")
    with hold.kept():
        change._set(token, {**change._record(), "held": hold.value(at)})
        hold.renew()  # the moment lies ahead where the clock was set back
        yield change


def unique_moment(dataset: fo.Dataset) -> datetime:
    """Returns the moment, in UTC, by the clock of the database, which no other call returns for
    this dataset: each a later one than all before, whichever machine asks, and whatever its clock
    says. So changes have an order, and what one marked is told from what another did."""
    clock = record_of(dataset, _STORE, _CLOCK)
    ticks = [{"$set": {"value.moment": {"$max": ["$$NOW", {"$add": ["$value.moment", 1]}]}}}]
    store, after = collection_named("execution_store"), ReturnDocument.AFTER
    while (found := store.find_one_and_update(clock, ticks, return_document=after)) is None:
        begin_record(dataset, _STORE, _CLOCK)
    moment: datetime = found["value"]["moment"]
    return moment


def find_change(dataset: fo.Dataset, token: Any) -> Change:
    """Finds a change that can be taken back.

    Raises:
        UnknownUndo: if the dataset has no such change, or it was taken back or closed before
    """
    # the store finds whatever it is given, so it is given nothing but a token
    known = isinstance(token, str) and len(token) == 24 and token.isalnum()
    record = open_store(dataset, _STORE).get(token) if known else None
    if record is None:
        raise UnknownUndo(
            "There is nothing to undo: the change belongs to another dataset, or was made too long "
            "ago."
        )
    if record["closed"]:
        raise UnknownUndo(_CLOSED)
    return _change(dataset, token, record)


def list_changes(
    dataset: fo.Dataset, kinds: tuple[str, ...] = (), limit: int = _LISTED
) -> list[Change]:
    """Lists what can be taken back now, whoever did it, the newest first.

    Args:
        dataset: the dataset
        kinds: only changes of these kinds; empty for all
        limit: how many at most, 0 for all

    Returns:
        the changes; of each, ``kind``, ``sentence``, ``by``, ``at`` and ``token`` are what a person
        is shown, and ``what`` is left empty: :func:`find_change` reads it
    """
    return list(_read(dataset, {"value.closed": False}, kinds, limit, {"value.what": 0}))


def list_marked(dataset: fo.Dataset) -> list[Change]:
    """Lists what can be taken back now of the changes that mark labels with a moment."""
    which = {"value.closed": False, "value.what.moment": {"$exists": True}}
    return list(_read(dataset, which, ()))


def past_changes(dataset: fo.Dataset, kinds: tuple[str, ...]) -> list[Change]:
    """Lists all changes of some kinds that are known, closed ones too, the newest first."""
    return list(_read(dataset, {}, kinds))


def _read(
    dataset: fo.Dataset,
    which: dict[str, Any],
    kinds: tuple[str, ...],
    limit: int = 0,
    projection: dict[str, int] | None = None,
) -> Iterator[Change]:
    query: dict[str, Any] = {"store_name": _STORE, "dataset_id": dataset._doc.id, **which}
    query["value.kind"] = {"$in": list(kinds)} if kinds else {"$exists": True}
    found = collection_named("execution_store").find(query, projection)
    for document in found.sort([("value.at", -1), ("_id", -1)]).limit(limit):
        yield _change(dataset, document["key"], {"what": {}, **document["value"]})


def _change(dataset: fo.Dataset, token: str, record: dict[str, Any]) -> Change:
    if record["what"].get("frames"):
        dataset = Storage(dataset, frames=True)
    return Change(dataset, token, *(record[name] for name in _RECORDED))
