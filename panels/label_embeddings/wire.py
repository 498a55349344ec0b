"""What travels between the panel and its web half, and the only place that knows its format.

Columns and sets of rows are binary, in base64, little-endian. Its twin is ``web/wire.ts``.
"""

from __future__ import annotations

from base64 import b64encode
from datetime import timezone
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...dataset.documents import parse_ids
from ...maps.clusters import Cluster
from ...maps.columns import Attribute, Column
from ...maps.map import Map, MapInfo
from ...maps.thumbnails import Thumbnail
from ...review.queue import Item, Queue

_TYPES = {"f4": "<f4", "u2": "<u2", "u4": "<u4"}


def column(values: NDArray[Any], dtype: str) -> dict[str, str]:
    """Encodes an array; ``dtype`` is "f4", "u2" or "u4"."""
    data = np.ascontiguousarray(values, dtype=_TYPES[dtype]).tobytes()
    return {"dtype": dtype, "data": b64encode(data).decode()}


def mask(rows: NDArray[np.bool_]) -> dict[str, str]:
    """Encodes a set of rows."""
    return {"bits": b64encode(np.packbits(rows, bitorder="little").tobytes()).decode()}


def run(
    info: MapInfo, num_points: int | None = None, num_dims: int | None = None
) -> dict[str, Any]:
    """Encodes a run of the list, with what is known of it once it is loaded."""
    return {
        "key": info.key,
        "run": info.run,
        "method": info.method,
        "model": info.model,
        "patchesField": info.patches_field,
        "numPoints": num_points or info.num_points,
        "numDims": num_dims or info.num_dims,
        "created": info.created and info.created.replace(tzinfo=timezone.utc).isoformat(),
        "state": "ready" if info.ready else "empty",
    }


def attribute(attribute: Attribute) -> dict[str, str]:
    """Encodes an attribute of the list."""
    return {
        "path": attribute.path,
        "name": attribute.name,
        "kind": attribute.kind,
        "scope": attribute.scope,
    }


def color_column(path: str, values: Column) -> dict[str, Any]:
    """Encodes an attribute's values."""
    if values.values is not None:
        return {"path": path, "kind": values.kind, "values": column(values.values, "f4")}
    assert values.codes is not None
    return {
        "path": path,
        "kind": values.kind,
        "codes": column(values.codes, "u2"),
        "categories": list(values.categories),
    }


def crop(thumbnail: Thumbnail) -> dict[str, Any]:
    """Encodes a crop."""
    return {
        "row": thumbnail.row,
        "id": thumbnail.id,
        "sampleId": thumbnail.sample_id,
        "image": thumbnail.image,
        "box": thumbnail.box and list(thumbnail.box),
        "label": thumbnail.label,
        "confidence": thumbnail.confidence,
        "tags": list(thumbnail.tags),
        "problem": thumbnail.problem,
    }


def cluster(cluster: Cluster) -> dict[str, Any]:
    """Encodes a cluster."""
    return {
        "code": cluster.code,
        "size": cluster.size,
        "label": cluster.label,
        "purity": cluster.purity,
        "center": list(cluster.center),
        "strangers": column(cluster.strangers, "u4"),
    }


def queue(queue: Queue, shown: Map) -> dict[str, Any]:
    """Encodes a review queue; patches beside a label are rows of the map."""
    return {
        "items": [item for each in queue.items if (item := _item(each, shown)) is not None],
        "left": queue.left,
        "reviewed": queue.reviewed,
        "expected": queue.estimate.left,
        "low": queue.estimate.low,
        "high": queue.estimate.high,
        "stop": queue.estimate.stop,
        "sentence": queue.sentence,
        "classes": list(queue.classes),
        "notes": queue.notes,
    }


def _item(item: Item, shown: Map) -> dict[str, Any] | None:
    (row,) = shown.rows_of(parse_ids([item.id])).tolist()
    if row < 0:
        return None
    return {
        "row": row,
        "id": item.id,
        "sampleId": item.sample_id,
        "label": item.label,
        "confidence": item.confidence,
        "suggested": item.suggested,
        "issue": item.issue,
        "reason": item.reason,
        "suspicion": item.suspicion,
        "flagged": item.flagged,
        "neighbors": _rows(item.neighbors, shown),
        "examples": _rows(item.examples, shown),
    }


def _rows(ids: list[str], shown: Map) -> list[int]:
    return [row for row in shown.rows_of(parse_ids(ids)).tolist() if row >= 0] if ids else []
