"""Compute targets: the running workers, as the App's process and the command line see them.

Each worker keeps one small document in FiftyOne's database and renews it; one that stops removes
it, and one that was killed is not listed any more some seconds later.
"""

from __future__ import annotations

import importlib
import os
import socket
from dataclasses import asdict, dataclass, field
from typing import Any

from bson import ObjectId

from ..core.sentences import count
from .database import away_from_now, collection

COLLECTION = "labelvet_workers"

# looked up and not imported: the package itself imports the operators
VERSION = str(importlib.import_module(__name__.partition(".")[0]).__version__)

HEARTBEAT_SECONDS = 2.0
_SILENT_AFTER_SECONDS = 15.0
_FORGOTTEN_AFTER_SECONDS = 3600


@dataclass(frozen=True)
class Worker:
    """One worker.

    Attributes:
        name: the name of the target that it serves; several workers may serve one
        kind: "machine" or "ray"
        description: one line on what it runs on
        devices: the names of its accelerators
        version: the version of labelvet that it runs
        host: the name of its machine
        process: its process id there
    """

    name: str
    kind: str
    description: str
    devices: tuple[str, ...] = ()
    version: str = VERSION
    host: str = field(default_factory=socket.gethostname)
    process: int = field(default_factory=os.getpid)

    def __str__(self) -> str:
        return f"{self.name} on {self.host}, process {self.process}"


@dataclass(frozen=True)
class Target:
    """What a run can be scheduled on: all the workers of one name.

    Attributes:
        name: the name
        workers: those that serve it, the longest running first
    """

    name: str
    workers: tuple[Worker, ...]

    @property
    def description(self) -> str:
        """One line on what it runs on."""
        first = self.workers[0].description
        more = len(self.workers) - 1
        return first if not more else f"{first}, and {count(more, 'more worker')}"


class Registration:
    """A worker's entry in the list of workers.

    Args:
        worker: what the App is told of it
    """

    def __init__(self, worker: Worker) -> None:
        self._id = ObjectId()
        self._worker = worker
        # workers that were killed leave their documents behind
        collection(COLLECTION).create_index(
            "heartbeat", expireAfterSeconds=_FORGOTTEN_AFTER_SECONDS
        )
        self.renew()

    def renew(self) -> None:
        """Says that the worker is running."""
        collection(COLLECTION).update_one(
            {"_id": self._id},
            {"$set": asdict(self._worker), "$currentDate": {"heartbeat": True}},
            upsert=True,
        )

    def leave(self) -> None:
        """Takes the worker off the list."""
        collection(COLLECTION).delete_one({"_id": self._id})


def list_targets() -> list[Target]:
    """Returns what a run can be scheduled on now, sorted by name."""
    documents = collection(COLLECTION).find(
        {"$expr": {"$not": away_from_now("heartbeat", _SILENT_AFTER_SECONDS)}}, sort=[("_id", 1)]
    )
    workers: dict[str, list[Worker]] = {}
    for document in documents:
        worker = _worker_of(document)
        workers.setdefault(worker.name, []).append(worker)
    return [Target(name, tuple(serving)) for name, serving in sorted(workers.items())]


def _worker_of(document: dict[str, Any]) -> Worker:
    # another version of labelvet may have written more, or less
    known = {name: document.get(name, "") for name in Worker.__dataclass_fields__}
    return Worker(**{**known, "devices": tuple(known["devices"] or ())})
