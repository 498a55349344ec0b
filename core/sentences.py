"""Words that summaries and forms share."""

from __future__ import annotations

from collections.abc import Sequence


def count(number: int, singular: str, plural: str | None = None) -> str:
    """Returns a number with its noun, such as ``1,024 patches``."""
    return f"{number:,} {agree(number, singular, plural or singular + 's')}"


def agree(number: int, singular: str, plural: str) -> str:
    """Returns the word that goes with a number of things, such as ``is`` or ``are``."""
    return singular if number == 1 else plural


def whole_percent(part: float) -> str:
    """Returns a part in percent, such as ``98%``, and ``over 99%`` of what is not quite all."""
    if 0 < part < 0.01:
        return "under 1%"
    return "over 99%" if 0.99 < part < 1 else f"{part:.0%}"


def listed(words: Sequence[str]) -> str:
    """Returns some words as a sentence lists them, such as ``a, b and c``."""
    *others, last = words or [""]
    return f"{', '.join(others)} and {last}" if others else last


def first_line(error: BaseException) -> str:
    """Returns the first line of what an error says, without its full stop."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
