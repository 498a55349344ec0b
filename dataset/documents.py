"""The documents behind a dataset, read without FiftyOne's objects where those would take seconds.

FiftyOne's internals are used in this module alone: the collections of a dataset and of its runs.
Tried with fiftyone 1.22.

Ids are ``(n, 12)`` uint8 arrays here: the bytes of MongoDB's ObjectIds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import fiftyone as fo
import fiftyone.core.odm as foo
import gridfs
import numpy as np
from bson import ObjectId
from numpy.typing import NDArray
from pymongo.errors import OperationFailure

from .storage import Storage, locate

Ids = NDArray[np.uint8]

LabelIds = tuple[Ids, Ids]
"""n labels: (n, 12) ids of their samples, and (n, 12) ids of their own."""

_NO_ID = 24 * "0"

# the newest moments of what this process wrote
_our_moments: deque[datetime] = deque(maxlen=1000)


def now() -> datetime:
    """Returns the moment, in UTC, as the database keeps it: to the millisecond."""
    moment = datetime.now(timezone.utc).replace(tzinfo=None)
    moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    _our_moments.append(moment)
    return moment


def is_our_moment(moment: datetime) -> bool:
    """Whether :func:`now` returned a moment, so that what was changed then was changed by us."""
    return moment in _our_moments


def delete_field(dataset: fo.Dataset | Storage, field: str) -> None:
    """Deletes a field, if it is there. FiftyOne says of every document that it changed then, which
    was this process."""
    dataset.delete_sample_field(field, error_level=1)
    if moment := (first_document(samples_of(dataset)) or {}).get("last_modified_at"):
        _our_moments.append(moment)


def first_document(documents: Any) -> dict[str, Any] | None:
    """Returns the id and the ``last_modified_at`` of the document of a collection that FiftyOne
    changes first when it changes all; None where there is none."""
    told = {"last_modified_at": 1}
    found: dict[str, Any] | None = documents.find_one({}, told, sort=[("$natural", 1)])
    return found


def samples_of(dataset: fo.Dataset | Storage) -> Any:
    """Returns the MongoDB collection of a dataset's samples, or of its frames for their storage."""
    return locate(dataset, None).documents


def slices_of(dataset: fo.Dataset, sample_ids: Ids) -> list[str]:
    """Returns the names of the slices of a grouped dataset that some samples are in."""
    which = {"_id": {"$in": object_ids(sample_ids)}}
    return sorted(samples_of(dataset).distinct(f"{dataset.group_field}.name", which))


def run_documents(dataset: fo.Dataset, kind: str = "brain_methods") -> dict[str, dict[str, Any]]:
    """Returns ``{key: document}`` of the dataset's runs, as the database has them now.

    Empty where the dataset was deleted. Whether a run is of frames is ``frames`` of its document,
    and ``read_at`` what time it was, by the database's clock.

    Args:
        dataset: the dataset
        kind: "brain_methods", or "runs" for custom runs
    """
    database = foo.get_db_conn()
    owner = database.datasets.find_one({"_id": dataset._doc.id}, {kind: 1}) or {}
    keys = {id_: key for key, id_ in (owner.get(kind) or {}).items()}
    # the stages of a view may be megabytes
    makes_frames = {"$regexMatch": {"input": "$$this", "regex": "fiftyone.core.stages.ToFrames"}}
    stages = {"$map": {"input": {"$ifNull": ["$view_stages", []]}, "in": makes_frames}}
    found = database.runs.aggregate(
        [
            {"$match": {"_id": {"$in": list(keys)}}},
            {"$set": {"frames": {"$anyElementTrue": [stages]}, "read_at": "$$NOW"}},
            {"$unset": "view_stages"},
        ]
    )
    return {keys[document["_id"]]: document for document in found}


def run_results(document: dict[str, Any]) -> bytes:
    """Reads the results of a run.

    Raises:
        gridfs.errors.NoFile: if they were deleted meanwhile
    """
    return bytes(gridfs.GridFS(foo.get_db_conn()).get(document["results"]).read())


def reload_samples(dataset: fo.Dataset | Storage, sample_ids: list[str]) -> None:
    """Makes the samples that are in this process's memory show what the database holds."""
    locate(dataset, None).refresh(sample_ids)


def revision(collection: Any) -> tuple[Any, ...]:
    """Returns a value that changes with every write to a collection, in constant time.

    It is the server's count of writes where the server tells it, and otherwise the sum of the
    samples' ``last_modified_at``. The newest one alone would not do: a column that is read halfway
    through a bulk edit would have the revision of the whole.
    """
    try:
        stats = next(collection.aggregate([{"$collStats": {"latencyStats": {}}}]))
        writes = stats["latencyStats"]["writes"]["ops"]
        # a restarted server counts from zero again
        newest = collection.find_one({}, {"last_modified_at": 1}, sort=[("last_modified_at", -1)])
        return (
            int(writes),
            collection.estimated_document_count(),
            (newest or {}).get("last_modified_at"),
        )
    except (OperationFailure, KeyError, StopIteration):
        total = {"$sum": {"$toLong": "$last_modified_at"}}
        group = {"$group": {"_id": None, "n": {"$sum": 1}, "sum": total}}
        return tuple(next(iter(collection.aggregate([group])), {}).values())


