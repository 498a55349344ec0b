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


def has_mask(label: Mapping[str, Any]) -> bool:
    """Whether a label as the database has it has a mask, in the document or in a file."""
    return label.get("mask") is not None or label.get("mask_path") is not None


def can_move(label: Mapping[str, Any]) -> bool:
    """Whether a label as the database has it has a box, and nothing that hangs on it."""
    return why_fixed(label.get("bounding_box"), has_mask(label)) is None


def why_fixed(box: Sequence[float] | None, masked: bool) -> str | None:
    """Says why a label's box is not moved: it is an outline, or its mask would be stretched.

    Args:
        box: its box, None where it has none
        masked: whether it has a mask

    Returns:
        a sentence, None where the box can be moved
    """
    if box is None:
        return (
            "This label has no box of its own: correct its outline or points in an annotation "
            "tool, or skip it."
        )
    if masked:
        return (
            "This label has a mask, which a new box would stretch: correct both in an annotation "
            "tool, or skip it."
        )
    return None


def check_can_move(label: Mapping[str, Any]) -> None:
    """Checks :func:`can_move`.

    Raises:
        InvalidParameter: if it cannot: it is an outline, or its mask would be stretched
    """
    fixed = why_fixed(label.get("bounding_box"), has_mask(label))
    if fixed is not None:
        raise InvalidParameter(fixed)
