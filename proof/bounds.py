"""How many of N labels are wrong, from answers on some of them: bounds that hold at every moment.

Labels are drawn one after another at random, without replacement. The bounds come from a gambler
who bets against a number of wrong labels and grows rich where it is false (Waudby-Smith and Ramdas,
"Estimating means of bounded random variables by betting", JRSS B 2024, section 5). A guess for each
label, such as the suspicion of label issues, says how to bet: it is a control variate, as in
prediction-powered inference (Angelopoulos et al., Science 2023), so that what it explains costs no
answers. By Ville's inequality the bounds hold at all times at once: a person may look after every
answer and stop whenever they like. Guesses decide how narrow the bounds are, never whether they
hold.

How it bets. ``m`` is the share of wrong labels among those that were not drawn yet, ``p`` the guess
for the one that is drawn next, ``y`` 1 where it is wrong. Against "no more than m" a bet pays
``(h(p) + v y) / (mean of h + v m)``: where the share is m, that is 1 on average, whatever guesses
are worth, as the mean of h over all that are left is known. Against "no less than m" it pays
``(h(p) - v y) / (mean of h - v m)``. The h that grows fastest where the guesses are true has a
closed form. The wealth is an average over several v and several ways to read the guesses, so none
has to be chosen.
"""

from __future__ import annotations

from bisect import bisect
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, logsumexp

# By which factor the odds of a wrong label are other than what is bet against.
_MORE = np.array([1.1, 1.25, 1.5, 1.9, 2.5, 3.5, 6.0, 12.0, 40.0, 200.0])
_FEWER = np.array([0.9, 0.8, 0.67, 0.53, 0.4, 0.28, 0.16, 0.08, 0.03, 0.005])
# By which factor the odds of a guess are multiplied, 0 for no guess at all; what each begins with.
_READINGS = np.array([0.0, 0.3, 1.0, 3.0])
_BEGINS = np.array([0.2, 0.15, 0.5, 0.15])
_AT_ONCE = 20_000


@dataclass(frozen=True)
class Bounds:
    """How many labels of a population are wrong.

    Attributes:
        low, high: with the confidence that was asked for, it is within these
        estimate: the likeliest number
    """

    low: int
    estimate: float
    high: int


_Sums = tuple[NDArray[np.float64], NDArray[np.float64]]


