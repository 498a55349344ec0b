"""Checks of numbers and names that come from a form, a file or a call."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any

from .errors import InvalidParameter

_SHOWN = 40


def check_whole(what: str, value: Any, least: int, most: int | None = None) -> None:
    """Checks that a value is a whole number in ``[least, most]``.

    Args:
        what: begins the sentence, such as "The batch size"
        value: what was given
        least: the smallest that will do
        most: the largest that will do, None for any

    Raises:
        InvalidParameter: if it is not
    """
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole or value < least or (most is not None and value > most):
        allowed = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise InvalidParameter(f"{what} must be a whole number {allowed}, not {_shown(value)}.")


def check_number(
    what: str, value: Any, least: float = -math.inf, most: float = math.inf, *, above: bool = False
) -> None:
    """Checks that a value is a finite number in ``[least, most]``.

    Args:
        what: begins the sentence, such as "Perplexity"
        value: what was given
        least: the smallest that will do
        most: the largest that will do
        above: whether ``least`` itself is too small

    Raises:
        InvalidParameter: if it is not
    """
    try:
        number = float(value) if isinstance(value, Real) else math.nan
    except OverflowError:  # a whole number that no float can hold
        number = math.nan
    bool_ = isinstance(value, bool)
    if bool_ or not math.isfinite(number) or not (least < number if above else least <= number):
        fits = False
    else:
        fits = number <= most
    if not fits:
        bounds = []
        if least > -math.inf:
            bounds.append(f"above {least:g}" if above else f"of at least {least:g}")
        if most < math.inf:
            bounds.append(f"of at most {most:g}")
        allowed = " ".join(["a number", " and ".join(bounds)]).rstrip()
        raise InvalidParameter(f"{what} must be {allowed}, not {_shown(value)}.")


def _shown(value: Any) -> str:
    text = str(value) if isinstance(value, Real) else repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def check_name(name: Any, what: str, example: str, longest: int) -> None:
    """Checks what FiftyOne uses as the key of a run.

    Args:
        name: the name
        what: what it is called, for the sentence
        example: a valid one, for the sentence
        longest: how many characters it may have

    Raises:
        InvalidParameter: if it is not a valid name
    """
    if isinstance(name, str) and len(name) > longest:
        raise InvalidParameter(
            f"The {what} has {len(name)} characters: it may have {longest} at most."
        )
    if not isinstance(name, str) or not name.isidentifier():
        raise InvalidParameter(
            f"The {what} '{name}' must be letters, digits and underscores, and must not start "
            f"with a digit: for example '{example}'."
        )
