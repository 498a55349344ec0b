"""From boxes to crops, which are cut out of an image that was decoded once."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.checks import check_number
from ..core.errors import InvalidParameter

KEPT, DIMMED, REMOVED = "kept", "dimmed", "removed"
BACKGROUNDS = (KEPT, DIMMED, REMOVED)
_MOST_PADDING = 1000


@dataclass(frozen=True)
class CropSettings:
    """How a box becomes a crop; the words and the meaning are FiftyOne's.

    Attributes:
        alpha: grows (or, when negative, shrinks) width and height by ``100 * alpha`` percent,
            in [-1, inf); None leaves the box as it is
        force_square: whether to minimally grow the shorter side, within the image, so that the
            crop is square
        background: what becomes of what a label's mask, or the area of its polyline, leaves out:
            it is "kept", "dimmed" or "removed"
        upright: whether a rotated box, which is an outline of four corners, is cropped as if it
            were not rotated, its longer side horizontal
    """

    alpha: float | None = None
    force_square: bool = False
    background: str = KEPT
    upright: bool = False

    def __post_init__(self) -> None:
        if self.background not in BACKGROUNDS:
            raise InvalidParameter(f"The background is one of: {', '.join(BACKGROUNDS)}.")
        if self.alpha is not None:
            # 0.1 grows each box by 10 percent
            check_number("Padding (alpha)", self.alpha, -1, _MOST_PADDING, above=True)

    @property
    def needs_outlines(self) -> bool:
        """Whether crops depend on what of its box a label covers."""
        return self.background != KEPT or self.upright

    def recorded(self) -> dict[str, Any]:
        """Returns what is written down of them: of what came after the first version no default."""
        values = asdict(self)
        first = ("alpha", "force_square")
        return {
            name: value
            for name, value in values.items()
            if name in first or value != getattr(CropSettings, name)
        }

    @classmethod
    def of(cls, record: dict[str, Any]) -> CropSettings:
        """Returns the settings of what was written down, among other things."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in record.items() if name in known})


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
    """Cuts crops out of an image, with all of their background.

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
