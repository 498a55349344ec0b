"""The shape of a label, drawn over a picture of it: the one place where masks, lines and points
become what the browser draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..dataset.label_shapes import Points, Shape
from ..embeddings.outlines import read_mask

# what is drawn of one label at most
_MOST_LINES, _MOST_POINTS = 200, 1000
# so far, in pixels of the picture, may the drawn edge of a mask be from its edge
_TOLERANCE = 0.5
# of a larger mask fewer cells are looked at
_MOST_CELLS = 2048
# what is so many pictures away is not seen, wherever it is
_FAR = 1000.0
# of a coordinate, in parts of the picture
_DIGITS = 5


@dataclass(frozen=True)
class Drawing:
    """What is drawn over a picture of a label.

    Attributes:
        lines: the ``[x, y]`` of each point of each line, relative to the picture
        closed: whether each line ends where it begins
        filled: whether the label is what lies within an odd number of the lines
        points: ``[x, y]`` of points beside the lines
    """

    lines: list[list[list[float]]]
    closed: bool
    filled: bool
    points: list[list[float]]


def draw_shape(
    shape: Shape, box: NDArray[np.float64], window: Sequence[float], size: int
) -> Drawing:
    """Draws the shape of a label over a picture.

    Args:
        shape: the shape
        box: (4,) ``[x, y, width, height]`` of the label, relative to its image
        window: what the picture shows of the image, likewise
        size: the longest side of the picture in pixels: what is smaller is left out of the edges of
            masks

    Returns:
        the :class:`Drawing`, of 200 lines and 1000 points at most: the largest lines, the first
        points; without either of a mask that covers nothing

    Raises:
        UnreadableImage: if its mask cannot be read
    """
    if shape.mask is None:
        lines, tolerance = shape.lines, 0.0
    else:
        edges = trace_mask(read_mask(shape.mask))
        lines, tolerance = [box[:2] + edge * box[2:] for edge in edges], _TOLERANCE
    is_mask = shape.mask is not None
    closed = is_mask or shape.closed
    start, extent = np.split(np.asarray(window, dtype=np.float64), 2)

    def in_picture(points: Points) -> Points:
        return np.clip((points - start) / extent, -_FAR, _FAR)

    drawn = _bounded([in_picture(line) * size for line in lines], closed, tolerance)
    return Drawing(
        lines=[(line / size).round(_DIGITS).tolist() for line in drawn],
        closed=closed,
        filled=is_mask or shape.filled,
        points=in_picture(shape.points[:_MOST_POINTS]).round(_DIGITS).tolist(),
    )


def trace_mask(mask: NDArray[np.bool_]) -> list[Points]:
    """Returns the edges of what a mask (height, width) covers, those of its holes among them.

    Returns:
        (n, 2) points ``[x, y]`` of each edge, in parts of the mask: corners of its cells, so that
        what is enclosed is what is covered
    """
    import cv2

    cells: Any = mask.view(np.uint8)
    height, width = (min(side, _MOST_CELLS) for side in mask.shape)
    if (height, width) != mask.shape:
        cells = cv2.resize(cells, (width, height), interpolation=cv2.INTER_NEAREST)
    # OpenCV goes through the centers of the outermost cells. Of quarters of cells, each has one
    # corner of its cell, and those that it goes through have the corners at the edge.
    quarters = cells.repeat(2, axis=0).repeat(2, axis=1)
    contours, _ = cv2.findContours(quarters, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    return [(contour[:, 0] + 1) // 2 / (width, height) for contour in contours]


def _bounded(lines: list[Points], closed: bool, tolerance: float) -> list[Points]:
    """Returns the largest lines, with so few of their points that there are not too many.

    Args:
        lines: in pixels
        closed: whether each ends where it begins
        tolerance: how far from its points a line may be
    """
    import cv2

    if len(lines) > _MOST_LINES:
        lines = sorted(lines, key=lambda line: float(np.ptp(line, axis=0).sum()))[-_MOST_LINES:]

    def simplified(line: Points) -> Points:
        simple = cv2.approxPolyDP(line.astype(np.float32)[:, None], tolerance, closed)
        return np.asarray(simple, dtype=np.float64)[:, 0]

    simple = [simplified(line) for line in lines] if tolerance else lines
    while sum(map(len, simple)) > _MOST_POINTS:
        tolerance = 2 * tolerance or _TOLERANCE
        simple = [simplified(line) for line in lines]
    return simple
