"""What MongoDB is asked of a label ``$$l``: its state, its tags, and what its box covers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .states import LOOP_STATES, TAGS

Expression = dict[str, Any]


def where_there(field: str, labels: Expression) -> Expression:
    """The field of Detections of a document with other labels, null where it is null."""
    there = {"$ifNull": [f"${field}", None]}
    merged = {"$mergeObjects": [{"_cls": "Detections"}, f"${field}", {"detections": labels}]}
    return {"$cond": [{"$eq": [there, None]}, None, merged]}


def in_list(path: str) -> Any:
    """The labels of a path, an empty list where there is none."""
    return {"$ifNull": [f"${path}", []]}


def keep(labels: Any, condition: Any) -> Expression:
    """Those of some labels for which a condition on ``$$l`` holds."""
    return {"$filter": {"input": labels, "as": "l", "cond": condition}}


def each(labels: Any, value: Any) -> Expression:
    """A value for each of some labels."""
    return {"$map": {"input": labels, "as": "l", "in": value}}


def has_box() -> Expression:
    """Whether the label ``$$l`` has a box in two dimensions, which a cuboid has not."""
    # lists alone are more than an empty one, of what the field may hold
    return {"$gt": ["$$l.bounding_box", []]}


def in_3d(label: str) -> Expression:
    """Whether a label is in space alone: a cuboid, or a polyline of points in space. A box of an
    image may have a place in space, too."""

    def any_there(*names: str) -> Expression:
        # of all that a field of labels holds, lists alone are more than an empty one
        return {"$or": [{"$gt": [f"{label}.{name}", []]} for name in names]}

    flat = any_there("bounding_box", "points")
    return {"$and": [any_there("location", "points3d"), {"$not": [flat]}]}


def tags() -> Expression:
    """The tags of the label."""
    return {"$ifNull": ["$$l.tags", []]}


def state() -> Expression:
    """The number of the label's state in ``LOOP_STATES``."""
    branches = [
        {"case": {"$in": [TAGS[name], tags()]}, "then": number}
        for number, name in enumerate(LOOP_STATES[:-1])
    ]
    return {"$switch": {"branches": branches, "default": len(branches)}}


def is_state(name: str) -> Expression:
    """Whether the label is in one of ``LOOP_STATES``: it has its tag, and none that decides first.

    Most labels have no tags, which is asked first: it takes a third of what the rest takes.
    """
    first = [TAGS[other] for other in LOOP_STATES[: LOOP_STATES.index(name)]]
    others_absent = {"$eq": [{"$setIntersection": [tags(), first]}, []]}
    if name == LOOP_STATES[-1]:
        return {"$or": [{"$eq": [tags(), []]}, others_absent]}
    return {"$and": [{"$in": [TAGS[name], tags()]}, others_absent]}


def retagged(remove: Iterable[str], add: Iterable[str]) -> Expression:
    """The label with tags that come in place of others."""
    add = list(add)
    goes = {"$in": ["$$t", [*remove, *add]]}
    rest = {"$filter": {"input": tags(), "as": "t", "cond": {"$not": [goes]}}}
    return {"$mergeObjects": ["$$l", {"tags": {"$concatArrays": [rest, add]}}]}


def without(label: Any, *names: str) -> Any:
    """A label without some attributes."""
    for name in names:
        label = {"$unsetField": {"field": name, "input": label}}
    return label


def covers_any(others: Any, iou: float) -> Expression:
    """Whether the box of ``$$l`` and that of any other label overlap by at least an IoU."""
    wide, high = _shared(0), _shared(1)
    shared = {"$multiply": [wide, high]}
    # shared / (both - shared) >= iou, without a division by zero
    enough = {
        "$and": [
            {"$gt": [shared, 0]},
            {
                "$gte": [
                    {"$multiply": [shared, 1 + iou]},
                    {"$multiply": [iou, {"$add": [_area("$$l"), _area("$$g")]}]},
                ]
            },
        ]
    }
    return {"$anyElementTrue": [{"$map": {"input": others, "as": "g", "in": enough}}]}


def _shared(axis: int) -> Expression:
    ends = [{"$add": [_side(g, axis), _side(g, axis + 2)]} for g in ("$$l", "$$g")]
    starts = [_side(g, axis) for g in ("$$l", "$$g")]
    return {"$max": [0, {"$subtract": [{"$min": ends}, {"$max": starts}]}]}


def _area(label: str) -> Expression:
    return {"$multiply": [_side(label, 2), _side(label, 3)]}


def _side(label: str, number: int) -> Expression:
    return {"$arrayElemAt": [f"{label}.bounding_box", number]}
