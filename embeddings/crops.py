"""From boxes to crops, which are cut out of an image that was decoded once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.checks import check_number

_MOST_PADDING = 1000


@dataclass(frozen=True)
class CropSettings:
    """How a box becomes a crop; the words and the meaning are FiftyOne's.

    Attributes:
        alpha: grows (or, when negative, shrinks) width and height by ``100 * alpha`` percent,
            in [-1, inf); None leaves the box as it is
        force_square: whether to minimally grow the shorter side, within the image, so that the
            crop is square
    """

    alpha: float | None = None
    force_square: bool = False

    def __post_init__(self) -> None:
        if self.alpha is not None:
            # 0.1 grows each box by 10 percent
            check_number("Padding (alpha)", self.alpha, -1, _MOST_PADDING, above=True)


def pixel_windows(
    boxes: NDArray[np.float64], width: int, height: int, settings: CropSettings
) -> NDArray[np.int64]:
    """Turns relative boxes into windows of whole pixels.

    For boxes inside the image these are the same pixels that FiftyOne's
    ``compute_patch_embeddings`` crops; parts outside it are cut off, and a window is never empty.

    Args:
        boxes: (n, 4) ``[x, y, width, height]`` relative to the image, finite
        width: the image's width in pixels
        height: the image's height in pixels
        settings: padding and squaring

    Returns:
        (n, 4) int64 ``[left, top, right, bottom]`` in pixels, right and bottom exclusive
    """
    boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    size = np.array([width, height])
    start, end = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
    if settings.alpha is not None:
        margin = 0.5 * settings.alpha * (end - start)
        start, end = start - margin, end + margin
    first = np.minimum((np.clip(start, 0, 1) * size).astype(np.int64), size - 1)
    last = np.maximum((np.clip(end, 0, 1) * size).astype(np.int64), first + 1)
    if settings.force_square:
        first, last = _squared(first, last, size)
    return np.concatenate([first, last], axis=1)


def cut_crops(
    pixels: NDArray[np.uint8], boxes: NDArray[np.float64], settings: CropSettings
) -> list[NDArray[np.uint8]]:
    """Cuts crops out of an image.

    Args:
        pixels: (height, width, 3) of the image
        boxes: (n, 4), relative
        settings: padding and squaring

    Returns:
        n views of the pixels, (height, width, 3)
    """
    height, width = pixels.shape[:2]
    windows = pixel_windows(boxes, width, height, settings).tolist()
    return [pixels[top:bottom, left:right] for left, top, right, bottom in windows]


def _squared(
    start: NDArray[np.int64], end: NDArray[np.int64], size: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    # the side is the longer one, or what the image can give
    side = np.minimum((end - start).max(axis=1), size.min())[:, None]
    # Grows half to either side (rounded down on the left, as FiftyOne's cropping does), then
    # slides the window back into the image.
    grow = side - (end - start)
    start = start - np.trunc(grow / 2).astype(np.int64)
    start = np.clip(start, 0, size - side)
    return start, start + side
