"""What a review teaches: a small model that re-ranks what is left, and says how much that is.

A logistic regression over the clues of :mod:`labelvet.issues.suspicion`, whose prior is what was
thought before any review: the first answers move it a little, hundreds move it far, and the single
pieces of evidence and the look come in as they prove themselves. The posterior's Laplace
approximation (MacKay, "The evidence framework applied to classification networks", 1992) gives the
interval of the estimates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from ..core.sentences import count
from ..issues.suspicion import Suspicion

# How many answers' worth the prior is: of the weight of the log odds before the review, of the
# other clues' weights, of the look's, and of the intercept. Those that are asked about are the most
# suspicious: that fewer of them are wrong than was thought says more of how sure the odds may be
# than of the labels that come last, whose number a loose intercept would take for too low.
_TRUST_ODDS, _TRUST_CLUES, _TRUST_LOOK, _TRUST_INTERCEPT = 5.0, 15.0, 16.0, 3.0
_STEPS = 30
_DRAWS = 100
_DRAWN_ROWS = 20_000
_LEVEL = 0.9
# How much further off the weights are than their posterior says, as the labels of a review are not
# those that the model was fitted to: with it intervals hold as often as they should (measured on
# three detectors, each with a model that was fitted without it).
_FURTHER = 1.25
# An interval that is wider than this share of the labels, and than a page of them, says nothing.
_SAYS_NOTHING = 0.5
# A review may stop when its next page is not expected to hold more than this share of issues.
_PAGE, _WORTH_IT = 50, 0.05


@dataclass(frozen=True)
class Estimate:
    """How many issues are left among the labels that nobody answered for.

    Attributes:
        left: the expected number
        low: with a probability of 90 %, there are at least so many
        high: and at most so many
        next_page: the expected number among the 50 most suspicious
        stop: whether these are so few that it may be time to stop
        among: how many labels nobody answered for
    """

    left: float
    low: float
    high: float
    next_page: float
    stop: bool
    among: int

    @property
    def sentence(self) -> str:
        """One sentence for the reviewer."""
        if not self.among:
            return "No label is left to ask about."
        known = f"About {count(round(self.left), 'issue is', 'issues are')} left"
        rough = self.high - self.low > max(_PAGE, _SAYS_NOTHING * self.among)
        low, high = (f"{end:,.0f}" for end in (self.low, self.high))
        if not rough and low != high:
            known += f" ({low} to {high})"
        page = min(_PAGE, self.among)
        if self.stop:
            said = f"hardly any of them among the next {count(page, 'label')}"
            return f"{known}, {said}: you can stop here."
        guess = " That is a rough guess until more labels have an answer." if rough else ""
        return f"{known}, {self.next_page:.0f} of them among the next {page}.{guess}"


@dataclass(frozen=True, eq=False)
class Learned:
    """The ranking after some answers.

    Attributes:
        suspicion: (n,) float32 probability that each label is wrong; 0 or 1 where it was answered
        queue: (m,) int64 the rows that were not answered, the most suspicious first; where several
            are one question, the first of each question come first, then the second of each
        estimate: what is expected to be left
    """

    suspicion: NDArray[np.float32]
    queue: NDArray[np.int64]
    estimate: Estimate


def learn(
    found: Suspicion,
    rows: NDArray[np.int64],
    wrong: NDArray[np.bool_],
    skipped: NDArray[np.int64] | None = None,
    asking: NDArray[np.int64] | None = None,
    *,
    gone: NDArray[np.int64] | None = None,
    questions: NDArray[np.int64] | None = None,
    seed: int = 51,
) -> Learned:
    """Re-ranks the labels by what a reviewer said of some of them.

    Args:
        found: what was suspected before
        rows: (m,) the rows that were answered, each once
        wrong: (m,) whether the label was found wrong
        skipped: rows to leave out of the queue, though nothing is known of them
        asking: rows that someone flagged for a review: nothing is learned from that, but they come
            first in the queue
        gone: rows of labels that are no more what they were: they are not among those that are left
        questions: (n,) the number of the question that each label is part of, None where each is
            its own: the answers for one question count as one
        seed: of the interval
    """
    n = len(found.suspicion)
    count, spread = found.clues.shape[1] - found.look, found.spread

    def clues(some: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.column_stack([found.clues[some] / spread, np.ones(len(some))])

    # the first clue is the log odds before the review
    start = np.zeros(len(spread) + 1)
    start[0] = spread[0]
    trust = np.repeat(
        [_TRUST_ODDS, _TRUST_CLUES, _TRUST_LOOK, _TRUST_INTERCEPT], [1, count - 1, found.look, 1]
    )
    counts = np.ones(len(rows)) if questions is None else _shares(questions[rows])
    posterior = _fit(clues(rows), wrong.astype(np.float64), counts, start, trust)
    weights = posterior.weights

    # all labels as they are kept: to scale them first would copy them twice
    scores = found.clues @ (weights[:-1] / spread).astype(np.float32) + np.float32(weights[-1])
    suspicion = expit(scores)
    order = np.argsort(-scores, kind="stable")
    done = np.zeros(n, dtype=bool)
    done[rows] = True
    if gone is not None:
        done[gone] = True
    left = order[~done[order]]
    if asking is not None and len(asking):
        flagged = np.isin(left, asking)
        left = np.concatenate([left[flagged], left[~flagged]])
    if questions is not None:
        left = left[np.argsort(_turns(questions[left]), kind="stable")]
    estimate = _estimate(clues, posterior, suspicion, left, seed)
    if not found.certain and counts.sum() < _PAGE:
        # as few wrong labels as the fit allows: only answers can say that there are no more
        estimate = replace(estimate, stop=False)
    suspicion[rows] = wrong
    if skipped is not None:
        left = left[~np.isin(left, skipped)]
    return Learned(suspicion, left, estimate)


def _shares(questions: NDArray[np.int64]) -> NDArray[np.float64]:
    """Returns what part of its question each answer is."""
    _, of, sizes = np.unique(questions, return_inverse=True, return_counts=True)
    return np.asarray(1 / sizes[of.reshape(-1)])


def _turns(questions: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns which of its question's labels each one is, 0 for the first."""
    order = np.argsort(questions, kind="stable")
    ordered = questions[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=-1))
    turns = np.empty(len(questions), dtype=np.int64)
    turns[order] = np.arange(len(questions)) - np.repeat(
        starts, np.diff(np.append(starts, len(questions)))
    )
    return turns