def read_labels(
    collection: Any,
    pipeline: list[dict[str, Any]],
    root: str,
    single: bool,
    name: str | tuple[str, ...] | None = None,
    *,
    sample_id: str = "_id",
) -> tuple[Ids, Ids, list[Any]]:
    """Reads the ids of labels and of their samples, and attributes of them, in one query.

    The server joins the ids of a sample into one text: 200,000 ObjectIds would take longer to make
    here than all of the query.

    Args:
        collection: the samples
        pipeline: the stages before
        root: the path of the labels in the documents
        single: whether that is one label, not a list
        name: the attribute, several as a tuple, None for ids alone
        sample_id: the path of the sample's id, which in patches is another than their own

    Returns:
        (n, 12) ids of samples, (n, 12) ids of labels, and n values, None where a label lacks the
        attribute, lists of those of several; no values without a name
    """
    each = f"${root}" if single else "$$this"
    # a label without the attribute, or without an id, would otherwise shift the others'
    text: Any = {"$ifNull": [{"$toString": f"{each}._id"}, _NO_ID]}
    names = name if isinstance(name, tuple) else (name,)
    value: Any = [{"$ifNull": [f"{each}.{one}", None]} for one in names]
    if not isinstance(name, tuple):
        value = value[0]
    if single:
        there = {"$match": {f"{root}._id": {"$exists": True}}}
        pipeline, value = [*pipeline, there], [value]
    else:
        labels = {"$ifNull": [f"${root}", []]}
        joined = {"$concat": ["$$value", text]}
        text = {"$reduce": {"input": labels, "initialValue": "", "in": joined}}
        value = {"$map": {"input": labels, "in": value}}
    project = {"_id": 0, "i": text, "s": {"$toString": f"${sample_id}"}}
    if name is not None:
        project["v"] = value
    samples: list[str] = []
    digits: list[str] = []
    values: list[Any] = []
    for document in collection.aggregate([*pipeline, {"$project": project}]):
        digits.append(document["i"])
        samples.append(document["s"])
        if name is not None:
            values += document["v"]
    counts = [len(some) // len(_NO_ID) for some in digits]
    return np.repeat(_unhex(samples), counts, axis=0), _unhex(digits), values


def _unhex(texts: list[str]) -> Ids:
    return np.frombuffer(bytes.fromhex("".join(texts)), np.uint8).reshape(-1, 12)


def pack_ids(ids: list[Any]) -> Ids:
    """Turns ObjectIds into an (n, 12) array."""
    return np.frombuffer(b"".join(id_.binary for id_ in ids), np.uint8).reshape(-1, 12)


def parse_ids(ids: Any) -> Ids:
    """Turns ids as FiftyOne writes them, 24 hexadecimal digits each, into an (n, 12) array.

    Raises:
        ValueError: if one is no id
    """
    column = np.asarray(ids)
    if column.dtype.kind == "U" and column.dtype.itemsize == 96:
        digits = np.ascontiguousarray(column).view(np.uint32).astype(np.uint8).tobytes()
    else:
        digits = "".join(map(str, column.tolist())).encode()
    if len(digits) != 24 * len(column):
        raise ValueError("an id does not have 24 digits")
    return np.frombuffer(bytes.fromhex(digits.decode()), np.uint8).reshape(-1, 12)


def object_ids(ids: Ids) -> list[ObjectId]:
    """Turns an (n, 12) array into ObjectIds."""
    data = np.ascontiguousarray(ids).tobytes()
    return [ObjectId(data[i : i + 12]) for i in range(0, len(data), 12)]


def hex_ids(ids: Ids) -> list[str]:
    """Turns an (n, 12) array into the strings that FiftyOne uses."""
    digits = np.ascontiguousarray(ids).tobytes().hex()
    return [digits[i : i + 24] for i in range(0, len(digits), 24)]


def byte_keys(ids: Ids) -> list[bytes]:
    """Turns an (n, 12) array into keys of dicts."""
    data = np.ascontiguousarray(ids).tobytes()
    return [data[i : i + 12] for i in range(0, len(data), 12)]


def pair_keys(sample_ids: Ids, ids: Ids) -> Iterator[tuple[bytes, bytes]]:
    """Turns two (n, 12) arrays, of samples and of their labels, into keys of dicts."""
    return zip(byte_keys(sample_ids), byte_keys(ids), strict=True)
