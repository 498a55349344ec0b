"""Which classes of a visualization are confused, and which of a field are probably one class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import fiftyone as fo
import numpy as np
from numpy.typing import NDArray

from ..core.errors import InvalidParameter
from ..dataset.documents import revision
from ..dataset.memory import Memory
from ..dataset.storage import collection_named
from ..issues.class_names import PLURAL, SPELLING, TYPO, find_similar_names
from ..issues.confusion import (
    ASKED,
    classes_of_neighbors,
    find_confusions,
    find_mixed,
    looks_by_neighbors,
    looks_by_scores,
)
from ..issues.findings import Findings, load_findings
from ..issues.kinds import WRONG_CLASS
from ..maps.columns import label_column, load_column
from ..maps.map import Map, load_map
from ..maps.similar import nearest_on_map, neighbors_of
from .merging import count_classes

# what says which class a label looks like
SCORES, NEIGHBORS, ON_MAP = "scores", "neighbors", "map"
SOURCES = (SCORES, NEIGHBORS, ON_MAP)

LOOK = "look alike"
REASONS = (SPELLING, PLURAL, TYPO, LOOK)


@dataclass(frozen=True, eq=False)
class ConfusedClasses:
    """The labels of one class that look like another.

    Attributes:
        label, looks_like: the two classes
        rows: (m,) int64 rows of these labels in the map
        of: how many labels of the class the map has
    """

    label: str
    looks_like: str
    rows: NDArray[np.int64]
    of: int


@dataclass(frozen=True)
class SimilarClasses:
    """Two classes of a field that may be one.

    Attributes:
        field: the field, as the dataset calls it
        label, into: the rarer, and the more frequent, which it would be merged into
        labels, into_labels: how many labels the field has of each
        reason: one of ``REASONS``
        mixing: how many neighbors of their labels have the other class, as a part of what chance
            would have if the two were one; None where that is below 0.6, or one has few labels
    """

    field: str
    label: str
    into: str
    labels: int
    into_labels: int
    reason: str
    mixing: float | None


@dataclass(frozen=True)
class ClassPairs:
    """Pairs of classes.

    Attributes:
        source: one of ``SOURCES``
        confused: those of which labels look like the other one, the most labels first
        similar: those that may be one, the likeliest first
    """

    source: str
    confused: list[ConfusedClasses]
    similar: list[SimilarClasses]


def find_class_pairs(dataset: fo.Dataset, brain_key: str) -> ClassPairs:
    """Finds which classes of a visualization are confused, and which may be one.

    A label looks like another class by its scores, where *Find label issues* has judged it and it
    has the same class still. Where no label was judged, it does where more than half of its 15
    nearest neighbors have that class, by their embeddings or, for want of a neighbor graph, on the
    map. Neighbors are of all fields of the visualization; which classes may be one is said of each
    field.

    Args:
        dataset: the dataset
        brain_key: a visualization of labels

    Raises:
        InvalidParameter: if it is of whole images
        UnknownRun: if there is no such visualization
    """
    shown = load_map(dataset, brain_key)
    if shown.info.patches_field is None:
        raise InvalidParameter("Classes are of labels, but this visualization is of whole images.")
    column = load_column(dataset, shown, label_column(dataset, shown.info, "label"))
    assert column.codes is not None
    codes, names = column.codes.astype(np.int32) - 1, column.categories
    neighbors, source = _neighbors(dataset, shown)
    near = classes_of_neighbors(codes, neighbors)
    findings = load_findings(dataset, brain_key)
    if findings is not None:
        looks, source = _looks_now(findings, shown, codes, names), SCORES
    else:
        looks = looks_by_neighbors(codes, near)
    confused = [
        ConfusedClasses(names[one.code], names[one.looks_like], one.rows, one.of)
        for one in find_confusions(codes, looks)
    ]
    mixing = {
        frozenset((names[a], names[b])): value for (a, b), value in find_mixed(codes, near).items()
    }
    similar = [
        one
        for field in shown.info.stored_fields
        for one in _similar(dataset, shown.collection, field, mixing)
    ]
    return ClassPairs(source, confused, sorted(similar, key=_likeliest))


def _neighbors(dataset: fo.Dataset, shown: Map) -> tuple[NDArray[np.int32], str]:
    graph = neighbors_of(dataset, shown)
    if graph is not None:
        return graph.indices, NEIGHBORS
    kept_as = shown.collection, shown.info.run
    return _on_map.get(kept_as, lambda: nearest_on_map(shown.points, ASKED + 1)), ON_MAP


# what takes longest is kept: neighbors as long as the run is the same, counts until labels change
_on_map: Memory[NDArray[np.int32]] = Memory(64 * 2**20, lambda rows: rows.nbytes)
_counts: Memory[dict[str, int]] = Memory(8 * 2**20, lambda counts: 200 * len(counts))


def _looks_now(
    findings: Findings, shown: Map, codes: NDArray[np.int32], names: tuple[str, ...]
) -> NDArray[np.int32]:
    """What labels look like that have the class of when they were judged."""
    place_of = {name: place for place, name in enumerate(names)}
    now = np.array([*(place_of.get(name, -1) for name in findings.classes), -1], np.int32)
    looks = np.full(len(shown), -1, dtype=np.int32)
    rows = shown.rows_of(findings.ids, findings.sample_ids)
    found = findings.found
    by_scores = looks_by_scores(found.kinds[:, WRONG_CLASS], found.suggested[:, 0])
    there = (rows >= 0) & (now[findings.codes] == codes[rows])
    looks[rows[there]] = now[by_scores[there]]
    return looks


def _similar(
    dataset: fo.Dataset,
    collection: str,
    field: str,
    mixing: dict[frozenset[str], float],
) -> list[SimilarClasses]:
    """Merges what the names and the look say of classes of a field that may be one."""
    kept_as = collection, field, revision(collection_named(collection))
    counts = _counts.get(kept_as, lambda: count_classes(dataset, field))
    known = sorted(counts)
    reasons = {
        frozenset((known[a], known[b])): why for (a, b), why in find_similar_names(known).items()
    }
    found = []
    for pair in reasons.keys() | mixing.keys():
        if not pair <= counts.keys():
            continue  # changed in this very moment
        label, into = sorted(pair, key=lambda name: (counts[name], name))
        why, value = reasons.get(pair, LOOK), mixing.get(pair)
        found.append(SimilarClasses(field, label, into, counts[label], counts[into], why, value))
    return found


def _likeliest(one: SimilarClasses) -> tuple[Any, ...]:
    return REASONS.index(one.reason), -(one.mixing or 0), -one.labels, one.label, one.field
