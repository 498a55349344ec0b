"""The largest set of labels of which a share is right, as answers on some of them prove.

Labels are ordered by how suspicious they are, before any of the answers is given, and a few sets of
the least suspicious ones are looked at, each inside the next. Each has an upper bound on its wrong
labels that may be looked at after every answer (:mod:`.bounds`); they share the error, so that all
of them hold at once. A set meets the target where what may be wrong beyond what was found is few
enough of the rest: what was found wrong does not stay in it. That the order is a good one is not
assumed: a poor one proves less.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .bounds import Draws, Population

_SETS = 4
# The share of wrong labels that is guessed of the smallest set, and of the largest, beside the one
# that the target allows.
_SMALLEST, _LARGEST = 0.25, 1.0
_LEAST_PLANNED = 140


@dataclass(frozen=True)
class Proof:
    """What answers prove.

    Attributes:
        size: how many labels are in the set that meets the target without those that were found
            wrong; 0 where none is proven
        most: how many labels of it are wrong at most, those that were found among them
        next_size: how many are in the larger set that is closest to be proven, 0 for none
        evidence: how far that set is proven, in [0, 1)
    """

    size: int
    most: int
    next_size: int
    evidence: float


class NestedSets:
    """Sets of the least suspicious labels, each inside the next."""

    def __init__(self, guesses: NDArray[np.floating], target: float) -> None:
        """Chooses the sets.

        Args:
            guesses: (N,) the probabilities that the labels are wrong, ascending
            target: the share that should be right, in (0, 1)
        """
        self.target, self._labels = target, len(guesses)
        shares = np.cumsum(guesses) / np.arange(1, len(guesses) + 1) / (1 - target)
        # the guesses ascend, and so do the shares but for the first few
        smallest, largest = (max(int((shares <= part).sum()), 1) for part in (_SMALLEST, _LARGEST))
        smallest = max(smallest, largest // _SETS)
        # of each how many labels, ascending
        self.sizes = sorted({int(size) for size in np.linspace(smallest, largest, _SETS)})
        self._populations = Population(guesses).first(self.sizes)

    def prove(
        self, rows: NDArray[np.int64], wrong: NDArray[np.float64], confidence: float
    ) -> Proof:
        """Finds the largest set that meets the target.

        Args:
            rows: (n,) labels of the largest set in the order in which they were drawn
            wrong: (n,) whether each is wrong, as in :class:`labelvet.proof.bounds.Draws`
            confidence: how sure it should be, in (0, 1)
        """
        aim = len(self.sizes) / (1 - confidence)
        planned = self._planned(aim)
        closest, following = 0.0, 0
        for size, population in zip(self.sizes[::-1], self._populations[::-1], strict=True):
            inside = rows < size
            found = int((wrong[inside] == 1).sum())
            if found == size:
                continue  # nothing of it is left
            draws = Draws(population, rows[inside], wrong[inside], planned * size // self.sizes[-1])
            # what was found does not stay
            most = found + int((1 - self.target) * (size - found) + 1e-9)
            evidence = float(np.log(draws.against_more(most + 1, aim)) / np.log(aim))
            if evidence >= 1 and draws.most(aim) <= most:
                return Proof(size, most, following, closest)
            evidence = min(evidence, 0.999)
            if evidence >= closest:
                closest, following = evidence, size
        return Proof(0, 0, following, closest)

    def _planned(self, aim: float) -> int:
        """After how many answers most should be proven: two and a half times as many as right ones
        would do, but not most of the labels."""
        enough = int(2.5 * np.log(aim) / -np.log(self.target))
        return min(max(_LEAST_PLANNED, enough), max(self._labels // 5, self.sizes[-1] // 2))
