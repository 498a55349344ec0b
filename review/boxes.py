"""A box that a reviewer drew: checked, and cut at the border of the image."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..core.errors import InvalidParameter

# a side is at least so much of the image: a fifth of a pixel of a photo
_LEAST = 1e-4


def checked_box(box: Sequence[float] | None) -> list[float]:
    """Returns a box as it is kept: what lies outside the image is cut off.

    Args:
        box: ``[x, y, width, height]`` relative to the image

    Raises:
        InvalidParameter: if it is no box, has no area, or lies outside the image
    """
    if box is None or len(box) != 4 or not all(map(math.isfinite, box)):
        raise InvalidParameter("Say where the box should be: drag its corners or edges.")
    x, y, width, height = box
    if min(width, height) < _LEAST:
        raise InvalidParameter(
            "The box was shrunk to nothing: drag its corners apart, or answer that it is not an "
            "object."
        )
    left, top = max(x, 0.0), max(y, 0.0)
    wide, high = min(x + width, 1.0) - left, min(y + height, 1.0) - top
    if min(wide, high) < _LEAST:
        raise InvalidParameter(
            "The box was dragged out of the image: drag it back, or say that it is not an object."
        )
    # what lies inside stays as it is, to the last digit
    inside = x >= 0 and x + width <= 1, y >= 0 and y + height <= 1
    return [left, top, width if inside[0] else wide, height if inside[1] else high]


def can_move(label: Mapping[str, Any]) -> bool:
    """Whether a label as the database has it has a box, and nothing that hangs on it."""
    has_mask = label.get("mask") is not None or label.get("mask_path") is not None
    return label.get("bounding_box") is not None and not has_mask


def check_can_move(label: Mapping[str, Any]) -> None:
    """Checks :func:`can_move`.

    Raises:
        InvalidParameter: if it cannot: it is an outline, or its mask would be stretched
    """
    if can_move(label):
        return
    if label.get("bounding_box") is None:
        raise InvalidParameter(
            "This label has no box of its own: correct its outline or points in an annotation "
            "tool, or skip it."
        )
    raise InvalidParameter(
        "This label has a mask, which a new box would stretch: correct both in an annotation tool, "
        "or skip it."
    )