class Population:
    """N labels that are drawn from, and what each draw may pay."""

    def __init__(self, guesses: NDArray[np.floating], sums: _Sums | None = None) -> None:
        """Takes labels.

        Args:
            guesses: (N,) the probability that each label is wrong. What is no number in [0, 1] is
                as good as no guess
            sums: what :attr:`sums` would be, where that is known
        """
        known = np.where((guesses >= 0) & (guesses <= 1), guesses, 0.5)
        self.guesses = np.clip(known.astype(np.float64), 1e-4, 1 - 1e-4)
        self._sums = sums

    @classmethod
    def alike(cls, size: int, guess: float) -> Population:
        """Returns a population of labels that are all guessed to be wrong as often."""
        one = cls(np.full(1, guess))
        return cls(np.full(size, guess), (size * one.sums[0], size * one.sums[1]))

    def __len__(self) -> int:
        return len(self.guesses)

    def first(self, sizes: list[int]) -> list[Population]:
        """Returns the populations of the first labels, for several ascending sizes."""
        found: list[Population] = []
        more = fewer = np.zeros((len(_READINGS), len(_MORE)))
        for start, end in zip([0, *sizes], sizes, strict=False):
            between = Population(self.guesses[start:end]).sums
            more, fewer = more + between[0], fewer + between[1]
            found.append(Population(self.guesses[:end], (more, fewer)))
        return found

    def stakes(self, rows: NDArray[np.int64], odds: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns the h of each reading and odds for some rows, (readings, odds, n)."""
        with np.errstate(divide="ignore"):
            read = expit(logit(self.guesses[rows]) + np.log(_READINGS)[:, None])[:, None, :]
        v = (odds - 1)[None, :, None]
        root = np.sqrt(np.maximum((1 - v) ** 2 + 4 * (1 - read) * v, 0.0))
        return np.asarray(((1 - v) + root) / 2)

    @property
    def sums(self) -> _Sums:
        """The sums of h over all labels, (readings, odds), for more and for fewer wrong ones."""
        if self._sums is None:
            parts = np.array_split(np.arange(len(self)), 1 + len(self) // _AT_ONCE)
            more, fewer = (
                np.sum([self.stakes(part, odds).sum(axis=2) for part in parts], axis=0)
                for odds in (_MORE, _FEWER)
            )
            self._sums = (more, fewer)
        return self._sums


class Draws:
    """Labels in the order in which they were drawn, and the answers on them."""

    def __init__(
        self, population: Population, rows: NDArray[np.int64], wrong: NDArray[np.float64]
    ) -> None:
        """Takes the first draws of a random order.

        Args:
            population: of N labels
            rows: (n,) distinct rows in the order in which they were drawn
            wrong: (n,) 1 for wrong, 0 for right, NaN where that is not known: the bounds then hold
                whatever it is
        """
        self._size = len(population)
        self._left = self._size - np.arange(len(rows), dtype=np.float64)
        self._least = np.where(np.isnan(wrong), 0.0, wrong)
        self._most = np.where(np.isnan(wrong), 1.0, wrong)
        self._population, self._rows = population, rows
        self._estimate = _difference(population.guesses, rows, (self._least + self._most) / 2)

    def bounds(self, error: float) -> Bounds:
        """Returns how many of the N labels are wrong, but for a probability of ``error``."""
        first, last = int(self._least.sum()), self._size - int((1 - self._most).sum())
        against = 2 / error  # each end may be wrong in half of the cases
        totals = range(first, last)
        low = first + bisect(totals, -against, key=lambda total: -self.against_fewer(total))
        high = first + bisect(
            totals, False, key=lambda total: self.against_more(total + 1) >= against
        )
        return Bounds(low, float(np.clip(self._estimate, low, max(low, high))), high)

    def against_fewer(self, total: int) -> float:
        """Returns what speaks against ``total`` or fewer wrong labels: where they are no more, it
        comes to x or more, at any time, with a probability of at most 1/x."""
        if total < self._least.sum():
            return np.inf
        return self._for_more.wealth(self._least, (total - _before(self._least)) / self._left)

    def against_more(self, total: int) -> float:
        """Returns what speaks against ``total`` or more wrong labels, likewise."""
        if total > self._size - (1 - self._most).sum():
            return np.inf
        return self._for_fewer.wealth(self._most, (total - _before(self._most)) / self._left)

    @cached_property
    def _for_more(self) -> _Bets:
        stakes = self._population.stakes(self._rows, _MORE)
        return _Bets(stakes, self._population.sums[0], _MORE, self._left)

    @cached_property
    def _for_fewer(self) -> _Bets:
        stakes = self._population.stakes(self._rows, _FEWER)
        return _Bets(stakes, self._population.sums[1], _FEWER, self._left)


class _Bets:
    """What a gambler puts on n draws: a bet for each reading of the guesses and each odds."""

    def __init__(
        self,
        stakes: NDArray[np.float64],
        totals: NDArray[np.float64],
        odds: NDArray[np.float64],
        left: NDArray[np.float64],
    ) -> None:
        self._stakes, self._values = stakes, (odds - 1)[None, :, None]
        n = stakes.shape[2]
        gone = np.concatenate([np.zeros((*totals.shape, 1)), stakes.cumsum(axis=2)], axis=2)
        # the mean of h over those that were left before each draw
        self._means = (totals[:, :, None] - gone[:, :, :n]) / left

    def wealth(self, wrong: NDArray[np.float64], share: NDArray[np.float64]) -> float:
        """Returns the most that the gambler ever had, who began with 1; see :meth:`grown`."""
        if not len(wrong):
            return 1.0
        most = max(float(self.grown(wrong, share).max()), 0.0)
        return float(np.exp(min(most, 700.0)))

    def grown(self, wrong: NDArray[np.float64], share: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns the logarithm of what the gambler has after each draw, (n,).

        Args:
            wrong: (n,) whether each draw was wrong
            share: (n,) what part of the labels that were left before it is said to be wrong
        """
        paid = self._stakes + self._values * wrong
        expected = self._means + self._values * share
        # of the last label everything is known, and rounding makes 0 of it
        grown = np.log(np.maximum(paid, 1e-12) / np.maximum(expected, 1e-12)).cumsum(axis=2)
        begins = np.log(_BEGINS / grown.shape[1])[:, None, None]
        return np.asarray(logsumexp(grown + begins, axis=(0, 1)))


def _difference(
    guesses: NDArray[np.float64], rows: NDArray[np.int64], wrong: NDArray[np.float64]
) -> float:
    """Estimates the number of wrong labels: the guesses of all, corrected by some answers."""
    if len(rows) < 2:
        return float(guesses.sum())
    drawn = guesses[rows]
    spread = drawn.var()
    # the part of the guesses that explains the most, as in PPI++
    part = np.cov(wrong, drawn, ddof=0)[0, 1] / spread if spread > 1e-12 else 0.0
    return float(
        len(guesses) * (wrong.mean() + np.clip(part, 0, 1) * (guesses.mean() - drawn.mean()))
    )


def _before(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sum of the values before each."""
    return np.concatenate([[0.0], np.cumsum(values)[:-1]]) if len(values) else values
