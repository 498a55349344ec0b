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
    for name in shards:
        if name in known:
            continue
        with suppress(DamagedShard, FileNotFoundError):
            keys = read_keys(folder / name)
            with index:
                index.execute("INSERT OR IGNORE INTO shards (name) VALUES (?)", (name,))
                found = index.execute("SELECT id FROM shards WHERE name = ?", (name,))
                number = int(found.fetchone()[0])
                rows = ((key.tobytes(), number, row) for row, key in enumerate(bytes_of(keys)))
                index.executemany("INSERT OR IGNORE INTO entries VALUES (?, ?, ?)", rows)
            known[name] = number
    return {number: name for name, number in known.items() if name in there}


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
