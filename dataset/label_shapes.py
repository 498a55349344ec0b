"""What the database says of a label's shape beside its box: a mask, lines or points."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import fiftyone as fo
import numpy as np
from bson import ObjectId
from numpy.typing import NDArray

from .expressions import each, keep, label_list
from .label_types import MASKS, label_type_of
from .storage import LabelRoot, Storage

Points = NDArray[np.float64]
# the indices of the points of a skeleton that are joined, one after the other
Edges = Sequence[Sequence[int]]


@dataclass(frozen=True)
class Shape:
    """The shape of a label.

    Attributes:
        mask: what of its box it covers, as the bytes that FiftyOne stores or the path of its file
        lines: (n, 2) points of each, relative to the image
        closed: whether each line ends where it begins
        filled: whether the label is what lies within the lines
        points: (n, 2) relative to the image, those alone that are there
    """

    mask: bytes | str | None = None
    lines: list[Points] = field(default_factory=list)
    closed: bool = False
    filled: bool = False
    points: Points = field(default_factory=lambda: np.empty((0, 2)))


def read_shapes(
    storage: Storage, patches_field: str | None, labels: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], Shape]:
    """Reads the shapes of some labels, in one query that reads nothing of the others.

    Args:
        storage: where the labels are
        patches_field: their field, None for whole images
        labels: the ids of their samples, and their own

    Returns:
        ``{(sample id, label id): shape}`` of those that have more than a box
    """
    if patches_field is None or not labels:
        return {}
    label_type = label_type_of(storage.get_field(patches_field))
    if label_type is None or label_type.is_of_whole_images:
        return {}
    names, shape_of = _SHAPES[label_type.listed.document]
    edges = _edges(storage, patches_field)
    told = {name: f"$$l.{name}" for name in names}
    shapes = {}
    for pair, label in _told(storage, storage.label_root(patches_field), labels, told):
        shape = shape_of(label, edges)
        if shape is not None:
            shapes[pair] = shape
    return shapes


def find_masked(
    storage: Storage, path: LabelRoot, labels: Sequence[tuple[str, str]]
) -> set[tuple[str, str]]:
    """Finds which of some labels have a mask, in the document or in a file, and reads none of them.

    Args:
        storage: where the labels are
        path: where they are in its documents
        labels: the ids of their samples, and their own

    Returns:
        those of ``labels`` that have one
    """
    masked = {"masked": {"$or": [{"$gt": [f"$$l.{name}", None]} for name in MASKS]}}
    told = _told(storage, path, labels, masked)
    return {pair for pair, label in told if label["masked"]} & set(labels)


def _told(
    storage: Storage,
    path: LabelRoot,
    labels: Sequence[tuple[str, str]],
    told: Mapping[str, Any],
) -> Iterator[tuple[tuple[str, str], dict[str, Any]]]:
    """Yields the ids of some labels and what expressions of ``$$l`` say of them, in one query;
    where samples share the id of a label, of each of them."""
    samples, ids = ({ObjectId(id_) for id_ in column} for column in zip(*labels, strict=True))
    asked = keep(label_list(*path), {"$in": ["$$l._id", list(ids)]})
    found = storage.documents.aggregate(
        [
            {"$match": {"_id": {"$in": list(samples)}}},
            {"$project": {"labels": each(asked, {"_id": "$$l._id", **told})}},
        ]
    )
    for document in found:
        for label in document["labels"]:
            yield (str(document["_id"]), str(label["_id"])), label


def _edges(storage: Storage, patches_field: str) -> Edges:
    """Returns what FiftyOne joins of the keypoints of a field."""
    skeletons = storage.dataset.skeletons or {}
    skeleton = skeletons.get(storage.path(patches_field)) or storage.dataset.default_skeleton
    return [] if skeleton is None else skeleton.edges or []


def _masked(label: Mapping[str, Any], _: Edges) -> Shape | None:
    mask, path = label.get("mask"), label.get("mask_path")
    if isinstance(mask, bytes):
        return Shape(mask=bytes(mask))
    return Shape(mask=path) if isinstance(path, str) else None


def _lined(label: Mapping[str, Any], _: Edges) -> Shape | None:
    there = [_there(_points(line)) for line in label.get("points") or ()]
    points = np.concatenate([line for line in there if len(line) == 1] or [np.empty((0, 2))])
    lines = [line for line in there if len(line) > 1]
    if not lines and not len(points):
        return None
    closed, filled = bool(label.get("closed")), bool(label.get("filled"))
    return Shape(lines=lines, closed=closed, filled=filled, points=points)


def _pointed(label: Mapping[str, Any], edges: Edges) -> Shape | None:
    points = _points(label.get("points"))
    pairs = [pair for edge in edges for pair in pairwise(edge)]
    joined = [points[list(pair)] for pair in pairs if 0 <= min(pair) <= max(pair) < len(points)]
    there = _there(points)
    if not len(there):
        return None
    return Shape(points=there, lines=[line for line in joined if len(_there(line)) == 2])


def _points(stored: Any) -> Points:
    """Returns points as (n, 2), NaN where one is missing."""
    none = (np.nan, np.nan)
    points = [none if point is None or len(point) != 2 else point for point in stored or ()]
    return np.array(points, dtype=np.float64).reshape(-1, 2)


def _there(points: Points) -> Points:
    return points[np.isfinite(points).all(axis=1)]


_SHAPES: dict[type, tuple[tuple[str, ...], Callable[[Mapping[str, Any], Edges], Shape | None]]] = {
    fo.Detections: (MASKS, _masked),
    fo.Polylines: (("points", "closed", "filled"), _lined),
    fo.Keypoints: (("points",), _pointed),
}
