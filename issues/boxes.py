"""What the boxes themselves tell: how they lie among the others of their image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.table import PatchTable

# so many pairs of boxes are compared at a time
_PAIRS = 2_000_000


@dataclass(frozen=True, eq=False)
class Pairs:
    """The p pairs of a box and another one that overlap.

    Attributes:
        rows: (p,) rows of the boxes
        others: (p,) rows of the others
        iou: (p,) their intersection over union
        inside: (p,) the part of the box that lies in the other
        around: (p,) the part of the other that lies in the box
    """

    rows: NDArray[np.int64]
    others: NDArray[np.int64]
    iou: NDArray[np.float64]
    inside: NDArray[np.float64]
    around: NDArray[np.float64]

    def take(self, wanted: NDArray[np.bool_]) -> Pairs:
        """Returns some of the pairs."""
        return Pairs(
            self.rows[wanted], self.others[wanted], self.iou[wanted], self.inside[wanted],
            self.around[wanted],
        )  # fmt: skip

    def greatest(self, values: NDArray[np.floating], n: int) -> NDArray[np.float64]:
        """Returns the greatest of the pairs' values for each of n boxes, 0 where it has none."""
        found = np.zeros(n)
        np.maximum.at(found, self.rows, values)
        return found

    def best(self, values: NDArray[np.floating], n: int) -> NDArray[np.int64]:
        """Returns the pair of the greatest value above 0 for each of n boxes, -1 for none."""
        found = np.full(n, -1, dtype=np.int64)
        order = np.argsort(values, kind="stable")
        order = order[values[order] > 0]
        found[self.rows[order]] = order
        return found


def overlapping(
    media: NDArray[np.integer],
    boxes: NDArray[np.float64],
    other_media: NDArray[np.integer],
    others: NDArray[np.float64],
) -> Pairs:
    """Finds which boxes overlap which of ``others`` in the same image.

    Where both are the same, a box is not paired with itself.

    Args:
        media: (n,) index of each box's image
        boxes: (n, 4) ``[x, y, width, height]``
        other_media: (m,) the same of the others
        others: (m, 4) their boxes
    """
    order = np.argsort(other_media, kind="stable")
    first = np.searchsorted(other_media[order], media, "left")
    counts = np.searchsorted(other_media[order], media, "right") - first
    ends = np.cumsum(counts)
    found = []
    start = 0
    while start < len(media):
        before = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + _PAIRS, "right")))
        count = counts[start:stop]
        rows = np.repeat(np.arange(start, stop), count)
        place = np.arange(len(rows)) - np.repeat(np.cumsum(count) - count, count)
        other = order[np.repeat(first[start:stop], count) + place]
        found.append(_compare(rows, other, boxes, others))
        start = stop
    if not found:
        return Pairs(*(np.zeros(0, dtype=kind) for kind in ("i8", "i8", "f8", "f8", "f8")))
    pairs = Pairs(*(np.concatenate(column) for column in zip(*found, strict=True)))
    return pairs.take(pairs.rows != pairs.others) if boxes is others else pairs


def _compare(
    rows: NDArray[np.int64],
    other: NDArray[np.int64],
    boxes: NDArray[np.float64],
    others: NDArray[np.float64],
) -> tuple[NDArray[np.generic], ...]:
    near = np.maximum(boxes[rows, :2], others[other, :2])
    far = np.minimum(boxes[rows, :2] + boxes[rows, 2:], others[other, :2] + others[other, 2:])
    meet = (far > near).all(axis=1)
    rows, other = rows[meet], other[meet]
    shared = (far - near)[meet].prod(axis=1)
    area = np.maximum(boxes[rows, 2:].prod(axis=1), 1e-12)
    other_area = np.maximum(others[other, 2:].prod(axis=1), 1e-12)
    iou = shared / np.maximum(area + other_area - shared, 1e-12)
    return rows, other, iou, shared / area, shared / other_area


def cover(table: PatchTable, others: PatchTable) -> NDArray[np.float32]:
    """Returns how much of each label's box the ``others`` of its image cover, shape (n,).

    It is the greatest overlap (intersection over union) with any of them or the greatest part of
    the box that lies in one of its class, if that is more.
    """
    pairs = overlapping(table.media, table.boxes, others.media, others.boxes)
    same = table.codes[pairs.rows] == others.codes[pairs.others]
    covered = np.maximum(pairs.iou, np.where(same, pairs.inside, 0))
    return pairs.greatest(covered, len(table)).astype(np.float32)
