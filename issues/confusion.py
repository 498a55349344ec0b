"""Which classes are confused: what labels of a class look like, by what was found of them or by
their neighbors, and which two classes cannot be told apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

# neighbors that are asked what a label looks like
ASKED = 15
# a label looks like another class where its own is wrong with at least this probability
_LIKELY = 0.2
# two classes cannot be told apart where as many of their neighbors are of the other one as this
# part of what chance would have
_MIXED = 0.6
# classes whose neighbors are mostly of third classes say nothing of each other, nor do those of so
# few labels that many of their neighbors must be others
_FEWEST, _AMONG = 2 * ASKED, 0.5
# a table of all pairs of more classes would take much memory
_FEW_CLASSES = 1_500


@dataclass(frozen=True, eq=False)
class Confusion:
    """The labels of one class that look like another.

    Attributes:
        code, looks_like: the two classes
        rows: (m,) int64 these labels
        of: how many labels the first class has
    """

    code: int
    looks_like: int
    rows: NDArray[np.int64]
    of: int


def looks_by_scores(
    wrong_class: NDArray[np.floating], suggested: NDArray[np.integer]
) -> NDArray[np.int32]:
    """Returns the class that each of n labels looks like rather than its own, by its scores.

    Args:
        wrong_class: (n,) probability that its class is wrong, NaN where it cannot be known
        suggested: (n,) the likeliest other class, -1 for none

    Returns:
        (n,) int32, -1 for none
    """
    return np.where(wrong_class >= _LIKELY, suggested, -1).astype(np.int32)


def looks_by_neighbors(codes: NDArray[np.integer], near: NDArray[np.int32]) -> NDArray[np.int32]:
    """Returns the class that each of n labels looks like rather than its own: the one that more
    than half of its neighbors have.

    Args:
        codes: (n,) the class of each, -1 for none
        near: (n, k) classes of the neighbors, see :func:`classes_of_neighbors`

    Returns:
        (n,) int32, -1 for none
    """
    if not near.shape[1]:
        return np.full(len(codes), -1, dtype=np.int32)
    ordered = np.sort(near, axis=1)
    asked = (near >= 0).sum(axis=1)
    # what more than half are stands in the middle, once they are in order; -1 stand before them
    middle = np.minimum(near.shape[1] - asked + asked // 2, near.shape[1] - 1)
    most = ordered[np.arange(len(ordered)), middle]
    enough = 2 * (near == most[:, None]).sum(axis=1) > asked
    return np.where(enough & (most >= 0) & (codes >= 0) & (most != codes), most, -1).astype(
        np.int32
    )


def classes_of_neighbors(
    codes: NDArray[np.integer], neighbors: NDArray[np.int32]
) -> NDArray[np.int32]:
    """Returns the classes of each label's nearest neighbors, (n, up to 15) int32.

    Args:
        codes: (n,) the class of each, -1 for none
        neighbors: (n, k) rows of the nearest, nearest first; itself may be among them, and -1

    Returns:
        -1 for itself, for a neighbor without a class, and where there are no more
    """
    rows = neighbors[:, : ASKED + 1]
    with_none = np.append(codes, -1).astype(np.int32)
    return np.where(rows == np.arange(len(codes))[:, None], np.int32(-1), with_none[rows])


def find_confusions(codes: NDArray[np.integer], looks: NDArray[np.integer]) -> list[Confusion]:
    """Groups the labels that look like another class by the two, the most labels first.

    Args:
        codes: (n,) the class of each, -1 for none
        looks: (n,) the class that each looks like instead, -1 for none
    """
    rows = np.flatnonzero((looks >= 0) & (codes >= 0) & (looks != codes))
    if not len(rows):
        return []
    sizes = np.bincount(codes[codes >= 0])
    order = rows[np.lexsort((looks[rows], codes[rows]))]
    pairs = np.column_stack([codes[order], looks[order]])
    starts = np.flatnonzero((np.diff(pairs, axis=0, prepend=-2) != 0).any(axis=1))
    found = [
        Confusion(
            int(codes[some[0]]), int(looks[some[0]]), np.sort(some), int(sizes[codes[some[0]]])
        )
        for some in np.split(order, starts[1:])
    ]
    return sorted(found, key=lambda one: (-len(one.rows), one.of, one.code, one.looks_like))


def find_mixed(codes: NDArray[np.integer], near: NDArray[np.int32]) -> dict[tuple[int, int], float]:
    """Finds the classes that cannot be told apart by their neighbors.

    Args:
        codes: (n,) the class of each label, -1 for none
        near: (n, k) classes of the neighbors, see :func:`classes_of_neighbors`

    Returns:
        ``{(class, class): mixing}``, the lower code first: how many neighbors are of the other
        class, as a part of what chance would have where the two were one; from 0.6 on, of classes
        with at least 30 labels
    """
    number = int(codes.max(initial=-1)) + 1
    if not number:
        return {}
    counts = _count_neighbors(codes, near, number)
    sizes = np.bincount(codes[codes >= 0], minlength=number).astype(np.float64)
    total, same = counts.sum(axis=1), counts.diagonal()
    both = (counts + counts.T).tocoo()
    first, second, crossing = both.row, both.col, both.data
    pairs = (first < second) & (np.minimum(sizes[first], sizes[second]) >= _FEWEST)
    first, second, crossing = first[pairs], second[pairs], crossing[pairs]
    ahead = np.asarray(counts[first, second]).ravel() if len(first) else np.zeros(0)
    among = same[first] + ahead, same[second] + crossing - ahead
    others = sizes[first] + sizes[second] - 1
    expected = (among[0] * sizes[second] + among[1] * sizes[first]) / others
    mixing = crossing / np.maximum(expected, 1e-9)
    close = (among[0] >= _AMONG * total[first]) & (among[1] >= _AMONG * total[second])
    return {
        (int(a), int(b)): float(value)
        for a, b, value in zip(
            *(column[close & (mixing >= _MIXED)] for column in (first, second, mixing)), strict=True
        )
    }


def _count_neighbors(codes: NDArray[np.integer], near: NDArray[np.int32], number: int) -> csr_array:
    """Counts how many neighbors of each of some classes have which class."""
    from scipy.sparse import coo_array, csr_array

    if number <= _FEW_CLASSES:  # in one pass over a table of all pairs, where none is a class, too
        pairs = (codes[:, None] + 1) * np.int64(number + 1) + (near + 1)
        counts = np.bincount(pairs.ravel(), minlength=(number + 1) ** 2)
        return csr_array(counts.reshape(number + 1, number + 1)[1:, 1:].astype(np.float64))
    known = (near >= 0) & (codes >= 0)[:, None]
    own = np.broadcast_to(codes[:, None], near.shape)[known]
    ones = np.ones(len(own))
    return coo_array((ones, (own, near[known])), shape=(number, number)).tocsr()
