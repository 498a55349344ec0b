"""What one process has to itself for a while: a hold, in a record of FiftyOne's store.

Who has a hold says every few seconds that it goes on, by the clock of the database, which all
machines share. One that ended on this machine has lost its hold at once, and one that is not heard
of for a minute has lost it, too, wherever it is: should it wake up, it finds that out before it
writes its next batch, see :func:`check_held`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from threading import Event, Thread, local
from typing import Any

from bson import ObjectId
from pymongo.errors import PyMongoError

from ..core.errors import TakenOver
from .run_keys import has_ended, this_writer
from .storage import collection_named

_SAID_EVERY_SECONDS = 5.0
_LOST_AFTER_SECONDS = 60.0
_HELD = "value.held"

# those of this process: one that it could not release, as the database was away, is none
_ours: set[ObjectId] = set()
# those of a thread, the innermost last
_of_thread = local()


class Hold:
    """A hold of a record.

    Args:
        record: the filter of the record
        being: what is being done
    """

    def __init__(self, record: dict[str, Any], being: str) -> None:
        self._record, self._being, self._since = record, being, ObjectId()
        self._mine = {**record, f"{_HELD}.since": self._since}

    def value(self, seen: Any) -> dict[str, Any]:
        """What is stored of it, for a record that is written with it.

        Args:
            seen: the moment, by the clock of the database
        """
        return {
            "being": self._being, "writer": this_writer(), "since": self._since, "seen": seen
        }  # fmt: skip

    def take(self, which: dict[str, Any] | None = None) -> bool:
        """Takes it, if it is free and the record is as a filter asks; returns whether it did."""
        found = collection_named("execution_store").find_one(self._record, {_HELD: 1}) or {}
        held = (found.get("value") or {}).get("held")
        age = {"$subtract": ["$$NOW", {"$ifNull": [f"${_HELD}.seen", datetime.min]}]}
        # one that lies ahead was said before the clock was set back
        silent = {"$gt": [{"$abs": age}, round(1000 * _LOST_AFTER_SECONDS)]}
        free: list[dict[str, Any]] = [{"$expr": silent}]
        if held and (has_ended(held["writer"]) or _is_left_over(held)):
            free.append({f"{_HELD}.since": held["since"]})
        _ours.add(self._since)
        taken = [{"$set": {_HELD: self.value("$$NOW")}}]
        if self._update({**self._record, **(which or {}), "$or": free}, taken):
            return True
        _ours.discard(self._since)
        return False

    def renew(self) -> bool:
        """Says that it goes on; returns whether it does."""
        return bool(self._update(self._mine, [{"$set": {f"{_HELD}.seen": "$$NOW"}}]))

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keeps it until the block ends, which is where it is taken, at the latest."""
        done = Event()

        def go_on() -> None:
            while not done.wait(_SAID_EVERY_SECONDS):
                with suppress(PyMongoError):  # a database that is away for a while is told later
                    self.renew()

        thread = Thread(target=go_on, name="labelvet-hold", daemon=True)
        holds = _holds()
        holds.append(self)
        _ours.add(self._since)
        try:
            thread.start()
            yield
        finally:
            # in this order, as a Ctrl-C may come in between
            done.set()
            holds.remove(self)
            _ours.discard(self._since)
            # where the database is away, what went wrong before is what to tell
            with suppress(PyMongoError):
                self._update(self._mine, {"$unset": {_HELD: ""}})

    def _update(self, which: dict[str, Any], update: Any) -> int:
        return int(collection_named("execution_store").update_one(which, update).matched_count)


def check_held(done: str = "", holds: Sequence[Hold] | None = None) -> None:
    """Checks that this thread has all its holds yet: it may have stood still meanwhile.

    Args:
        done: a sentence on what was written before; by default nothing was
        holds: those of another thread, which this one works for, see :func:`holds_of_thread`

    Raises:
        TakenOver: if it lost one
    """
    if not all(hold.renew() for hold in (_holds() if holds is None else holds)):
        raise TakenOver(
            "This process stood still for a minute, and another one may have taken over: "
            f"{done or 'nothing was written'}. Look at what can be undone, and try again."
        )


def holds_of_thread() -> tuple[Hold, ...]:
    """Returns what this thread holds now, for :func:`check_held` in threads that work for it."""
    return tuple(_holds())


def _holds() -> list[Hold]:
    if not hasattr(_of_thread, "holds"):
        _of_thread.holds = []
    holds: list[Hold] = _of_thread.holds
    return holds


def _is_left_over(held: dict[str, Any]) -> bool:
    return held["writer"] == this_writer() and held["since"] not in _ours
