"""How far reviewers agree on the labels that were answered twice, and what that bounds.

Where two reviewers disagree one of them errs. So the share of answers in which one errs is no more
than that in which they disagree, unless both err alike. The labels that are asked twice are drawn
at random, so the share of all labels on which the two would disagree has the same kind of bound as
that of wrong labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..core.sentences import count
from .bounds import Draws, Population
from .second_answers import Pair

_DIFFER = 0.05  # of the answers, as is guessed of reviewers
_ENOUGH = 10


@dataclass(frozen=True)
class Agreement:
    """How two reviewers, or one and the same, answered the same labels.

    Attributes:
        first, second: who; the same name for one who was asked again later
        labels: how many both said right or wrong of
        same: of how many they said the same
        kappa: Cohen's kappa, None where it is not defined: all answers are alike
    """

    first: str
    second: str
    labels: int
    same: int
    kappa: float | None

    @property
    def sentence(self) -> str:
        """One sentence or two."""
        kappa = "" if self.kappa is None else f", Cohen's kappa {self.kappa:.2f}"
        share = f"{self.same:,} of {count(self.labels, 'label')}"
        part = f"({100 * self.same / self.labels:.1f}%{kappa})"
        if self.first == self.second:
            return (
                f"{self.first} was asked again later and answered the same for {share} {part}. It "
                "is the same person, so habits that are wrong do not show."
            )
        return f"{self.first} and {self.second} agree on {share} {part}, right or wrong."


def agreements(pairs: Sequence[Pair]) -> tuple[Agreement, ...]:
    """Counts the agreement of each two reviewers, those of the most labels first."""
    by_two: dict[tuple[str, str], list[tuple[bool, bool]]] = {}
    for pair in pairs:
        if pair.second is None or pair.is_wrong is None:
            continue
        said = (pair.first, pair.was_wrong), (pair.second, pair.is_wrong)
        (one, by_one), (other, by_other) = sorted(said, key=lambda each: each[0])
        by_two.setdefault((one, other), []).append((by_one, by_other))
    found = [
        Agreement(*names, len(both), sum(a == b for a, b in both), _kappa(both))
        for names, both in by_two.items()
    ]
    return tuple(sorted(found, key=lambda one: -one.labels))


def most_errors(
    pairs: Sequence[Pair], labels: int, error: float, said: bool | None = None
) -> float | None:
    """Returns the largest share of labels of which a reviewer may err, but for errors that two make
    alike; None where fewer than 10 labels were answered by two reviewers.

    Args:
        pairs: the labels that were drawn to be answered twice, in that order
        labels: how many labels they were drawn from
        error: with which probability, at most, the share is larger
        said: whether errors of the first one count who said wrong, or right; both by default
    """
    differ = [(pair.row, _differs(pair, said)) for pair in pairs if pair.first != pair.second]
    if sum(pair.second not in (None, pair.first) for pair in pairs) < _ENOUGH:
        return None
    rows, wrong = np.array(differ).T
    drawn = Draws(Population.alike(labels, _DIFFER), rows.astype(np.int64), wrong)
    # the lower end is not asked for, so the upper one has all of the error
    return drawn.bounds(2 * error).high / labels


def _differs(pair: Pair, said: bool | None) -> float:
    if said not in (None, pair.was_wrong):
        return 0.0
    return np.nan if pair.is_wrong is None else float(pair.is_wrong != pair.was_wrong)


def _kappa(both: list[tuple[bool, bool]]) -> float | None:
    if len({answer for pair in both for answer in pair}) < 2:
        return None
    from sklearn.metrics import cohen_kappa_score

    return float(cohen_kappa_score(*zip(*both, strict=True)))
