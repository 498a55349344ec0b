"""Records beside a dataset, which FiftyOne deletes with it: in its ``ExecutionStore``, tried with
FiftyOne 1.22."""

from __future__ import annotations

from typing import Any

import fiftyone as fo
from fiftyone.operators.store import ExecutionStore


def open_store(dataset: fo.Dataset, name: str) -> ExecutionStore:
    """Returns the store of that name which a dataset has, or will have with its first record."""
    return ExecutionStore.create(name, dataset_id=dataset._doc.id)


def record_of(dataset: fo.Dataset, name: str, key: str) -> dict[str, Any]:
    """Returns the filter of a record of that store in FiftyOne's collection ``execution_store``."""
    return {"store_name": name, "dataset_id": dataset._doc.id, "key": key}
