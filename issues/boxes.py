"""What the boxes themselves tell: overlaps with other labels of the image, and near-identical
patches elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .numerics import box_overlaps

# Two labels on one object overlap so much; two objects in a crowd rarely do.
DUPLICATE_IOU = 0.6
# Crops of one picture saved twice are as similar as this; crops of two pictures rarely are.
IDENTICAL_SIMILARITY = 0.98


@dataclass(frozen=True, eq=False)
class Overlaps:
    """How n boxes lie among those of their images.

    Attributes:
        contains: (n,) the greatest part of a more confident box of the same class inside this one
        duplicate: (n,) the overlap with the box that this one repeats, 0 where it repeats none
        original: (n,) int32 row of that box, -1 where there is none
        company: (n,) the number of other boxes of its class in the image
    """

    contains: NDArray[np.float32]
    duplicate: NDArray[np.float32]
    original: NDArray[np.int32]
    company: NDArray[np.int32]


def images(media: NDArray[np.integer]) -> Iterator[NDArray[np.int64]]:
    """Yields the rows of each image."""
    order = np.argsort(media, kind="stable")
    yield from np.split(order, np.flatnonzero(np.diff(media[order])) + 1)


def measure_overlaps(
    media: NDArray[np.integer],
    boxes: NDArray[np.float64],
    codes: NDArray[np.integer],
    rank: NDArray[np.float64],
) -> Overlaps:
    """Compares every box with the others of its image.

    Args:
        media: (n,) index of each box's image
        boxes: (n, 4) ``[x, y, width, height]``
        codes: (n,) class of each
        rank: (n,) which of two boxes is the more trusted, such as its confidence; of two that are
            trusted alike, the later one repeats the earlier
    """
    n = len(media)
    contains = np.zeros(n, dtype=np.float32)
    duplicate = np.zeros(n, dtype=np.float32)
    original = np.full(n, -1, dtype=np.int32)
    company = np.zeros(n, dtype=np.int32)
    for rows in images(media):
        # the most trusted first
        rows = rows[np.argsort(-rank[rows], kind="stable")]
        same = codes[rows][:, None] == codes[rows][None]
        company[rows] = same.sum(axis=1) - 1
        if len(rows) < 2:
            continue
        iou, inside = box_overlaps(boxes[rows], boxes[rows])
        earlier = np.tri(len(rows), k=-1, dtype=bool)
        contains[rows] = np.where(earlier & same, inside, 0).max(axis=1)
        iou = np.where(earlier, iou, 0)
        best = iou.argmax(axis=1)
        overlap = iou[np.arange(len(rows)), best]
        found = overlap >= DUPLICATE_IOU
        duplicate[rows[found]] = overlap[found]
        original[rows[found]] = rows[best[found]]
    return Overlaps(contains, duplicate, original, company)


def cover(
    media: NDArray[np.integer],
    boxes: NDArray[np.float64],
    others_media: NDArray[np.integer],
    others: NDArray[np.float64],
    codes: NDArray[np.integer] | None = None,
    others_codes: NDArray[np.integer] | None = None,
) -> NDArray[np.float32]:
    """Returns how much of each box the ``others`` of its image cover, shape (n,).

    It is the greatest overlap (intersection over union) with any of them or, where the classes are
    given, the greatest part of the box that lies in one of its class, if that is more.
    """
    covered = np.zeros(len(media), dtype=np.float32)
    order = np.argsort(others_media, kind="stable")
    sorted_media = others_media[order]
    for rows in images(media) if len(media) else ():
        first, last = (
            np.searchsorted(sorted_media, media[rows[0]], side) for side in ("left", "right")
        )
        if last > first:
            near = order[first:last]
            overlap, inside = box_overlaps(others[near], boxes[rows])
            if codes is not None and others_codes is not None:
                same = others_codes[near][:, None] == codes[rows]
                overlap = np.maximum(overlap, np.where(same, inside, 0))
            covered[rows] = overlap.max(axis=0)
    return covered
