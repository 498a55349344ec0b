"""What the App's process keeps in memory of datasets, in one place.

Each :class:`Memory` keeps what was used last, within a number of bytes, and nothing of collections
that do not exist any more. Tried with fiftyone 1.22.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock
from typing import Any, Generic, TypeVar

import fiftyone.core.odm as foo
from cachetools import LRUCache

Value = TypeVar("Value")

# the first part is the name of the collection that the value is of
Key = tuple[Any, ...]

_LOOK_EVERY_SECONDS = 10.0


class Memory(Generic[Value]):
    """Values by key, each made once, even where many ask for it at the same time.

    Args:
        num_bytes: what all of them may take; one that takes more is kept alone
        size_of: how many bytes a value takes
    """

    def __init__(self, num_bytes: int, size_of: Callable[[Value], int]) -> None:
        self._kept: LRUCache[Key, Value] = LRUCache(
            num_bytes, getsizeof=lambda value: min(num_bytes, size_of(value))
        )
        self._making: dict[Key, Lock] = {}
        self._lock = Lock()
        _memories.append(self)

    def get(self, key: Key, make: Callable[[], Value]) -> Value:
        """Returns the value of a key, and makes it where it is not kept."""
        with self._lock:
            if key in self._kept:
                return self._kept[key]
            making = self._making.setdefault(key, Lock())
        with making:
            with self._lock:
                if key in self._kept:
                    return self._kept[key]
            try:
                value = make()
                self.put(key, value)
            finally:
                with self._lock:
                    self._making.pop(key, None)
        return value

    def find(self, key: Key) -> Value | None:
        """Returns the value of a key, None where it is not kept."""
        with self._lock:
            return self._kept.get(key)

    def put(self, key: Key, value: Value) -> None:
        """Keeps a value."""
        with self._lock:
            self._kept[key] = value

    def __len__(self) -> int:
        return len(self._kept)

    def clear(self) -> None:
        """Drops everything."""
        with self._lock:
            self._kept.clear()

    def keep(self, collections: set[str]) -> None:
        """Drops what is of none of some collections."""
        with self._lock:
            for key in [key for key in self._kept if key[0] not in collections]:
                del self._kept[key]


def forget_deleted() -> None:
    """Drops what is kept of deleted datasets; it looks for them every few seconds at most."""
    global _looked
    now = time.monotonic()
    if now - _looked < _LOOK_EVERY_SECONDS or not any(map(len, _memories)):
        return
    _looked = now
    there = set(foo.get_db_conn().list_collection_names())
    for memory in _memories:
        memory.keep(there)


_memories: list[Memory[Any]] = []
_looked = float("-inf")
