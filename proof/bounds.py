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

Where it is known about how many answers there will be, most of the wealth is bet otherwise: before
each draw, at the v whose growth has the best chance to reach what is aimed at in the draws that are
left until then (Voracek and Orabona, "STaR-Bets: sequential target-recalculating bets for tighter
confidence intervals", 2025), and by the way to read the guesses that fits best with the answers so
far: as a whole they may be far too high. The bounds are narrowest then, and hold at all other
times, too. Close numbers of wrong labels are bet against in the same way, so that what is said
against one is said against all that are further off.
"""

from __future__ import annotations

from bisect import bisect
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_expit, logit, logsumexp
from scipy.stats import norm

# By which factor the odds of a wrong label are other than what is bet against.
_MORE = np.array([*np.geomspace(1.08, 6, 16), 12.0, 40.0, 200.0])
_FEWER = np.array([*1 / np.geomspace(1.08, 12, 17), 0.03, 0.005])
# By which factor the odds of a guess are multiplied, 0 for no guess at all; what each begins with.
_READINGS = np.array([0.0, 0.1, 0.3, 1.0, 3.0])
_BEGINS = np.array([0.2, 0.05, 0.1, 0.5, 0.15])
# What part of the wealth is bet for how many times the planned number of answers.
_PLANNED = {1: 0.85, 3: 0.07}
# The variance by which a logarithm of wealth should grow in all draws that are left, by how many
# tenths it is short of its aim: of a Brownian motion this has the best chance to get there in time.
_TENTHS = 10
_SHORT = np.exp(-np.maximum(np.arange(20 * _TENTHS), 0.01) / _TENTHS)
_VARIANCES = ((2 * norm.pdf(norm.ppf(_SHORT / 2)) / _SHORT) ** 2).tolist()
_TYPICAL = 64
# As many plans there are for all totals, each for those about as close as can be told apart.
_CELLS = 256
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
        return _stakes(self.guesses[rows], odds)

    @cached_property
    def typical(self) -> NDArray[np.float64]:
        """Some guesses that stand for all."""
        places = (np.arange(_TYPICAL) + 0.5) / _TYPICAL
        return np.quantile(self.guesses, places) if len(self) else np.full(1, 0.5)

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
        self,
        population: Population,
        rows: NDArray[np.int64],
        wrong: NDArray[np.float64],
        planned: int | None = None,
    ) -> None:
        """Takes the first draws of a random order.

        Args:
            population: of N labels
            rows: (n,) distinct rows in the order in which they were drawn
            wrong: (n,) 1 for wrong, 0 for right, NaN where that is not known: the bounds then hold
                whatever it is
            planned: after how many draws the bounds are to be narrowest, fixed before the first;
                None for no such number
        """
        self._planned = planned
        self._size = len(population)
        self._least = np.where(np.isnan(wrong), 0.0, wrong)
        self._most = np.where(np.isnan(wrong), 1.0, wrong)
        self._first, self._last = int(self._least.sum()), self._size - int((1 - self._most).sum())
        self._population, self._rows = population, rows
        self._estimate = _difference(population.guesses, rows, (self._least + self._most) / 2)

    def bounds(self, error: float) -> Bounds:
        """Returns how many of the N labels are wrong, but for a probability of ``error``."""
        aim = 2 / error  # each end may be wrong in half of the cases
        totals = range(self._first, self._last)
        low, high = _first_left(self._for_more, totals, self._ends, aim), self.most(aim)
        return Bounds(low, float(np.clip(self._estimate, low, max(low, high))), high)

    def most(self, aim: float) -> int:
        """Returns how many labels are wrong at most, but for a probability of 1/aim."""
        totals = range(self._last, self._first, -1)
        return _first_left(self._for_fewer, totals, self._ends[::-1], aim)

    def against_more(self, total: int, aim: float) -> float:
        """Returns what speaks against ``total`` or more wrong labels: where they are as many, it
        comes to the aim, at any time, with a probability of at most 1/aim."""
        if total > self._last:
            return np.inf
        return self._for_fewer.wealth(total, aim, total)

    @property
    def _ends(self) -> list[int]:
        """The totals that end the cells in which one plan is followed."""
        ends = np.sin(np.linspace(0, np.pi / 2, _CELLS + 1)) ** 2 * self._size
        return list(np.unique(ends.astype(np.int64)).tolist())

    @cached_property
    def _for_more(self) -> _Bets:
        return _Bets(self._population, self._rows, self._least, _MORE, self._planned)

    @cached_property
    def _for_fewer(self) -> _Bets:
        return _Bets(self._population, self._rows, self._most, _FEWER, self._planned)


class _Bets:
    """What a gambler puts on n draws: a bet for each reading of the guesses and each odds.

    Attributes:
        read: (n,) how the guesses are read where one way is chosen, places of :data:`_READINGS`
    """

    def __init__(
        self,
        population: Population,
        rows: NDArray[np.int64],
        wrong: NDArray[np.float64],
        odds: NDArray[np.float64],
        planned: int | None,
    ) -> None:
        stakes = population.stakes(rows, odds)
        totals = population.sums[0 if odds is _MORE else 1]
        self._values, self._planned, self._wrong = (odds - 1)[None, :, None], planned, wrong
        n = stakes.shape[2]
        self._size, self._left = len(population), len(population) - np.arange(n)
        gone = np.concatenate([np.zeros((*totals.shape, 1)), stakes.cumsum(axis=2)], axis=2)
        # the mean of h over those that were left before each draw
        self._means = (totals[:, :, None] - gone[:, :, :n]) / self._left
        self._paid = stakes + self._values * wrong
        self._guesses, self._typical = population.typical, _stakes(population.typical, odds)
        self.read = _likeliest(population.guesses[rows], wrong)
        self._before = _before(wrong)
        self._chosen: dict[tuple[int, float], list[NDArray[np.int64]]] = {}

    def wealth(self, total: int, aim: float, plan: int | None) -> float:
        """Returns the most that the gambler ever had, who began with 1.

        Args:
            total: against how many wrong labels bets are made
            aim: what the gambler would like to have
            plan: against how many they are chosen; None for those alone that need no choice
        """
        if not len(self._wrong):
            return 1.0
        grows = self.grows(total)
        begins = np.log(_BEGINS / grows.shape[1])[:, None, None]
        has = logsumexp(grows.cumsum(axis=2) + begins, axis=(0, 1))
        if self._planned is not None:
            has = has + np.log(1 - sum(_PLANNED.values()))
            if plan is not None:
                draws = np.arange(len(self._wrong))
                # the last place is for no bet
                bets = np.vstack([grows[self.read, :, draws].T, np.zeros(len(draws))])
                parts = [
                    np.log(part) + bets[chosen, draws].cumsum()
                    for part, chosen in zip(_PLANNED.values(), self.choices(plan, aim), strict=True)
                ]
                has = logsumexp([has, *parts], axis=0)
        return float(np.exp(np.clip(has.max(), 0.0, 700.0)))

    def grows(self, total: int) -> NDArray[np.float64]:
        """Returns by how much the logarithm of each bet against a total grows with each draw,
        (readings, odds, n)."""
        expected = self._means + self._values * (total - self._before) / self._left
        # of the last label everything is known, and rounding makes 0 of it
        return np.asarray(np.log(np.maximum(self._paid, 1e-12) / np.maximum(expected, 1e-12)))

    def choices(self, plan: int, aim: float) -> list[NDArray[np.int64]]:
        """Returns which odds are bet at each draw so as to reach an aim against a total.

        Args:
            plan: the total
            aim: what is to be reached

        Returns:
            for each of :data:`_PLANNED`, (n,) places of the odds, -1 for no bet
        """
        if (plan, aim) not in self._chosen:
            bets = self.grows(plan)[self.read, :, np.arange(len(self.read))].tolist()
            variances = np.maximum.accumulate(self._variances(plan / self._size), axis=1)
            between = np.sqrt(variances[:, :-1] * variances[:, 1:])[self.read].tolist()
            self._chosen[plan, aim] = [
                _reach(np.log(aim / part), bets, between, max(times * (self._planned or 1), 1))
                for times, part in _PLANNED.items()
            ]
        return self._chosen[plan, aim]

    def _variances(self, share: float) -> NDArray[np.float64]:
        """The variance of what the logarithm of each bet grows by, (readings, odds)."""
        share = float(np.clip(share, 1e-4, 1 - 1e-4))
        wrong = _with_mean(self._guesses, share)
        values = self._values[0]
        expected = self._typical.mean(axis=2, keepdims=True) + values * share
        grows = [
            np.log(np.maximum(self._typical + values * said, 1e-12) / np.maximum(expected, 1e-12))
            for said in (1, 0)
        ]
        first, second = (
            (wrong * grows[0] ** power + (1 - wrong) * grows[1] ** power).mean(axis=2)
            for power in (1, 2)
        )
        return np.asarray(np.maximum(second - first**2, 1e-12))


def _first_left(bets: _Bets, totals: range, ends: list[int], aim: float) -> int:
    """Returns the first of some totals against which bets do not come to their aim.

    Args:
        bets: against these totals, of which they say the less the later they stand
        totals: consecutive ones, ascending or descending
        ends: the totals, in that direction, that end the cells in which one plan is followed
        aim: what speaks against a total
    """
    if not totals:
        return totals.start
    step, last = totals.step, totals[-1]

    def is_left(total: int, plan: int | None) -> bool:
        return bets.wealth(total, aim, plan) < aim

    # the last total of each cell, and the one whose plan it follows
    cells: list[tuple[int, int]] = []
    for end in ends:
        if (end - totals.start) * step >= 0:
            cells.append((min(end * step, last * step) * step, end))
        if (end - last) * step >= 0:
            break
    # of what needs no plan more speaks against a total that stands before another
    begin = bisect(cells, False, key=lambda cell: is_left(cell[0], None))
    start = cells[begin - 1][0] + step if begin else totals.start
    for end, plan in cells[begin:]:
        if is_left(end, plan):
            cell = range(start, end + step, step)
            return cell[bisect(cell, False, key=lambda total: is_left(total, plan))]
        start = end + step
    return last + step


def _reach(
    missing: float, bets: list[list[float]], between: list[list[float]], end: int
) -> NDArray[np.int64]:
    """Bets so as to reach an aim in time, and anew for twice the time where it does not.

    Args:
        missing: by how much the logarithm of the wealth should grow
        bets: (n, odds) by how much a bet at each odds grows with each draw
        between: (n, odds - 1) variances per draw that lie between those of a bet at one of the
            odds and at the next
        end: after how many draws

    Returns:
        (n,) the place of the odds at each draw, -1 for no bet
    """
    last, chosen = len(_VARIANCES) - 1, []
    for draw, bet in enumerate(bets):
        if draw >= end:
            end *= 2
        if missing <= 0:
            chosen.append(-1)
            continue
        wanted = _VARIANCES[min(int(missing * _TENTHS), last)]
        chosen.append(bisect(between[draw], wanted / (end - draw)))
        missing -= bet[chosen[-1]]
    return np.array(chosen, dtype=np.int64)


def _log_odds(guesses: NDArray[np.float64]) -> NDArray[np.float64]:
    """The logarithms of the odds of some guesses in each reading, (readings, n)."""
    with np.errstate(divide="ignore"):
        return np.asarray(logit(guesses) + np.log(_READINGS)[:, None])


def _likeliest(guesses: NDArray[np.float64], wrong: NDArray[np.float64]) -> NDArray[np.int64]:
    """Which way to read the guesses fits best with the answers before each draw, (n,) places of
    :data:`_READINGS`."""
    odds = _log_odds(guesses)[1:]
    fits = log_expit(np.where(wrong > 0.5, odds, -odds)).cumsum(axis=1)
    before = np.concatenate([np.zeros((len(odds), 1)), fits], axis=1)[:, :-1]
    return np.asarray(1 + (before + np.log(_BEGINS[1:])[:, None]).argmax(axis=0), dtype=np.int64)


def _stakes(guesses: NDArray[np.float64], odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """The h of each reading and odds for some guesses, (readings, odds, n)."""
    read = expit(_log_odds(guesses))[:, None, :]
    v = (odds - 1)[None, :, None]
    root = np.sqrt(np.maximum((1 - v) ** 2 + 4 * (1 - read) * v, 0.0))
    return np.asarray(((1 - v) + root) / 2)


def _with_mean(guesses: NDArray[np.float64], mean: float) -> NDArray[np.float64]:
    """Multiplies the odds of some guesses by the factor with which they have a mean."""
    low, high, odds = -12.0, 12.0, logit(guesses)
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if expit(odds + middle).mean() < mean else (low, middle)
    return np.asarray(expit(odds + middle))


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
