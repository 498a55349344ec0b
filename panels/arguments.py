"""Checks of what comes from the browser: whoever reaches the App's server can call the methods.

Nothing is passed on that was not checked here: keys and tokens are text, rows exist, numbers are in
their range. No path of a file is ever taken.
"""

from __future__ import annotations

import binascii
import math
from base64 import b64decode
from typing import Any

import numpy as np
from bson import ObjectId
from numpy.typing import NDArray

from ..core.errors import InvalidParameter
from ..maps.map import Map, load_map

_MAX_TEXT = 500
_MAX_TEXTS = 100_000
_MAX_NUMBER = 1e300


def shown_map(ctx: Any) -> Map:
    """Returns the map that the browser shows, by its key and its identity."""
    return load_map(ctx.dataset, text(ctx.params, "key"), text(ctx.params, "run"))


def text(params: dict[str, Any], name: str) -> str:
    """Returns a text of reasonable length."""
    value = params.get(name)
    if not isinstance(value, str) or not value or len(value) > _MAX_TEXT or "\0" in value:
        raise InvalidParameter(f"'{name}' must be a text of at most {_MAX_TEXT} characters.")
    return value


def optional_text(params: dict[str, Any], name: str) -> str | None:
    """Returns a text, or None where there is none."""
    return None if params.get(name) is None else text(params, name)


def object_id(params: dict[str, Any], name: str) -> str:
    """Returns an id of a sample or a label."""
    value = params.get(name)
    if not isinstance(value, str) or not ObjectId.is_valid(value):
        raise InvalidParameter(f"'{name}' must be an id of 24 digits.")
    return value


def choice(params: dict[str, Any], name: str, choices: tuple[str, ...], default: str) -> str:
    """Returns one of some words."""
    value = params.get(name, default)
    if not isinstance(value, str) or value not in choices:
        raise InvalidParameter(f"'{name}' must be one of: {', '.join(choices)}.")
    return value


def flag(params: dict[str, Any], name: str) -> bool:
    """Returns a boolean, false where there is none."""
    value = params.get(name, False)
    if not isinstance(value, bool):
        raise InvalidParameter(f"'{name}' must be true or false.")
    return value


def number(params: dict[str, Any], name: str, low: float, high: float, default: float) -> float:
    """Returns a finite number within a range."""
    value = params.get(name, default)
    usable = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not usable or not math.isfinite(value) or not low <= value <= high:
        raise InvalidParameter(f"'{name}' must be a number from {low:g} to {high:g}.")
    return float(value)


def whole_number(params: dict[str, Any], name: str, low: int, high: int, default: int) -> int:
    """Returns an integer within a range."""
    value = number(params, name, low, high, default)
    if value != int(value):
        raise InvalidParameter(f"'{name}' must be a whole number.")
    return int(value)


def optional_number(params: dict[str, Any], name: str) -> float | None:
    """Returns a finite number, or None where there is none."""
    if params.get(name) is None:
        return None
    return number(params, name, -_MAX_NUMBER, _MAX_NUMBER, 0)


def optional_texts(params: dict[str, Any], name: str) -> list[str | None] | None:
    """Returns a list of texts, of which one may be None; None where there is no list."""
    values = params.get(name)
    if values is None:
        return None
    fits = isinstance(values, list) and len(values) <= _MAX_TEXTS
    if not fits or any(
        not isinstance(v, str) or len(v) > _MAX_TEXT for v in values if v is not None
    ):
        raise InvalidParameter(f"'{name}' must be a list of at most {_MAX_TEXTS:,} texts.")
    return list(values)


def row(params: dict[str, Any], name: str, n: int) -> int:
    """Returns the number of one of n rows."""
    return _rows_of_list([params.get(name)], name, n)[0]


def row_list(params: dict[str, Any], name: str, n: int, at_most: int) -> list[int]:
    """Returns a short list of rows."""
    value = params.get(name)
    if not isinstance(value, list) or len(value) > at_most:
        raise InvalidParameter(f"'{name}' must be a list of at most {at_most} rows.")
    return _rows_of_list(value, name, n)


def rows(params: dict[str, Any], name: str, n: int) -> NDArray[np.int64]:
    """Returns a selection of n rows, which comes as bits."""
    value = params.get(name)
    bits = value.get("bits") if isinstance(value, dict) else None
    wrong = InvalidParameter(f"'{name}' must be a selection of this map's {n:,} rows.")
    # the length is looked at before anything is decoded
    size = (n + 7) // 8
    if not isinstance(bits, str) or len(bits) != 4 * ((size + 2) // 3):
        raise wrong
    try:
        data = np.frombuffer(b64decode(bits, validate=True), dtype=np.uint8)
    except (binascii.Error, ValueError):
        raise wrong from None
    chosen = np.flatnonzero(np.unpackbits(data, bitorder="little"))
    if len(data) != size or (len(chosen) and chosen[-1] >= n):
        raise wrong
    return chosen


def _rows_of_list(values: list[Any], name: str, n: int) -> list[int]:
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < n:
            raise InvalidParameter(f"'{name}' must name rows from 0 to {n - 1}.")
    return values
