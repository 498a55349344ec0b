"""What of its box a label covers: crops without their background, and of rotated boxes upright.

An outline is the mask of a box, as the bytes that FiftyOne stores or the path of its file, or the
shapes of a polyline.
"""

from __future__ import annotations

import io
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .crops import DIMMED, KEPT, REMOVED, CropSettings, cut_crops, pixel_windows
from .decoding import UnreadableImage, read_pixels

# the average color of ImageNet, which is about nothing to backbones
_NOTHING = np.array([124, 116, 104], np.uint8)
# what becomes of each value of a channel in the background: of a dimmed one a quarter is left
_VALUES = np.arange(256, dtype=np.uint8)[None, :, None]
_BACKGROUND = {
    REMOVED: np.broadcast_to(_NOTHING, (1, 256, 3)).copy(),
    DIMMED: _VALUES // 4 + _NOTHING // 4 * 3,
}

# how far the sides of a rotated box may be from a rectangle's, as a part of them
_CROOKED = 0.05
# OpenCV turns no larger pictures
_MOST_PIXELS = 32_000


def cut_outlined(
    pixels: NDArray[np.uint8],
    boxes: NDArray[np.float64],
    outlines: NDArray[np.object_],
    settings: CropSettings,
) -> list[NDArray[np.uint8]]:
    """Cuts crops out of an image, upright and with as much background as the settings say.

    Args:
        pixels: (height, width, 3) of the image
        boxes: (n, 4), relative
        outlines: (n,) what of its box each covers, None for all of it
        settings: how

    Returns:
        n crops, (height, width, 3)

    Raises:
        UnreadableImage: if a mask cannot be read
    """
    crops = cut_crops(pixels, boxes, settings)
    height, width = pixels.shape[:2]
    windows = pixel_windows(boxes, width, height, settings).tolist()
    for row, outline in enumerate(outlines):
        if outline is None:
            continue
        crop, window, inside = crops[row], windows[row], None
        if settings.upright and is_rotated_box(outline, width, height):
            turned = _turn(pixels, _corners(outline, width, height), settings)
            if turned is not None:
                crop, inside = turned
        if settings.background != KEPT:
            if inside is None:
                inside = cover(outline, boxes[row], window, width, height)
            crop = _fill_background(crop, inside, settings.background)
        crops[row] = crop
    return crops


def _fill_background(
    crop: NDArray[np.uint8], inside: NDArray[np.bool_], background: str
) -> NDArray[np.uint8]:
    import cv2  # a tenth of NumPy's time

    filled = cv2.LUT(crop, _BACKGROUND[background])
    return np.asarray(cv2.copyTo(crop, inside.view(np.uint8), filled), dtype=np.uint8)


def is_rotated_box(outline: Any, width: int = 1, height: int = 1) -> bool:
    """Whether an outline is one shape of four corners, and a rectangle in an image of a size."""
    if isinstance(outline, (bytes, str)) or outline is None or [len(s) for s in outline] != [4]:
        return False
    corners = _corners(outline, width, height)
    sides = np.roll(corners, -1, axis=0) - corners
    first, second = np.hypot(*sides[0]), np.hypot(*sides[1])
    if not min(first, second) > 0:
        return False
    askew = np.hypot(*(sides[0] + sides[2])) / first
    return bool(max(askew, abs(sides[0] @ sides[1]) / (first * second)) <= _CROOKED)


def _corners(outline: Any, width: int, height: int) -> NDArray[np.float64]:
    return np.asarray(outline[0], dtype=np.float64) * (width, height)


