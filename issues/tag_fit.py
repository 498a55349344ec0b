"""How well each class fits an image that may have several: one decision for each of both.

A logistic regression weighs a handful of clues (:mod:`.tag_clues`) with weights that all classes
share, so that a class of a few images is no trouble. The shares of classes that were added and that
were dropped are fitted together with it: the model of contaminated binary data (Copas, "Binary
regression models for contaminated data", 1988). So it knows how probable it is that a class is in
the image, given the clues and whether somebody said so. With that known, the clues are computed
once more: what is probably wrong vouches less for others, and what is probably missed vouches, too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logit

from .tag_clues import TagClues, TaggedImages

if TYPE_CHECKING:
    from scipy.sparse import csr_array

# so many (image, class) cells are fitted on
_FIT_CELLS = 1_000_000
_RIDGE = 1e-3
_START_NOISE = 0.05
# of the log odds of both shares: at most half of them
_NOISE_BOUNDS = (-9.0, 0.0)
_LEAST_NOISE = float(expit(_NOISE_BOUNDS[0]))
# what is missed with a lesser probability does not vouch for others
_VOUCHES = 0.1
# confidences: rounds of the fit, and how many right labels the wrong ones are taken for in addition
_ROUNDS, _CONFIDENCE_PRIOR = 30, 5.0


@dataclass(frozen=True, eq=False)
class TagFit:
    """How the classes of n images fit.

    Attributes:
        wrong: (m,) float32 probability that the image does not have the class, for each cell of
            ``TaggedImages.tags``, in its order
        clues: (c, m) float32 the clues of these cells
        missed: (n, k) float32 probability that an image has a class which nobody said it has, where
            that is not below what was asked for
        certain: whether both shares are known, rather than at the least that the fit allows
    """

    wrong: NDArray[np.float32]
    clues: NDArray[np.float32]
    missed: csr_array
    certain: bool


# gathered, fitted, judged, and judged again
STEPS = 4


def fit_tags(
    images: TaggedImages, least: float = 0.5, advance: Callable[[], None] = lambda: None
) -> TagFit:
    """Fits the model to images, and judges what is said of each by it.

    Args:
        images: the images
        least: missed classes of a lesser probability are not returned
        advance: called after each of the ``STEPS``; what it raises ends the fit
    """
    n, k = len(images), images.num_classes
    first = TagClues(images, images.tags)
    sample = np.sort(np.random.default_rng(51).permutation(n)[: max(1, _FIT_CELLS // k)])
    # once float64, rather than in each step of the fit
    sampled = np.concatenate(list(first.blocks(sample)), axis=1, dtype=np.float64)
    advance()
    model = _fit(sampled.reshape(len(sampled), -1), images.tags[sample].toarray().ravel())
    advance()
    judged = _judge(images, first, model, min(least, _VOUCHES))
    advance()
    # not fitted again: what is not trusted would make the rest look free of noise
    judged = _judge(images, TagClues(images, _trusted(images, judged)), model, least)
    advance()
    return judged


@dataclass(frozen=True, eq=False)
class _Model:
    """A logistic regression, and the shares of classes that were added and dropped.

    Attributes:
        center, scale: (c,) what is taken off each clue, and what it is divided by then
        weights: (c + 1,) the last is the intercept
        added: how many of the classes that an image does not have are said to be there
        dropped: how many of those that it has are not
    """

    center: NDArray[np.float64]
    scale: NDArray[np.float64]
    weights: NDArray[np.float64]
    added: float
    dropped: float

    def has(self, clues: NDArray[np.floating]) -> NDArray[np.float64]:
        """Returns how probably images have classes, (...), by (c, ...) clues alone."""
        weights = self.weights[:-1] / self.scale
        scores = np.tensordot(weights, clues, 1) + (self.weights[-1] - weights @ self.center)
        return np.asarray(expit(scores))

    def wrong(self, has: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns the same of what is said to be there: how probably it is not."""
        wrong = self.added * (1 - has)
        return wrong / (wrong + (1 - self.dropped) * has)

    def missed(self, has: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns the same of what is not said to be there: how probably it is."""
        missed = self.dropped * has
        return missed / (missed + (1 - self.added) * (1 - has))


def _fit(clues: NDArray[np.float64], said: NDArray[np.float32]) -> _Model:
    """Returns the model of the greatest likelihood, for (c, m) clues and what is said, (m,)."""
    center, scale = clues.mean(axis=1), clues.std(axis=1) + 1e-6
    inputs = np.vstack([(clues - center[:, None]) / scale[:, None], np.ones(clues.shape[1])])
    penalty = np.append(np.full(len(clues), _RIDGE), 0.0)

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights, (added, dropped) = parameters[:-2], expit(parameters[-2:])
        has = expit(weights @ inputs)
        likely = added + (1 - added - dropped) * has
        of_said = np.where(said, likely, 1 - likely) + 1e-12
        by_likely = np.where(said, -1, 1) / of_said / len(said)
        by_weight = inputs @ (by_likely * (1 - added - dropped) * has * (1 - has))
        by_noise = [
            (by_likely * (1 - has)).sum() * added * (1 - added),
            -(by_likely * has).sum() * dropped * (1 - dropped),
        ]
        value = -np.log(of_said).mean() + penalty @ weights**2 / 2
        return float(value), np.append(by_weight + penalty * weights, by_noise)

    share = float(np.clip(said.mean(), 1e-6, 1 - 1e-6))
    start = np.zeros(len(inputs) + 2)
    start[-3], start[-2:] = logit(share), logit([_START_NOISE * share, _START_NOISE])
    bounds = [(None, None)] * len(inputs) + [_NOISE_BOUNDS] * 2
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
    added, dropped = expit(found.x[-2:])
    return _Model(center, scale, found.x[:-2], float(added), float(dropped))


def _judge(images: TaggedImages, clues: TagClues, model: _Model, least: float) -> TagFit:
    from scipy.sparse import coo_array, csr_array

    n = len(images)
    wrong, of_said, missed, places = [], [], [], []
    start = 0
    for block in clues.blocks(np.arange(n)):
        rows = slice(start, start := start + block.shape[1])
        said = images.tags[rows].tocoo()
        has = model.has(block)
        wrong.append(model.wrong(has[said.coords]))
        of_said.append(block[(slice(None), *said.coords)])
        absent = model.missed(has)
        absent[said.coords] = -1
        cells = np.nonzero(absent >= least)
        missed.append(absent[cells])
        places.append((cells[0] + rows.start, cells[1]))
    cells = tuple(map(np.concatenate, zip(*places, strict=True)))
    found = coo_array((np.concatenate(missed).astype(np.float32), cells), shape=images.tags.shape)
    noise = min(model.added, model.dropped)
    return TagFit(
        np.concatenate(wrong).astype(np.float32),
        np.concatenate(of_said, axis=1),
        csr_array(found),
        noise > 2 * _LEAST_NOISE,
    )


def _trusted(images: TaggedImages, judged: TagFit) -> csr_array:
    """Returns how probably each image has each class, given what is said of it."""
    has = images.tags.copy()
    has.data = has.data * (1 - judged.wrong)  # what was rejected stays 0
    missed = judged.missed.copy()
    missed.data[missed.data < _VOUCHES] = 0
    return has + missed


def weigh_confidences(
    wrong: NDArray[np.float32], confidences: NDArray[np.floating]
) -> NDArray[np.float32]:
    """Weighs the confidences of labels by how far they tell the wrong ones from the right ones.

    Their log odds are taken for normal, with another mean for wrong labels and the same spread. The
    two are fitted by what is known of each label without its confidence (expectation maximization);
    that of the wrong ones is not the higher one.

    Args:
        wrong: (m,) probability that each label is wrong
        confidences: (m,) of each, NaN where there is none

    Returns:
        (m,) the same probability, given the confidence
    """
    known = np.isfinite(confidences)
    certainty = logit(np.clip(confidences[known].astype(np.float64), 0.01, 0.995))
    if not len(certainty) or np.ptp(certainty) < 1e-6:
        return wrong
    before = logit(np.clip(wrong[known].astype(np.float64), 1e-6, 1 - 1e-6))
    odds = before
    for _ in range(_ROUNDS):
        bad = expit(odds)
        of_right = float((1 - bad) @ certainty / (1 - bad).sum())
        of_wrong = float(bad @ certainty + _CONFIDENCE_PRIOR * of_right)
        of_wrong /= float(bad.sum() + _CONFIDENCE_PRIOR)
        far = bad * (certainty - of_wrong) ** 2 + (1 - bad) * (certainty - of_right) ** 2
        slope = min(0.0, (of_wrong - of_right) / max(float(far.mean()), 1e-6))
        odds = before + slope * (certainty - (of_wrong + of_right) / 2)
    weighed = wrong.copy()
    weighed[known] = expit(odds)
    return weighed
