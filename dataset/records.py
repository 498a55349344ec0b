"""What is kept with a run beside its points: its neighbor graph, its boxes, its keys in the store,
and its view where that is large.

Label checks, similar patches, duplicates and updates read it. It lies in FiftyOne's database, where
every machine sees it, under an id that the run's config names, so that it survives a renaming, and
a clone of the dataset has it too; and in a GridFS bucket of its own, so that nobody loads it who
only draws the points. It never changes: a run that is updated has another one.
"""

from __future__ import annotations

import json
import zlib
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import fiftyone.core.odm as foo
import gridfs
import numpy as np
from bson import ObjectId
from numpy.typing import NDArray
from safetensors.numpy import load, save

from ..embeddings.neighbors import NeighborGraph
from ..embeddings.vectors import Keys, bytes_of, keys_of

_BUCKET = "labelvet_runs"
_NAMES = {"config.labelvet.record": 1}


@dataclass(frozen=True, eq=False)
class RunRecord:
    """What is kept with a run of n points; rows are the rows of the points.

    Attributes:
        graph: the neighbor graph of the embeddings
        boxes: (n, 4) float64, the boxes that were embedded, relative to their images
        keys: (n,) keys of the embeddings in the store, None where they came from elsewhere
        stages: the view that was visualized, where the run's document has no room for it
    """

    graph: NeighborGraph
    boxes: NDArray[np.float64]
    keys: Keys | None
    stages: list[str] | None = None


def write_record(run: ObjectId, record: RunRecord) -> None:
    """Keeps a record under an id that the config of the run names."""
    tensors: dict[str, NDArray[Any]] = {
        "indices": record.graph.indices,
        "distances": record.graph.distances,
        "boxes": record.boxes,
    }
    if record.keys is not None:
        tensors["keys"] = bytes_of(record.keys)
    if record.stages is not None:
        tensors["stages"] = as_tensor(record.stages)
    write_tensors(_BUCKET, run, tensors, {"metric": record.graph.metric})


def read_record(run: ObjectId) -> RunRecord | None:
    """Reads the record of a run, None where there is none."""
    kept = read_tensors(_BUCKET, run)
    if kept is None:
        return None
    tensors, metadata = kept
    return RunRecord(
        NeighborGraph(tensors["indices"], tensors["distances"], str(metadata["metric"])),
        tensors["boxes"],
        keys_of(tensors["keys"]) if "keys" in tensors else None,
        of_tensor(tensors["stages"]) if "stages" in tensors else None,
    )


def drop_orphaned_records() -> None:
    """Drops the records of runs that do not exist any more, whoever deleted them."""
    drop_orphaned_tensors(_BUCKET)


def as_tensor(content: Any) -> NDArray[np.uint8]:
    """Packs what JSON can hold into (n,) bytes, which are kept among tensors."""
    return np.frombuffer(zlib.compress(json.dumps(content).encode()), np.uint8)


def of_tensor(tensor: NDArray[np.uint8]) -> Any:
    """Unpacks what :func:`as_tensor` packed."""
    return json.loads(zlib.decompress(tensor.tobytes()))


def write_tensors(
    bucket: str, run: ObjectId, tensors: dict[str, NDArray[Any]], metadata: dict[str, Any]
) -> None:
    """Keeps arrays under the id of a run's document, in place of those that were there.

    Args:
        bucket: the name of the GridFS bucket
        run: the id
        tensors: the arrays by name
        metadata: what MongoDB can hold beside them
    """
    files = _bucket(bucket)
    old = [file._id for file in files.find({"filename": str(run)})]
    content = save({name: np.ascontiguousarray(array) for name, array in tensors.items()})
    files.upload_from_stream(str(run), content, metadata={"run": run, **metadata})
    for file in old:
        _delete(files, file)


def read_tensors(
    bucket: str, run: ObjectId
) -> tuple[dict[str, NDArray[Any]], dict[str, Any]] | None:
    """Reads the arrays and the metadata that are kept with a run, None where there are none."""
    try:
        with _bucket(bucket).open_download_stream_by_name(str(run)) as file:
            return load(file.read()), dict(file.metadata or {})
    except gridfs.NoFile:
        return None


def tensors_version(bucket: str, run: ObjectId) -> ObjectId | None:
    """Returns an id that changes whenever other arrays are kept with a run, None for none."""
    newest: dict[str, ObjectId] | None = foo.get_db_conn()[bucket].files.find_one(
        {"filename": str(run)}, {"_id": 1}, sort=[("uploadDate", -1)]
    )
    return None if newest is None else newest["_id"]


def delete_tensors(bucket: str, run: ObjectId) -> None:
    """Deletes what is kept with a run."""
    files = _bucket(bucket)
    for file in files.find({"filename": str(run)}):
        _delete(files, file._id)


def drop_orphaned_tensors(bucket: str) -> None:
    """Drops what is kept with runs that do not exist any more."""
    database = foo.get_db_conn()
    kept = {file["metadata"]["run"]: file["_id"] for file in database[bucket].files.find()}
    named = {"config.labelvet.record": {"$in": [str(run) for run in kept]}}
    runs = database.runs.find({"$or": [{"_id": {"$in": list(kept)}}, named]}, _NAMES)
    alive = set()
    for document in runs:
        how = (document.get("config") or {}).get("labelvet") or {}
        alive |= {document["_id"], ObjectId(how.get("record"))}
    for run in kept.keys() - alive:
        _delete(_bucket(bucket), kept[run])


def _bucket(name: str) -> gridfs.GridFSBucket:
    return gridfs.GridFSBucket(foo.get_db_conn(), name)


def _delete(files: gridfs.GridFSBucket, file: ObjectId) -> None:
    with suppress(gridfs.NoFile):  # another process deleted it
        files.delete(file)
