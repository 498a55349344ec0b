"""The keys of a dataset's brain runs: taken and given in one atomic step, and swept after a crash.

A dataset's document refers to the document of each of its runs by the run's key. A run is written
whole under no key; then one update gives it the key, if that still refers to what the writer saw
when it began. So of two that write one key at once one gets it, and the other says so.

A writer that is killed leaves documents that nothing refers to. Each says who wrote it, so the next
run sweeps those whose writer is gone.

FiftyOne's internals are used in this module and its neighbor alone: the ``brain_methods`` of a
dataset's document, the documents of runs and the files of their results. Tried with fiftyone 1.22.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zlib import crc32

import fiftyone as fo
import fiftyone.core.odm as foo
import gridfs
from bson import ObjectId

from .storage import collection_named

# whether a writer on another machine is alive cannot be asked: it gets this long
_PATIENCE = timedelta(days=1)


def _machine() -> str:
    """Where process numbers are unique: a machine since it was started, as copies of one may share
    a name, or a container on it."""
    parts = [socket.gethostname()]
    with suppress(OSError):
        parts.append(os.readlink("/proc/self/ns/pid"))
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text())
    return f"{crc32(' '.join(parts).encode()):08x}"


_HOST = _machine()


def this_writer() -> str:
    """Returns what tells this process from the others that write runs: its machine and number."""
    return f"{_HOST}_{os.getpid()}"


def run_of(dataset: fo.Dataset, brain_key: str) -> ObjectId | None:
    """Returns the id of the run that has a key now, as the database has it; None where it is
    free."""
    document = _datasets().find_one({"_id": dataset._doc.id}, {f"brain_methods.{brain_key}": 1})
    run: ObjectId | None = ((document or {}).get("brain_methods") or {}).get(brain_key)
    return run


def give_key(
    dataset: fo.Dataset,
    key: str,
    run: ObjectId,
    seen: ObjectId | None,
    kind: str = "brain_methods",
) -> bool:
    """Gives a run a key, if that is as it was seen.

    Args:
        dataset: the dataset
        key: the key
        run: the id of the run's document
        seen: what :func:`run_of` said, None where the key was free
        kind: "brain_methods", or "runs" for custom runs

    Returns:
        whether it did
    """
    path = f"{kind}.{key}"
    unchanged = {"_id": dataset._doc.id, path: {"$exists": False} if seen is None else seen}
    return bool(_datasets().update_one(unchanged, {"$set": {path: run}}).matched_count)


def sweep(dataset: fo.Dataset) -> list[ObjectId]:
    """Finds what was replaced and what writers that were killed left, and deletes their files.

    Returns:
        the ids of the runs to delete, oldest first: the newer say which they replaced
    """
    ours = {"_dataset_id": dataset._doc.id, "results_meta.writer": {"$exists": True}}
    runs = list(_runs().find(ours, {"results_meta": 1}))
    left = {run["_id"] for run in runs if is_gone(run["results_meta"]["writer"], run["_id"])}
    left |= {run["results_meta"].get("replaces") for run in runs}
    # read last: who is gone gives no key any more
    document = _datasets().find_one({"_id": dataset._doc.id}, {"brain_methods": 1})
    left -= {None, *((document or {}).get("brain_methods") or {}).values()}
    files = foo.get_db_conn().fs.files
    for file in files.find({"labelvet.dataset": dataset._doc.id}, {"labelvet": 1}):
        owner = file["labelvet"]
        if is_gone(owner["writer"], owner["run"]) and not _runs().find_one(
            {"results": file["_id"]}
        ):
            gridfs.GridFS(foo.get_db_conn()).delete(file["_id"])
    return sorted(left)


def count_others_with(values: dict[str, Any], run: ObjectId) -> int:
    """Counts the documents of runs, of any dataset, that share values with that of a run."""
    return int(_runs().count_documents({**values, "_id": {"$ne": run}}))


def delete_run_document(run: ObjectId, results: ObjectId | None) -> None:
    """Deletes the document of a run and its results."""
    _runs().delete_one({"_id": run})
    if results is not None:
        gridfs.GridFS(foo.get_db_conn()).delete(results)


def has_ended(writer: str) -> bool:
    """Whether a writer of this machine ended."""
    host, process = writer.rsplit("_", 1)
    if host != _HOST:
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # it is another user's
        pass
    return False


def is_gone(writer: str, written: ObjectId | None) -> bool:
    """Whether a writer ended, as far as this machine can tell; ``written`` tells since when it
    wrote."""
    if has_ended(writer) or written is None:
        return True
    return datetime.now(timezone.utc) - written.generation_time > _PATIENCE


def _datasets() -> Any:
    return collection_named("datasets")


def _runs() -> Any:
    return collection_named("runs")
