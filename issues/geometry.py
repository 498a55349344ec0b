"""What a box tells by itself, whatever the patch looks like: its size and shape, and how it lies in
its image and among its class.

None of it says that a label is wrong. It is found without embeddings, and changes no probability.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from ..core.table import PatchTable
from .boxes import overlapping
from .opinions import SAME_OBJECT

SLIVER, TINY, NESTED, CUT_OFF = "sliver", "tiny", "nested", "cut off"
OUTSIDE, NO_AREA, ODD_SIZE, ODD_SHAPE = "outside", "no area", "odd size", "odd shape"
GEOMETRY_KINDS = (SLIVER, TINY, NESTED, CUT_OFF, OUTSIDE, NO_AREA, ODD_SIZE, ODD_SHAPE)

# one side of a sliver is so many times the other
_SLIVER = 8.0
# the longer side of a tiny box, in pixels; where its image's size is not known, as a part of that
_TINY, _TINY_PART = 8.0, 0.01
# so much of a nested box lies in the other
_NESTED = 0.9
# a side is at the border up to so many pixels from it; likewise
_BORDER, _BORDER_PART = 1.0, 0.002
# so far from the median of its class, in robust standard deviations, among at least so many
_FAR, _FEWEST = 4.0, 20
# the quartiles of a normal distribution, in standard deviations
_QUARTILE = 0.6745
# classes whose boxes are all but equal: no box is far from them by less than this factor
_LEAST_SPREAD = np.log(1.1)


def find_geometry(table: PatchTable, sizes: NDArray[np.float64]) -> dict[str, NDArray[np.bool_]]:
    """Finds what is conspicuous about the boxes of n labels.

    Args:
        table: the labels; of a box that is not a number, and of whole images, nothing is said
        sizes: (n, 2) width and height of each label's image in pixels, NaN where not known

    Returns:
        ``{name: (n,)}`` of :data:`GEOMETRY_KINDS`:

        - *sliver*: one side is at least 8 times the other
        - *tiny*: the longer side has at most 8 pixels; of an image of unknown size, 1 %
        - *nested*: at least 90 % of it lies in a larger box of its class, which is not the same
          object's (an overlap of .5)
        - *cut off*: it ends at the image's border
        - *outside*: it reaches beyond the border
        - *no area*: its width or height is not above 0
        - *odd size*, *odd shape*: the square root of its area, or its aspect, lies 4 robust
          standard deviations from the median of its class, which has at least 20 labels
    """
    if table.of_whole_images:  # which have no boxes
        return {name: np.zeros(len(table), dtype=bool) for name in GEOMETRY_KINDS}
    finite = np.asarray(np.isfinite(table.boxes).all(axis=1))
    boxes = np.where(finite[:, None], table.boxes, 0.0)  # which no other lies in
    known = np.asarray((sizes > 0).all(axis=1))  # of NaN none is
    pixels = np.where(known[:, None], sizes, 1.0)
    border = np.where(known[:, None], _BORDER / pixels, _BORDER_PART)
    area = np.asarray((boxes[:, 2:] > 0).all(axis=1))
    sides = np.maximum(boxes[:, 2:], 1e-9) * pixels
    near, far = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
    outside = ((near < -border) | (far > 1 + border)).any(axis=1)
    at_border = ((near <= border) | (far >= 1 - border)).any(axis=1)
    longest = sides.max(axis=1)
    aspect = np.log(sides[:, 0] / sides[:, 1])
    found = {
        SLIVER: np.abs(aspect) >= np.log(_SLIVER),
        TINY: longest <= np.where(known, _TINY, _TINY_PART),
        NESTED: _nested(table, boxes),
        CUT_OFF: at_border & ~outside,
        ODD_SIZE: _far_from_class(table.codes, np.log(boxes[:, 2:].clip(1e-9)).mean(axis=1), area),
        ODD_SHAPE: _far_from_class(table.codes, aspect, area),
    }
    found = {name: which & area & finite for name, which in found.items()}
    found |= {OUTSIDE: outside & finite, NO_AREA: ~area & finite}
    return {name: found[name] for name in GEOMETRY_KINDS}


def name_geometry(found: dict[str, NDArray[np.bool_]]) -> list[list[str] | None]:
    """Returns the names of what :func:`find_geometry` found of each label, None for nothing."""
    names: list[list[str] | None] = [None] * len(next(iter(found.values())))
    for name, which in found.items():
        for row in np.flatnonzero(which).tolist():
            names[row] = [*(names[row] or ()), name]
    return names


def count_geometry(found: dict[str, NDArray[np.bool_]]) -> dict[str, int]:
    """Returns how many labels each was found of."""
    return {name: int(which.sum()) for name, which in found.items()}


def _nested(table: PatchTable, boxes: NDArray[np.float64]) -> NDArray[np.bool_]:
    pairs = overlapping(table.media, boxes, table.media, boxes)
    codes = table.codes[pairs.rows]
    same = (codes == table.codes[pairs.others]) & (codes >= 0)  # no class is not one class
    in_larger = (pairs.inside >= _NESTED) & (pairs.around < pairs.inside)
    nested = np.zeros(len(table), dtype=bool)
    nested[pairs.rows[same & in_larger & (pairs.iou < SAME_OBJECT)]] = True
    return nested


def _far_from_class(
    codes: NDArray[np.int32], values: NDArray[np.float64], usable: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Returns which values lie far from those of their class: medians and quartiles are not drawn
    toward what is looked for."""
    far = np.zeros(len(codes), dtype=bool)
    rows = np.flatnonzero(usable & (codes >= 0))
    order = rows[np.lexsort((values[rows], codes[rows]))]
    edges = np.flatnonzero(np.diff(codes[order], prepend=-2, append=-2))
    for start, end in itertools.pairwise(edges):
        if end - start < _FEWEST:
            continue
        members = order[start:end]
        low, middle, high = np.quantile(values[members], [0.25, 0.5, 0.75])
        below, above = (
            max(part / _QUARTILE, _LEAST_SPREAD) for part in (middle - low, high - middle)
        )
        distance = values[members] - middle
        far[members] = (distance < -_FAR * below) | (distance > _FAR * above)
    return far
