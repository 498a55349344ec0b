"""What MongoDB is asked of a label ``$$l``: its state, its tags, and what its box covers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .states import LOOP_STATES, TAGS

Expression = dict[str, Any]

# the least number: JSON, as which views travel, has no infinity
LEAST = -1.7976931348623157e308


def in_list(path: str) -> Any:
    """The labels of a path, an empty list where there is none."""
    return {"$ifNull": [f"${path}", []]}


def label_list(path: str, listed: bool) -> Any:
    """The labels of a path, as a list, where it has a list of them or one."""
    if listed:
        return in_list(path)
    return {"$cond": [{"$ifNull": [f"${path}", False]}, [f"${path}"], []]}


def keep(labels: Any, condition: Any) -> Expression:
    """Those of some labels for which a condition on ``$$l`` holds."""
    return {"$filter": {"input": labels, "as": "l", "cond": condition}}


def each(labels: Any, value: Any) -> Expression:
    """A value for each of some labels."""
    return {"$map": {"input": labels, "as": "l", "in": value}}


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


def confidence() -> Expression:
    """The label's confidence: of keypoints, which have one for each point, the mean of those that
    are known."""
    stored = "$$l.confidence"
    # null is less than every number, and so is NaN
    known = {"$filter": {"input": stored, "cond": {"$gte": ["$$this", LEAST]}}}
    return {"$cond": [{"$isArray": [stored]}, {"$avg": known}, stored]}


def overlaps_any(others: Any, iou: float, box_of: Callable[[str], Any]) -> Expression:
    """Whether the box of ``$$l`` and that of any other label overlap by at least an IoU.

    Args:
        others: the other labels
        iou: the least IoU
        box_of: makes the box of a variable that is a label, null where it has none
    """
    boxes = {"$map": {"input": others, "as": "g", "in": box_of("$$g")}}
    any_enough = {"$anyElementTrue": [{"$map": {"input": boxes, "as": "b", "in": overlap(iou)}}]}
    return {"$let": {"vars": {"a": box_of("$$l")}, "in": any_enough}}


def overlap(iou: float) -> Expression:
    """Whether the boxes ``$$a`` and ``$$b`` overlap by at least an IoU."""
    shared = {"$multiply": [_shared(0), _shared(1)]}
    both = {"$add": [_area("$$a"), _area("$$b")]}
    # shared / (both - shared) >= iou, without a division by zero
    enough = {"$gte": [{"$multiply": [shared, 1 + iou]}, {"$multiply": [iou, both]}]}
    # most boxes are not near each other, which is found out sooner
    return {"$and": [_near(0, iou), _near(1, iou), {"$gt": [shared, 0]}, enough]}


def _near(axis: int, iou: float) -> Expression:
    """Whether the boxes begin within what of a side need not be shared, and a rounding."""
    apart = {"$abs": {"$subtract": [_side(box, axis) for box in ("$$a", "$$b")]}}
    longer = {"$max": [_side(box, axis + 2) for box in ("$$a", "$$b")]}
    return {"$lte": [apart, {"$add": [1e-9, {"$multiply": [1 - iou, longer]}]}]}


def _shared(axis: int) -> Expression:
    ends = [{"$add": [_side(box, axis), _side(box, axis + 2)]} for box in ("$$a", "$$b")]
    starts = [_side(box, axis) for box in ("$$a", "$$b")]
    return {"$max": [0, {"$subtract": [{"$min": ends}, {"$max": starts}]}]}


def _area(box: str) -> Expression:
    return {"$multiply": [_side(box, 2), _side(box, 3)]}


def _side(box: str, number: int) -> Expression:
    return {"$arrayElemAt": [box, number]}


def box_around(points: Any, least: float) -> Expression:
    """The box around points, but for those that are not there; no side of it is shorter than a
    part of the longer one, as :mod:`labelvet.dataset.label_types` makes it. Null without points.

    Args:
        points: the points
        least: the part
    """
    infinite = float("inf")
    # NaN is less than every number, and null less than that
    finite = [
        {bound: [_side("$$p", axis), value]}
        for axis in (0, 1)
        for bound, value in (("$gt", -infinite), ("$lt", infinite))
    ]
    there = {"$filter": {"input": {"$ifNull": [points, []]}, "as": "p", "cond": {"$and": finite}}}

    def ends(axis: int) -> dict[str, Any]:
        values = {"$map": {"input": "$$there", "as": "p", "in": _side("$$p", axis)}}
        return {f"low{axis}": {"$min": values}, f"high{axis}": {"$max": values}}

    sizes = {f"size{axis}": {"$subtract": [f"$$high{axis}", f"$$low{axis}"]} for axis in (0, 1)}
    longer = {"$max": ["$$size0", "$$size1"]}
    shortest = {"$multiply": [least, {"$cond": [{"$eq": [longer, 0]}, 1, longer]}]}
    grown = {f"grown{axis}": {"$max": [f"$$size{axis}", "$$least"]} for axis in (0, 1)}

    def start(axis: int) -> Expression:
        low, high, size = f"$$low{axis}", f"$$high{axis}", f"$$grown{axis}"
        more = {"$subtract": [size, f"$$size{axis}"]}
        centered = {"$subtract": [low, {"$divide": [more, 2]}]}
        clipped = {"$max": [0, {"$min": [centered, {"$subtract": [1, size]}]}]}
        within = {"$and": [{"$gte": [low, 0]}, {"$lte": [high, 1]}]}
        return {"$cond": [within, clipped, centered]}

    box: Any = [start(0), start(1), "$$grown0", "$$grown1"]
    box = {"$cond": [{"$eq": ["$$there", []]}, None, box]}
    for names in (grown, {"least": shortest}, sizes, {**ends(0), **ends(1)}, {"there": there}):
        box = {"$let": {"vars": names, "in": box}}
    return dict(box)
