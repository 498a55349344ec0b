"""Records beside a dataset, which FiftyOne deletes with it: in its ``ExecutionStore``, tried with
FiftyOne 1.21 and 1.22."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timezone
from typing import Any

import fiftyone as fo
from fiftyone.operators.store import ExecutionStore
from pymongo.errors import DuplicateKeyError

from .storage import collection_named


def open_store(dataset: fo.Dataset, name: str) -> ExecutionStore:
    """Returns the store of that name which a dataset has, or will have with its first record."""
    return ExecutionStore.create(name, dataset_id=dataset._doc.id)


def record_of(dataset: fo.Dataset, name: str, key: str) -> dict[str, Any]:
    """Returns the filter of a record of that store in FiftyOne's collection ``execution_store``."""
    return {"store_name": name, "dataset_id": dataset._doc.id, "key": key}


def begin_record(dataset: fo.Dataset, name: str, key: str) -> None:
    """Makes a record without a value, unless it is there: also where two processes do it at once.

    FiftyOne's own ``set_if_absent`` is newer than its version 1.21.
    """
    open_store(dataset, name)  # which makes the index that keeps records single
    # not documents.now: no sample or frame is changed at this moment
    moment = datetime.now(timezone.utc)
    record = {"value": {}, "created_at": moment, "updated_at": moment, "expires_at": None}
    with suppress(DuplicateKeyError):
        collection_named("execution_store").update_one(
            record_of(dataset, name, key),
            {"$setOnInsert": {**record, "policy": "persist"}},
            upsert=True,
        )
