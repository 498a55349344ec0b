"""Where each key of a store lies: an index, so that a few keys are found without reading shards.

It is a cache of what the shards say: where it is missing, damaged or cannot be written, the shards
are read instead.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from .shards import DamagedShard, read_keys
from .vectors import Keys, bytes_of

INDEX_NAME = "index.sqlite"

_KEYS_PER_QUERY = 500
_SHARDS_AT_ONCE = 256
_WAIT_SECONDS = 2.0


def find_rows(folder: Path, shards: list[str], keys: Keys) -> list[tuple[int, str, int]] | None:
    """Looks keys up, and brings the index up to date before.

    Args:
        folder: the folder of the shards
        shards: the names of those that are there
        keys: (n,) what to look for

    Returns:
        ``(index into keys, shard, row)`` of each key that is there, None without an index to ask
    """
    path = folder / INDEX_NAME
    if path.is_symlink():
        return None
    try:
        with closing(sqlite3.connect(path, timeout=_WAIT_SECONDS)) as index:
            # what a power failure takes is read from the shards again
            index.execute("PRAGMA synchronous = OFF")
            names = _update(index, folder, shards)
            return [
                (number, names[shard], row)
                for number, shard, row in _select(index, keys)
                if shard in names
            ]
    # it is locked, cannot be written, or another process writes the same
    except (sqlite3.OperationalError, sqlite3.IntegrityError, OSError):
        return None
    except sqlite3.DatabaseError:
        with suppress(OSError):
            path.unlink()
        return None


def _update(index: sqlite3.Connection, folder: Path, shards: list[str]) -> dict[int, str]:
    """Indexes the shards that are new, and returns ``{number: name}`` of those that are there."""
    with index:
        index.execute(
            "CREATE TABLE IF NOT EXISTS shards (id INTEGER PRIMARY KEY, name TEXT UNIQUE)"
        )
        index.execute(
            "CREATE TABLE IF NOT EXISTS entries (key BLOB, shard INTEGER, row INTEGER, "
            "PRIMARY KEY (key, shard)) WITHOUT ROWID"
        )
    there = set(shards)
    known = dict(index.execute("SELECT name, id FROM shards"))
    gone = [number for name, number in known.items() if name not in there]
    if len(gone) > len(there):  # most of the index is about what was removed
        index.execute("DELETE FROM entries")
        index.execute("DELETE FROM shards")
        index.commit()
        known = {}
    new = [name for name in shards if name not in known]
    for start in range(0, len(new), _SHARDS_AT_ONCE):
        known |= _add(index, folder, new[start : start + _SHARDS_AT_ONCE])
    return {number: name for name, number in known.items() if name in there}


def _add(index: sqlite3.Connection, folder: Path, shards: list[str]) -> dict[str, int]:
    """Indexes some shards, and returns ``{name: number}`` of those that could be read."""
    numbers: dict[str, int] = {}
    entries: list[tuple[bytes, int, int]] = []
    with index:
        for name in shards:
            with suppress(DamagedShard, FileNotFoundError):
                keys = read_keys(folder / name)
                index.execute("INSERT OR IGNORE INTO shards (name) VALUES (?)", (name,))
                found = index.execute("SELECT id FROM shards WHERE name = ?", (name,))
                number = numbers[name] = int(found.fetchone()[0])
                entries += [(key.tobytes(), number, row) for row, key in enumerate(bytes_of(keys))]
        # in the order of the index, so that each of its pages is written once
        entries.sort()
        index.executemany("INSERT OR IGNORE INTO entries VALUES (?, ?, ?)", entries)
    return numbers


def _select(index: sqlite3.Connection, keys: Keys) -> Iterator[tuple[int, int, int]]:
    """Yields ``(index into keys, shard, row)``."""
    numbers: dict[bytes, list[int]] = {}
    for number, key in enumerate(bytes_of(keys)):
        numbers.setdefault(key.tobytes(), []).append(number)
    wanted = list(numbers)
    for start in range(0, len(wanted), _KEYS_PER_QUERY):
        some = wanted[start : start + _KEYS_PER_QUERY]
        marks = ",".join("?" * len(some))
        found = index.execute(f"SELECT key, shard, row FROM entries WHERE key IN ({marks})", some)
        for key, shard, row in found:
            yield from ((number, shard, row) for number in numbers[key])