@dataclass(frozen=True, eq=False)
class _Posterior:
    """The most probable weights, (c,), and their precision, (c, c)."""

    weights: NDArray[np.float64]
    precision: NDArray[np.float64]


def _fit(
    clues: NDArray[np.float64],
    wrong: NDArray[np.float64],
    counts: NDArray[np.float64],
    start: NDArray[np.float64],
    trust: NDArray[np.float64],
) -> _Posterior:
    """Finds the posterior by damped Newton; each answer counts as much as ``counts`` says."""
    weights = start.copy()

    def loss(at: NDArray[np.float64]) -> float:
        scores = clues @ at
        return float(
            (counts * (np.logaddexp(0, scores) - wrong * scores)).sum()
            + (trust * (at - start) ** 2).sum() / 2
        )

    for _ in range(_STEPS):
        right = expit(clues @ weights)
        gradient = clues.T @ (counts * (right - wrong)) + trust * (weights - start)
        precision = (clues * (counts * right * (1 - right))[:, None]).T @ clues + np.diag(trust)
        step = np.linalg.solve(precision, gradient)
        while loss(weights - step) > loss(weights) + 1e-9 and np.abs(step).max() > 1e-9:
            step /= 2
        weights = weights - step
        if np.abs(step).max() < 1e-6:
            break
    return _Posterior(weights, precision)


def _estimate(
    clues: Callable[[NDArray[np.int64]], NDArray[np.float64]],
    posterior: _Posterior,
    suspicion: NDArray[np.float32],
    left: NDArray[np.int64],
    seed: int,
) -> Estimate:
    if not len(left):
        return Estimate(0.0, 0.0, 0.0, 0.0, True, 0)
    rng = np.random.default_rng(seed)
    drawn = left
    if len(left) > _DRAWN_ROWS:
        drawn = left[np.linspace(0, len(left) - 1, _DRAWN_ROWS).astype(np.int64)]
    covariance = _FURTHER**2 * np.linalg.inv(posterior.precision)
    draws = rng.multivariate_normal(posterior.weights, covariance, _DRAWS, method="cholesky")
    scores = expit(clues(drawn) @ draws.T)
    scale = len(left) / len(drawn)
    # what is not known of the weights, and, given them, of each label
    counts = rng.normal(scores.sum(axis=0), np.sqrt((scores * (1 - scores)).sum(axis=0))) * scale
    low, high = np.quantile(counts, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    expected = float(suspicion[left].sum(dtype=np.float64))
    page = float(suspicion[left[:_PAGE]].sum())
    return Estimate(
        expected,
        # the interval is of the posterior, whose most probable point may lie at its very edge
        float(np.clip(low, 0, expected)),
        float(np.clip(high, expected, len(left))),
        page,
        page <= _WORTH_IT * min(_PAGE, len(left)),
        len(left),
    )
