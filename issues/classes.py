"""How well each label's class fits: a probability over the classes for every patch.

A conditional logit (McFadden, "Conditional logit analysis of qualitative choice behavior", 1974)
weighs a handful of clues for each class (:mod:`.class_clues`: what the neighbors are called, what
the average of a class looks like, what a ridge regression makes of the look, what else is in the
image, the size of the box), each computed from all labels but the patch's own. A few weights are
shared by all classes, so hundreds of classes and classes of a few labels are no trouble, and a clue
that says nothing in a dataset gets no weight there.

The share of wrong labels is fitted together with the weights: a label is taken to be right, or one
of the classes at random (the mixture of Angluin and Laird, "Learning from noisy examples", 1988),
which turns the fit into the probability that a label is wrong. Where labels are confused with what
they look like, that share falls short, :mod:`.noise` counts the rest, and the weights are fitted
again. With the noise known, the clues are computed once more: what is probably wrong vouches less
for others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, softmax

from .boxes import overlapping
from .class_clues import ClassClues, ClassedPatches
from .noise import ByLook, Noise, count_noise

# so many (row, class) cells are fitted on
_FIT_CELLS = 1_000_000
_RIDGE = 1e-3
_START_NOISE = 0.05
# Many labels are searched until rounding errors in the clues do not move the end. Few may have more
# than one optimum: theirs is searched along the clues themselves, and not that far, which ends at
# the one near nothing.
_MANY = 5_000
_CONVERGED = {"ftol": 1e-13, "gtol": 1e-8}
# a patch stands apart where no label of another class covers more of it
_APART = 0.1
# how many likeliest other classes are kept
SUGGESTED = 3


@dataclass(frozen=True, eq=False)
class ClassFit:
    """How the labels of n patches fit.

    Attributes:
        wrong: (n,) float32 probability that the class is wrong
        fits: (n,) float32 probability of the label's class, before the noise is weighed
        suggested: (n, 3) int32 the likeliest other classes, likeliest first, -1 where there are
            no more
        chances: (n, 3) float32 the probability of each, given that the label's class is wrong
        certain: whether the share of wrong labels is known, rather than at the least that the fit
            allows
    """

    wrong: NDArray[np.float32]
    fits: NDArray[np.float32]
    suggested: NDArray[np.int32]
    chances: NDArray[np.float32]
    certain: bool


# gathered, fitted, judged, and judged again
STEPS = 4


def fit_classes(patches: ClassedPatches, advance: Callable[[], None] = lambda: None) -> ClassFit:
    """Fits the model to patches that have a class, and judges each label by it.

    Args:
        patches: the patches
        advance: called after each of the ``STEPS``; what it raises ends the fit
    """
    n, codes, num_classes = len(patches), patches.codes, patches.num_classes
    first = ClassClues(patches, np.ones(n, dtype=np.float32))
    sample = np.sort(np.random.default_rng(51).permutation(n)[: max(1, _FIT_CELLS // num_classes)])
    # once float64, rather than in each step of the fits
    sampled = np.concatenate(list(first.blocks(sample)), axis=1, dtype=np.float64)
    advance()
    weights, uniform = _fit(sampled, codes[sample])
    said = ByLook(sample, _probabilities(sampled, weights), uniform)
    place = patches.media, patches.boxes
    pairs = overlapping(*place, *place)
    other = codes[pairs.rows] != codes[pairs.others]
    apart = pairs.greatest(np.where(other, pairs.inside, 0), n) <= _APART
    noise = count_noise(codes, said, apart, first.likeness())
    if noise.similar > 0:
        weights, mix = _fit_similar(sampled, noise, sample, weights)
        noise = replace(noise, mix=mix)
    advance()
    judged = _judge(first, noise, weights, suggest=False)
    advance()
    # not fitted again: labels that are not trusted would make the rest look free of noise
    judged = _judge(ClassClues(patches, 1 - judged.wrong), noise, weights)
    advance()
    return judged


def _judge(
    clues: ClassClues, noise: Noise, weights: NDArray[np.float64], suggest: bool = True
) -> ClassFit:
    n, k = len(noise.codes), len(noise.alike)
    wrong, fits = np.empty(n, dtype=np.float32), np.empty(n, dtype=np.float32)
    suggested = np.full((n, SUGGESTED), -1, dtype=np.int32)
    chances = np.zeros((n, SUGGESTED), dtype=np.float32)
    start = 0
    for block in clues.blocks(np.arange(n)):
        rows = np.arange(start, start := start + block.shape[1])
        own = np.arange(len(rows)), noise.codes[rows]
        posterior = _probabilities(block, weights)
        fits[rows] = posterior[own]
        posterior *= noise.labels(rows)
        of_own = posterior[own]
        posterior[own] = 0
        others = posterior.sum(axis=1)
        wrong[rows] = others / (others + of_own)
        posterior[own] = -1
        for place in range(min(SUGGESTED, k - 1) if suggest else 0):
            best = np.arange(len(rows)), posterior.argmax(axis=1)
            suggested[rows, place] = best[1]
            chances[rows, place] = posterior[best] / np.maximum(others, 1e-12)
            posterior[best] = -1
    certain = bool(noise.uniform > 2 * _LEAST_NOISE or noise.similar > 0)
    return ClassFit(wrong, fits, suggested, chances, certain)


def _probabilities(clues: NDArray[Any], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the probability of each class, (rows, classes), by (clues, rows, classes)."""
    scores = np.tensordot(weights, clues, 1)
    scores -= scores.max(axis=1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=1, keepdims=True)
    return np.asarray(scores)


