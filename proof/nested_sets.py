"""The largest set of labels of which a share is right, as answers on some of them prove.

Labels are ordered by how suspicious they are, before any of the answers is given, and a few sets of
the least suspicious ones are looked at, each inside the next. They are tested from the smallest on,
until one is not proven yet (a fixed sequence, as in Angelopoulos et al., "Learn then Test", 2021):
so all of them share one error, and nothing is to be corrected for. Each test is a bet that may be
looked at after every answer (:mod:`.bounds`). That the order is a good one is not assumed: a poor
one proves less.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .bounds import Bounds, Draws, Population

_SETS = 16
# The share of wrong labels that is guessed of the smallest set, and of the largest, beside the one
# that the target allows.
_SMALLEST, _LARGEST = 0.25, 1.0


@dataclass(frozen=True)
class Proof:
    """What answers prove.

    Attributes:
        size: how many labels are in the set that meets the target; 0 where none is proven
        next_size: how many are in the next set, 0 where the largest one is proven
        evidence: how far the next set is proven, in [0, 1)
    """

    size: int
    next_size: int
    evidence: float


class NestedSets:
    """Sets of the least suspicious labels, each inside the next."""

    def __init__(self, guesses: NDArray[np.floating], target: float, sure: int = 0) -> None:
        """Chooses the sets.

        Args:
            guesses: (N,) the probabilities that the labels are wrong, ascending
            target: the share that should be right, in (0, 1)
            sure: how many labels are in every set of which it is known that they are right
        """
        self.target, self.sure = target, sure
        shares = np.cumsum(guesses) / (np.arange(1, len(guesses) + 1) + sure) / (1 - target)
        # the guesses ascend, and so do the shares but for the first few
        smallest, largest = (max(int((shares <= part).sum()), 1) for part in (_SMALLEST, _LARGEST))
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
        size, following, part = 0, 0, 0.0
        for following, population in zip(self.sizes, self._populations, strict=True):
            inside = rows < following
            draws = Draws(population, rows[inside], wrong[inside])
            # the least number of wrong labels that is too many
            many = int(np.floor((1 - self.target) * (following + self.sure) + 1e-9)) + 1
            part = np.log(max(draws.against_more(many), 1.0)) / -np.log(1 - confidence)
            if part < 1:
                return Proof(size, following, float(part))
            size = following
        return Proof(size, 0, 0.0)

    def bounds(
        self, size: int, rows: NDArray[np.int64], wrong: NDArray[np.float64], confidence: float
    ) -> Bounds:
        """Returns how many labels of one of the sets are wrong; parameters as for :meth:`prove`."""
        inside = rows < size
        population = self._populations[self.sizes.index(size)]
        return Draws(population, rows[inside], wrong[inside]).bounds(1 - confidence)
