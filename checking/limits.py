"""``--fail-if``: when a check does not pass."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..core.errors import InvalidParameter
from ..issues.attributes import ISSUES, MISSED

WRONG = "wrong"
"""Labels with any issue; an object that has no label is none of them."""

_RULE = re.compile(r"\s*(\w+)\s*(>=|>)\s*(\d+(?:\.\d*)?|\.\d+)\s*(%?)\s*")


@dataclass(frozen=True)
class Limit:
    """What may be wrong.

    Attributes:
        issue: ``WRONG`` or one of the issues
        most: the limit
        percent: whether it is in percent of the labels
        reached: whether the limit itself is too much
    """

    issue: str
    most: float
    percent: bool
    reached: bool

    def __str__(self) -> str:
        sign = ">=" if self.reached else ">"
        return f"{self.issue} {sign} {self.most:g}{'%' if self.percent else ''}"

    def passed(self, count: int, labels: int) -> bool:
        """Whether ``count`` of ``labels`` are too many."""
        value = 100 * count / max(1, labels) if self.percent else float(count)
        return value >= self.most if self.reached else value > self.most


def parse_limit(text: str) -> Limit:
    """Reads a rule such as ``wrong > 2%`` or ``mislabeled >= 5``.

    Raises:
        InvalidParameter: if it is none
    """
    found = _RULE.fullmatch(text)
    names = (WRONG, *ISSUES)
    if found is None or found[1] not in names:
        raise InvalidParameter(
            "--fail-if is 'NAME > NUMBER' or 'NAME > NUMBER%', where NAME is "
            f"{', '.join(names[:-1])} or {names[-1]}: for example 'wrong > 2%', not '{text}'."
        )
    return Limit(found[1], float(found[3]), found[4] == "%", found[2] == ">=")


def refuse_missed(limits: Sequence[Limit]) -> None:
    """Refuses rules on missed objects, where nothing tells of any: they would never be met.

    Raises:
        InvalidParameter: if one of the rules is
    """
    for limit in limits:
        if limit.issue == MISSED:
            raise InvalidParameter(
                f"'{limit}' can never be met here: which objects have no label is told by a "
                "detector's predictions, which --second gives."
            )