def _options(n: int) -> dict[str, float]:
    return _CONVERGED if n >= _MANY else {}


def _mixtures(clues: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the weights, as columns, of mixtures of the clues that are uncorrelated and vary as
    much: a search that goes along them needs half the steps."""
    if clues.shape[1] < _MANY:
        return np.eye(len(clues))
    means = clues.mean(axis=2)
    products = np.tensordot(clues, clues, ((1, 2), (1, 2))) / clues.shape[2] - means @ means.T
    variances, directions = np.linalg.eigh(products / clues.shape[1])
    return np.asarray(directions / np.sqrt(np.maximum(variances, 0) + _RIDGE))


_NOISE_BOUNDS = (-9.0, 2.0)
_LEAST_NOISE = float(expit(_NOISE_BOUNDS[0]))


def _fit(clues: NDArray[Any], codes: NDArray[np.int32]) -> tuple[NDArray[np.float64], float]:
    """Returns the weights and the share of wrong labels of the greatest likelihood."""
    size, n, num_classes = clues.shape
    own = np.arange(n), codes
    observed, mixtures = clues[(slice(None), *own)], _mixtures(clues)

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights, noise = mixtures @ parameters[:-1], float(expit(parameters[-1]))
        probabilities = _probabilities(clues, weights)
        right = probabilities[own]
        likelihood = (1 - noise) * right + noise / num_classes
        trust = (1 - noise) * right / likelihood
        expected = np.tensordot(clues, trust[:, None] * probabilities, 2)
        by_weight = (expected - observed @ trust) / n + _RIDGE * weights
        by_noise = -((1 / num_classes - right) / likelihood).mean() * noise * (1 - noise)
        value = -np.log(likelihood).mean() + _RIDGE / 2 * weights @ weights
        return float(value), np.append(by_weight @ mixtures, by_noise)

    start = np.append(np.zeros(size), np.log(_START_NOISE / (1 - _START_NOISE)))
    bounds = [(None, None)] * size + [_NOISE_BOUNDS]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=_options(n))
    return mixtures @ found.x[:-1], float(expit(found.x[-1]))


def _fit_similar(
    clues: NDArray[Any], noise: Noise, rows: NDArray[np.int64], start: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns the weights and the mix of confusions, where the shares of wrong labels are known."""
    size, n, _ = clues.shape
    taken, mixtures = noise.taken_for(rows), _mixtures(clues)
    rest = replace(noise, mix=np.zeros(2)).labels(rows)

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights, mix = mixtures @ parameters[:size], softmax(parameters[size:])
        told = rest + noise.similar * np.tensordot(mix, taken, 1)
        probabilities = _probabilities(clues, weights)
        joint = probabilities * told
        likelihood = joint.sum(axis=1) + 1e-12
        moved = joint / likelihood[:, None] - probabilities
        by_weight = -np.tensordot(clues, moved, 2) / n + _RIDGE * weights
        # each of both is worth one label
        shares = noise.similar * (probabilities * taken).sum(axis=2) / likelihood
        by_mix = -shares.mean(axis=1) - 1 / n / (mix + 1e-9)
        value = -np.log(likelihood).mean() + _RIDGE / 2 * weights @ weights
        value -= np.log(mix + 1e-12).sum() / n
        return float(value), np.append(by_weight @ mixtures, mix * (by_mix - mix @ by_mix))

    first = np.append(np.linalg.solve(mixtures, start), np.zeros(2))
    found = minimize(loss, first, jac=True, method="L-BFGS-B", options=_options(n))
    return mixtures @ found.x[:size], softmax(found.x[size:])
