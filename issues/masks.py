"""What a mask tells by itself: how it fills its box, its pieces and holes, and which others it
covers.

As with :mod:`.geometry`, none of it says that a label is wrong, and it changes no probability.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.table import PatchTable
from ..embeddings.decoding import UnreadableImage
from ..embeddings.outlines import read_mask
from .boxes import overlapping

LOOSE_BOX, EMPTY_MASK, FULL_MASK = "loose box", "empty mask", "full mask"
HOLES, ISLANDS, COVERS = "holes", "islands", "covers another"
UNREADABLE = "unreadable mask"
MASK_KINDS = (LOOSE_BOX, EMPTY_MASK, FULL_MASK, HOLES, ISLANDS, COVERS, UNREADABLE)

# a loose box is wider or higher than its mask by this part of itself, and by more cells than these
_LOOSE, _LOOSE_CELLS = 0.15, 1
# smaller masks may well be full
_FULL_CELLS = 64
# parts of the mask's area: its largest hole, and each piece beside its largest
_HOLE, _PIECE = 0.01, 0.02
# an island is so far from the largest piece, as a part of the box's diagonal
_APART = 0.05
# so much of another mask is covered; of each mask about so many cells are looked up
_COVERED, _CELLS = 0.5, 256


def find_masks(table: PatchTable) -> dict[str, NDArray[np.bool_]]:
    """Finds what is conspicuous about the masks of n labels.

    Args:
        table: the labels with their outlines, all labels of an image among them; of what has no
            mask nothing is said

    Returns:
        ``{name: (n,)}`` of :data:`MASK_KINDS`:

        - *loose box*: the box is wider or higher than what its mask covers by 15 % of itself
        - *empty mask*, *full mask*: it covers nothing of its box, or all of it
        - *holes*: a hole in it has at least 1 % of its area
        - *islands*: a piece of at least 2 % of its area lies apart from its largest piece, by at
          least 5 % of the box's diagonal
        - *covers another*: at least half of another mask in the image lies in it
        - *unreadable mask*: it is damaged, or its file is not there
    """
    n = len(table)
    found = {name: np.zeros(n, dtype=bool) for name in MASK_KINDS}
    masks: dict[int, NDArray[np.uint8]] = {}
    outlines = table.outlines if table.outlines is not None else ()
    for row, outline in enumerate(outlines):
        if not isinstance(outline, (bytes, str)):
            continue
        try:
            mask = np.ascontiguousarray(read_mask(outline)).view(np.uint8)
        except UnreadableImage:
            found[UNREADABLE][row] = True
            continue
        for name in _shape(mask):
            found[name][row] = True
        if not found[EMPTY_MASK][row]:
            masks[row] = mask
    found[COVERS] = _covers(table, masks)
    return found


def _shape(mask: NDArray[np.uint8]) -> list[str]:
    """Returns what is conspicuous about one mask of 0 and 1, (height, width)."""
    import cv2

    area = cv2.countNonZero(mask)
    if not area:
        return [EMPTY_MASK]
    if area == mask.size:
        return [FULL_MASK] if area >= _FULL_CELLS else []
    found = []
    covered = cv2.boundingRect(mask)[:1:-1]
    if any(
        size - most > max(_LOOSE * size, _LOOSE_CELLS)
        for size, most in zip(mask.shape, covered, strict=True)
    ):
        found.append(LOOSE_BOX)
    contours, ranks = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    is_hole = ranks[0, :, 3] >= 0
    sizes = np.array([_cells(contours[i], of_hole) for i, of_hole in enumerate(is_hole.tolist())])
    if sizes[is_hole].max(initial=0) >= _HOLE * area:
        found.append(HOLES)
    pieces = np.flatnonzero(~is_hole)
    largest = pieces[sizes[pieces].argmax()]
    large = pieces[(sizes[pieces] >= _PIECE * area) & (pieces != largest)]
    if len(large) and _any_apart(mask, contours[largest], [contours[piece] for piece in large]):
        found.append(ISLANDS)
    return found


def _cells(contour: Any, of_hole: bool) -> float:
    """Returns how many cells a contour encloses, or those of the hole that it runs around.

    It runs through the centers of cells, so it is Pick's theorem.
    """
    import cv2

    return cv2.contourArea(contour) + (1 - of_hole * 2) * len(contour) / 2 + 1


def _any_apart(mask: NDArray[np.uint8], largest: Any, others: list[Any]) -> bool:
    """Whether one of some contours is far from the largest one."""
    import cv2

    rest = np.ones_like(mask)
    cv2.drawContours(rest, [largest], -1, 0, cv2.FILLED)
    away = cv2.distanceTransform(rest, cv2.DIST_L2, 3)
    far = _APART * float(np.hypot(*mask.shape))
    return any(float(away[one[:, 0, 1], one[:, 0, 0]].min()) >= far for one in others)


def _covers(table: PatchTable, masks: dict[int, NDArray[np.uint8]]) -> NDArray[np.bool_]:
    """Returns which of n labels cover the mask of another one."""
    rows = np.array(list(masks), dtype=np.int64)
    media, boxes = table.media[rows], table.boxes[rows]
    pairs = overlapping(media, boxes, media, boxes)
    cells = {int(other): _some_cells(masks[rows[other]]) for other in np.unique(pairs.others)}
    covers = np.zeros(len(table), dtype=bool)
    edges = np.flatnonzero(np.diff(pairs.rows, prepend=-1, append=-1))
    for start, end in itertools.pairwise(edges):
        row, others = int(pairs.rows[start]), pairs.others[start:end].tolist()
        mask = masks[rows[row]]
        sizes = [len(cells[other]) for other in others]
        theirs = np.repeat(boxes[others], sizes, axis=0)
        points = theirs[:, :2] + theirs[:, 2:] * np.concatenate([cells[o] for o in others])
        # where they lie in the box, from 0 to 1
        points = (points - boxes[row, :2]) / boxes[row, 2:]
        inside = ((points >= 0) & (points < 1)).all(axis=1)
        x, y = (np.where(inside[:, None], points, 0) * mask.shape[::-1]).astype(np.int64).T
        hit = inside & (mask[y, x] > 0)
        firsts = np.cumsum([0, *sizes[:-1]])
        covers[rows[row]] = (
            np.add.reduceat(hit, firsts, dtype=np.int64) >= _COVERED * np.array(sizes)
        ).any()
    return covers


def _some_cells(mask: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Returns the centers of some cells that a mask covers, (m, 2) x and y as parts of its box."""
    import cv2

    step = max(1, int(np.sqrt(cv2.countNonZero(mask) / _CELLS)))
    start = step // 2
    y, x = np.nonzero(mask[start::step, start::step])
    if not len(x):  # it is thinner than that
        step, start = 1, 0
        y, x = np.nonzero(mask)
    return (np.column_stack([x, y]) * step + start + 0.5) / mask.shape[::-1]
