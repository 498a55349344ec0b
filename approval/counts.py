"""What there is to review: confidences and classes of the candidates, counted by the database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import fiftyone as fo
import numpy as np
from numpy.typing import NDArray

from ..dataset.documents import samples_of
from ..dataset.expressions import LEAST, Expression, confidence, each, in_list, keep, state
from ..dataset.patches import whole_groups
from ..dataset.states import LOOP_STATES
from .candidates import Candidates, view_root

BINS = 100
_ABOVE = 2 * BINS + 2
_NO_CONFIDENCE = _ABOVE + 1
_ROUNDING = 0.001


@dataclass(frozen=True, eq=False)
class CandidateCounts:
    """The candidates of a view, by class and confidence.

    A range of two edges, inclusive on both sides, is a range of columns of ``open``: column
    ``2 k + 1`` counts the labels exactly on edge ``k``, column ``2 k`` those between the edges
    ``k - 1`` and ``k``. So what a person reads is what
    :func:`labelvet.approval.basket.add_labels` finds.

    Attributes:
        classes: their c names, None for labels without one, the most frequent first
        counts: (c, 5) how many labels are in each of ``LOOP_STATES``
        confidence: (c,) mean confidence, NaN where no label has one
        edges: (101,) edges of the bins of confidence: to 1, or to 100 where most are in percent
        open: (c, 204) open labels by confidence; the last column counts those without one
    """

    classes: tuple[str | None, ...]
    counts: NDArray[np.int64]
    confidence: NDArray[np.float64]
    edges: NDArray[np.float64]
    open: NDArray[np.int64]


def count_candidates(candidates: Candidates, view: Any = None) -> CandidateCounts:
    """Counts the candidates that a view shows.

    Args:
        candidates: the candidates
        view: a dataset or view, a patches view too; None for the whole dataset

    Raises:
        UnknownField: if it is a view of the patches of another field
    """
    before = _labels(candidates, view)
    percent = _is_percent(before)
    edges = np.arange(BINS + 1) / (1 if percent else BINS)
    key = {"label": "$l.label", "state": "$s", "column": _column(percent)}
    rows = list(_grouped(before, key))
    totals: dict[str | None, int] = {}
    for row in rows:
        label = row["_id"].get("label")
        totals[label] = totals.get(label, 0) + row["n"]
    classes = sorted(totals, key=lambda label: (-totals[label], label or ""))
    number = {label: index for index, label in enumerate(classes)}
    counts = np.zeros((len(classes), len(LOOP_STATES)), dtype=np.int64)
    columns = np.zeros((len(classes), _NO_CONFIDENCE + 1), dtype=np.int64)
    sums, known = np.zeros(len(classes)), np.zeros(len(classes), dtype=np.int64)
    for row in rows:
        at, which, count = number[row["_id"].get("label")], row["_id"]["state"], row["n"]
        counts[at, which] += count
        sums[at] += row["sum"]
        known[at] += row["known"]
        if LOOP_STATES[which] == "open":
            columns[at, int(row["_id"]["column"])] += count
    with np.errstate(invalid="ignore"):
        mean = sums / np.where(known == 0, np.nan, known)
    mean[~np.isfinite(mean)] = np.nan
    return CandidateCounts(tuple(classes), counts, mean, edges, columns)


def _labels(candidates: Candidates, view: Any) -> tuple[Any, list[dict[str, Any]]]:
    """The collection of a view, and the stages that make a document ``{l: label, s: state}`` of
    each candidate."""
    if view is None or isinstance(view, fo.Dataset):
        collection, stages, root = samples_of(candidates.dataset), [], candidates.root
        labels: Any = candidates.labels()
    else:
        view = whole_groups(view)
        root, is_list = view_root(candidates, view)
        collection, stages = samples_of(view._dataset), view._pipeline()
        labels = in_list(root) if is_list else [f"${root}"]
    slim = {"label": "$$l.label", "confidence": confidence()}
    of_label = each(keep(labels, candidates.belongs()), {"l": slim, "s": state()})
    return collection, [
        *stages,
        {"$project": {"_id": 0, "l": of_label}},
        {"$unwind": "$l"},
        {"$replaceRoot": {"newRoot": "$l"}},
    ]


def _is_percent(before: tuple[Any, list[dict[str, Any]]]) -> bool:
    """Whether most confidences are above 1, by more than a rounding: a few may be faults."""
    collection, stages = before
    above = {"$cond": [{"$gt": ["$l.confidence", 1 + _ROUNDING]}, 1, 0]}
    known = {"$cond": [_is_number(), 1, 0]}
    group = {"$group": {"_id": None, "above": {"$sum": above}, "known": {"$sum": known}}}
    found: dict[str, Any] = next(iter(collection.aggregate([*stages, group])), {})
    return bool(2 * found.get("above", 0) > found.get("known", 0))


def _grouped(before: tuple[Any, list[dict[str, Any]]], key: Expression) -> Any:
    collection, stages = before
    known = {"$and": [_is_number(), {"$lte": ["$l.confidence", -LEAST]}]}
    group = {
        "_id": key,
        "n": {"$sum": 1},
        "known": {"$sum": {"$cond": [known, 1, 0]}},
        "sum": {"$sum": {"$cond": [known, "$l.confidence", 0]}},
    }
    return collection.aggregate([*stages, {"$group": group}])


def _is_number() -> Expression:
    # NaN is less than every number, and null less than that; one that is endless is in no range
    return {"$gte": ["$l.confidence", LEAST]}


def _column(percent: bool) -> Expression:
    scale = 1 if percent else BINS
    scaled = {"$multiply": ["$l.confidence", scale]}
    floor = {"$floor": {"$max": [-1, {"$min": [BINS, scaled]}]}}

    def edge(plus: int) -> Expression:
        return {"$divide": [{"$add": ["$$k", plus]}, scale]}

    # the product is rounded, so the edge may be one further on, or one back
    k: Expression = {
        "$add": [
            "$$k",
            {"$cond": [{"$gte": ["$l.confidence", edge(1)]}, 1, 0]},
            {"$cond": [{"$lt": ["$l.confidence", edge(0)]}, -1, 0]},
        ]
    }
    on_edge = {"$eq": ["$l.confidence", {"$divide": ["$$k", scale]}]}
    column = {
        "$switch": {
            "branches": [
                {"case": {"$lt": ["$$k", 0]}, "then": 0},
                {"case": {"$gte": ["$$k", BINS + 1]}, "then": _ABOVE},
                {"case": on_edge, "then": {"$add": [{"$multiply": [2, "$$k"]}, 1]}},
            ],
            "default": {"$add": [{"$multiply": [2, "$$k"]}, 2]},
        }
    }
    placed = {"$let": {"vars": {"k": floor}, "in": {"$let": {"vars": {"k": k}, "in": column}}}}
    return {"$cond": [_is_number(), placed, _NO_CONFIDENCE]}
