"""What is kept with a run beside its points: its neighbor graph, its boxes, its keys in the store.

Label checks, similar patches, duplicates and updates read it. It lies in FiftyOne's database, where
every machine sees it, under the id of the run's document, so that it survives a renaming; and in a
GridFS bucket of its own, so that nobody loads it who only draws the points.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import fiftyone.core.odm as foo
import gridfs
import numpy as np
from bson import ObjectId
from numpy.typing import NDArray
from safetensors.numpy import load, save

from .neighbors import NeighborGraph
from .store import Keys, bytes_of, keys_of

_BUCKET = "labelvet_runs"


@dataclass(frozen=True, eq=False)
class RunRecord:
    """What is kept with a run of n points; rows are the rows of the points.

    Attributes:
        graph: the neighbor graph of the embeddings
        boxes: (n, 4) float64, the boxes that were embedded, relative to their images
        keys: (n,) keys of the embeddings in the store, None where they came from elsewhere
    """

    graph: NeighborGraph
    boxes: NDArray[np.float64]
    keys: Keys | None


def write_record(run: ObjectId, record: RunRecord) -> None:
    """Keeps a record under the id of a run's document."""
    tensors: dict[str, NDArray[Any]] = {
        "indices": np.ascontiguousarray(record.graph.indices),
        "distances": np.ascontiguousarray(record.graph.distances),
        "boxes": np.ascontiguousarray(record.boxes),
    }
    if record.keys is not None:
        tensors["keys"] = bytes_of(record.keys)
    _bucket().upload_from_stream(
        str(run), save(tensors), metadata={"run": run, "metric": record.graph.metric}
    )


def read_record(run: ObjectId) -> RunRecord | None:
    """Reads the record of a run, None where there is none."""
    try:
        with _bucket().open_download_stream_by_name(str(run)) as file:
            tensors, metric = load(file.read()), str((file.metadata or {})["metric"])
    except gridfs.NoFile:
        return None
    return RunRecord(
        NeighborGraph(tensors["indices"], tensors["distances"], metric),
        tensors["boxes"],
        keys_of(tensors["keys"]) if "keys" in tensors else None,
    )


def drop_orphaned_records() -> None:
    """Drops the records of runs that do not exist any more, whoever deleted them."""
    database = foo.get_db_conn()
    kept = {file["metadata"]["run"]: file["_id"] for file in database[_BUCKET].files.find()}
    runs = database.runs.find({"_id": {"$in": list(kept)}}, {"_id": 1})
    for run in kept.keys() - {document["_id"] for document in runs}:
        _bucket().delete(kept[run])


def _bucket() -> gridfs.GridFSBucket:
    return gridfs.GridFSBucket(foo.get_db_conn(), _BUCKET)