def _turn(
    pixels: NDArray[np.uint8], corners: NDArray[np.float64], settings: CropSettings
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]] | None:
    """Returns the crop of a rotated box, its longer side horizontal and from left to right, and
    which of its pixels are not padding; None of an image that is too large to turn."""
    import cv2

    along, across = corners[1] - corners[0], corners[2] - corners[1]
    if np.hypot(*along) < np.hypot(*across):
        along, across = across, -along
    if along[0] * across[1] < along[1] * across[0]:  # else the crop would be a mirror image
        across = -across
    if along[0] < 0 or (along[0] == 0 and along[1] < 0):
        along, across = -along, -across
    inner = np.array([np.hypot(*along), np.hypot(*across)])
    size = inner * (1 + (settings.alpha or 0.0))
    if settings.force_square:
        size[:] = size.max()
    size = np.maximum(size.round(), 1).astype(np.int64)
    if max(*size, *pixels.shape[:2]) > _MOST_PIXELS:
        return None
    # unit steps in the image for a step right and a step down in the crop
    steps = np.stack([along, across], axis=1) / inner
    start = corners.mean(axis=0) - 0.5 + steps @ (0.5 - size / 2)
    crop = cv2.warpAffine(
        pixels, np.column_stack([steps, start]), (int(size[0]), int(size[1])),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_CONSTANT,
        borderValue=_NOTHING.tolist(),
    )  # fmt: skip
    columns, rows = (
        np.abs(np.arange(extent) + 0.5 - extent / 2) <= length / 2
        for extent, length in zip(size.tolist(), inner.tolist(), strict=True)
    )
    return np.asarray(crop, dtype=np.uint8), rows[:, None] & columns


def cover(
    outline: Any, box: NDArray[np.float64], window: list[int], width: int, height: int
) -> NDArray[np.bool_]:
    """Returns which pixels of a window a label covers, (bottom - top, right - left).

    Args:
        outline: the outline of the label
        box: (4,) its box, relative
        window: ``[left, top, right, bottom]`` in pixels
        width: of the image, in pixels
        height: likewise

    Raises:
        UnreadableImage: if it is a mask that cannot be read
    """
    left, top, right, bottom = window
    if not isinstance(outline, (bytes, str)):
        return _fill(outline, window, width, height)
    # a border that covers nothing, for what is outside the box
    mask = np.pad(read_mask(outline), 1)
    columns = _places(np.arange(left, right), width, box[0], box[2], mask.shape[1])
    rows = _places(np.arange(top, bottom), height, box[1], box[3], mask.shape[0])
    return mask.take(rows, axis=0).take(columns, axis=1)


def _places(
    pixels: NDArray[np.int64], size: int, start: float, extent: float, cells: int
) -> NDArray[np.int64]:
    """Returns the cell of a mask with a border that the center of each pixel of a line is in."""
    cell = np.floor(((pixels + 0.5) / size - start) / extent * (cells - 2)) + 1
    return np.asarray(np.clip(cell, 0, cells - 1), dtype=np.int64)


def read_mask(outline: bytes | str) -> NDArray[np.bool_]:
    """Returns which cells of its box a mask covers, (height, width).

    Raises:
        UnreadableImage: if it is damaged, or its file is not there
    """
    try:
        if isinstance(outline, str):
            mask = read_pixels(outline)[..., 0]
        else:
            mask = np.load(io.BytesIO(zlib.decompress(outline)), allow_pickle=False)
    except (UnreadableImage, ValueError, OSError, EOFError, zlib.error) as error:
        raise UnreadableImage(f"the mask of a label in it cannot be read: {error}") from error
    if mask.ndim != 2 or not mask.size:
        raise UnreadableImage(f"the mask of a label in it has the shape {mask.shape}")
    return np.asarray(mask != 0)


def _fill(shapes: Any, window: list[int], width: int, height: int) -> NDArray[np.bool_]:
    """Fills the shapes of a polyline, of which one within another is a hole."""
    import cv2

    left, top, right, bottom = window
    covered = np.zeros((bottom - top, right - left), np.uint8)
    # in 256ths of a pixel, whose centers are whole numbers
    points = [
        ((np.array(shape) * (width, height) - (left + 0.5, top + 0.5)) * 256).round().astype(int)
        for shape in shapes
    ]
    cv2.fillPoly(covered, [each.astype(np.int32) for each in points], 1, shift=8)
    return covered.astype(bool)
