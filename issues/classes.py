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

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, log_softmax, softmax

from .boxes import overlapping
from .class_clues import ClassClues, ClassedPatches
from .noise import Noise, count_noise

# so many (row, class) cells are fitted on
_FIT_CELLS = 1_000_000
_RIDGE = 1e-3
_START_NOISE = 0.05
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


def fit_classes(patches: ClassedPatches) -> ClassFit:
    """Fits the model to patches that have a class, and judges each label by it."""
    n, codes, num_classes = len(patches), patches.codes, patches.num_classes
    first = ClassClues(patches, np.ones(n, dtype=np.float32))
    sample = np.sort(np.random.default_rng(51).permutation(n)[: max(1, _FIT_CELLS // num_classes)])
    sampled = np.concatenate(list(first.blocks(sample)))
    weights, uniform = _fit(sampled, codes[sample])
    probabilities = np.exp(log_softmax(sampled @ weights, axis=1))
    place = patches.media, patches.boxes
    pairs = overlapping(*place, *place)
    other = codes[pairs.rows] != codes[pairs.others]
    apart = pairs.greatest(np.where(other, pairs.inside, 0), n) <= _APART
    noise = count_noise(codes, probabilities, sample, apart, uniform, first.likeness())
    if noise.similar > 0:
        weights, mix = _fit_similar(sampled, noise, sample, weights)
        noise = replace(noise, mix=mix)
    judged = _judge(first, noise, weights)
    # not fitted again: labels that are not trusted would make the rest look free of noise
    return _judge(ClassClues(patches, 1 - judged.wrong), noise, weights)


def _judge(clues: ClassClues, noise: Noise, weights: NDArray[np.float64]) -> ClassFit:
    n, k = len(noise.codes), len(noise.alike)
    wrong, fits = np.empty(n, dtype=np.float32), np.empty(n, dtype=np.float32)
    suggested = np.full((n, SUGGESTED), -1, dtype=np.int32)
    chances = np.zeros((n, SUGGESTED), dtype=np.float32)
    shown, start = min(SUGGESTED, k - 1), 0
    for block in clues.blocks(np.arange(n)):
        rows = np.arange(start, start := start + len(block))
        own = np.arange(len(block)), noise.codes[rows]
        probabilities = np.exp(log_softmax(block @ weights, axis=1))
        fits[rows] = probabilities[own]
        posterior = probabilities * noise.labels(rows)
        total = posterior.sum(axis=1)
        posterior[own] = 0
        others = posterior.sum(axis=1)
        wrong[rows] = others / total
        posterior[own] = -1
        first = np.argpartition(-posterior, shown - 1, axis=1)[:, :shown]
        likely = np.take_along_axis(posterior, first, axis=1)
        order = np.argsort(-likely, axis=1, kind="stable")
        suggested[rows, :shown] = np.take_along_axis(first, order, axis=1)
        likely = np.take_along_axis(likely, order, axis=1)
        chances[rows, :shown] = likely / np.maximum(others, 1e-12)[:, None]
    certain = bool(noise.uniform > 2 * _LEAST_NOISE or noise.similar > 0)
    return ClassFit(wrong, fits, suggested, chances, certain)


_NOISE_BOUNDS = (-9.0, 2.0)
_LEAST_NOISE = float(expit(_NOISE_BOUNDS[0]))


def _fit(clues: NDArray[Any], codes: NDArray[np.int32]) -> tuple[NDArray[np.float64], float]:
    """Returns the weights and the share of wrong labels of the greatest likelihood."""
    n, num_classes, size = clues.shape
    own = np.arange(n), codes
    clues = clues.astype(np.float64)  # once, rather than in each step
    observed = clues[own]

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights, noise = parameters[:-1], float(expit(parameters[-1]))
        probabilities = np.exp(log_softmax(clues @ weights, axis=1))
        right = probabilities[own]
        likelihood = (1 - noise) * right + noise / num_classes
        trust = (1 - noise) * right / likelihood
        expected = np.matmul(probabilities[:, None, :], clues)[:, 0]
        by_weight = -(trust[:, None] * (observed - expected)).mean(axis=0) + _RIDGE * weights
        by_noise = -((1 / num_classes - right) / likelihood).mean() * noise * (1 - noise)
        value = -np.log(likelihood).mean() + _RIDGE / 2 * weights @ weights
        return float(value), np.append(by_weight, by_noise)

    start = np.append(np.zeros(size), np.log(_START_NOISE / (1 - _START_NOISE)))
    found = minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=[(None, None)] * size + [_NOISE_BOUNDS]
    )
    return found.x[:-1], float(expit(found.x[-1]))


def _fit_similar(
    clues: NDArray[Any], noise: Noise, rows: NDArray[np.int64], start: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns the weights and the mix of confusions, where the shares of wrong labels are known."""
    n, size = len(clues), clues.shape[2]
    clues = clues.astype(np.float64)
    taken = noise.taken_for(rows)
    rest = replace(noise, mix=np.zeros(2)).labels(rows)

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights, mix = parameters[:size], softmax(parameters[size:])
        told = rest + noise.similar * np.tensordot(mix, taken, 1)
        probabilities = np.exp(log_softmax(clues @ weights, axis=1))
        joint = probabilities * told
        likelihood = joint.sum(axis=1) + 1e-12
        moved = joint / likelihood[:, None] - probabilities
        by_weight = -np.matmul(moved[:, None, :], clues)[:, 0].mean(axis=0) + _RIDGE * weights
        # each of both is worth one label
        shares = noise.similar * (probabilities * taken).sum(axis=2) / likelihood
        by_mix = -shares.mean(axis=1) - 1 / n / (mix + 1e-9)
        value = -np.log(likelihood).mean() + _RIDGE / 2 * weights @ weights
        value -= np.log(mix + 1e-12).sum() / n
        return float(value), np.append(by_weight, mix * (by_mix - mix @ by_mix))

    found = minimize(loss, np.append(start, np.zeros(2)), jac=True, method="L-BFGS-B")
    return found.x[:size], softmax(found.x[size:])
