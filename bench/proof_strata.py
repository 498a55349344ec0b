"""Whether drawing by strata of the suspicion would narrow an audit's interval.

Strata of equal size are drawn from in turn, so that each has its share of the answers, and within
each the bets use the guesses as they do without strata. What is said against a number of wrong
labels is the product of what the strata's bets say, at the split among the strata that it speaks
against least (Spertus and Stark, "Sweeter than SUITE", 2022). It holds at all times.
"""

from __future__ import annotations

import numpy as np
from labelvet.proof.bounds import Draws, Population, _before, _Bets
from numpy.typing import NDArray

from .proof_data import Scored

# of how many totals of a stratum it is computed, by how many strata there are
_GRID = {2: 100, 3: 50}
_CERTAIN = 100.0


def stratified_width(scored: Scored, answers: int, strata: int, error: float, seed: int) -> float:
    """Returns the width of the interval of the share of wrong labels.

    Args:
        scored: N labels
        answers: how many are given
        strata: among how many strata, 2 or 3
        error: how often the interval may fail
        seed: of the random order
    """
    rng, limit = np.random.default_rng(seed), np.log(2 / error)
    fewer, more = [], []
    for rows in np.array_split(np.argsort(scored.suspicion, kind="stable"), strata):
        drawn = rng.permutation(len(rows))[: answers // strata]
        wrong = scored.wrong[rows][drawn].astype(np.float64)
        draws = Draws(Population(scored.suspicion[rows]), drawn, wrong)
        left = len(rows) - np.arange(len(drawn))
        totals = np.linspace(0, len(rows), _GRID[strata])
        # what the answers rule out is certain
        least = np.where(totals < wrong.sum(), _CERTAIN, 0.0)
        most = np.where(totals > len(rows) - (1 - wrong).sum(), _CERTAIN, 0.0)
        fewer.append(_says(draws._for_more, wrong, left, totals) + least[:, None])
        more.append(_says(draws._for_fewer, wrong, left, totals) + most[:, None])
    against_fewer, against_more = _least(fewer), _least(more)[::-1]
    width = len(against_fewer) - 1 - _crossing(against_fewer, limit)
    return float(width - _crossing(against_more, limit)) / (len(against_fewer) - 1)


def _says(
    bets: _Bets,
    wrong: NDArray[np.float64],
    left: NDArray[np.int64],
    totals: NDArray[np.float64],
) -> NDArray[np.float64]:
    """What the bets say against each total after each draw, (totals, n)."""
    return np.array([bets.grown(wrong, (total - _before(wrong)) / left) for total in totals])


def _least(says: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """What strata say against each sum of their totals, at the split that they say least of."""
    together = says[0]
    for other in says[1:]:
        together = together[..., None, :] + other
    most = together.max(axis=-1)
    sums = np.indices(most.shape).sum(axis=0)
    return np.array([most[sums == total].min() for total in range(sums.max() + 1)])


def _crossing(against: NDArray[np.float64], limit: float) -> float:
    """The place at which what is said falls below the limit, between two where need be."""
    place = int(np.flatnonzero(against < limit).min())
    if not place:
        return 0.0
    return float(place - (limit - against[place]) / (against[place - 1] - against[place]))
