"""Objects that no accepted label shows, told by the labels that are not accepted.

An object is missed as TIDE means it (Bolya et al., "TIDE: a general toolbox for identifying object
detection errors", 2020): what an accepted label of its class lies on is badly placed, not missed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logit

from ..core.table import PatchTable
from .boxes import cover, overlapping

# a detector's box below this is no accepted label, it may be a missed object
ACCEPTED_CONFIDENCE = 0.2
# from here on a label that is not accepted is said to show a missed object
LIKELY_MISSED = 0.1
# what is covered by so much is shown
_FREE = 0.5

# How much the confidence of the nearest five of the class counts beside the label's own, and what
# turns both into a probability. They were fitted to the images of even number of coco128 and to
# composed scenes, see docs/label-issues.md.
_NEAREST, _NEIGHBORS_COUNT = 5, 0.3
_SLOPE, _INTERCEPT = 2.0, 1.3


def score_missed(
    table: PatchTable,
    neighbors: NDArray[np.int32],
    wrong: NDArray[np.float32],
    rejected: NDArray[np.bool_],
) -> NDArray[np.float32]:
    """Scores the labels that are not accepted.

    Args:
        table: n labels
        neighbors: (n, k) rows of the most similar patches, nearest first
        wrong: (n,) probability that each class is wrong, NaN where it cannot be known
        rejected: (n,) which labels were rejected

    Returns:
        (n,) probability that a label which is rejected, or below a confidence of 0.2, shows an
        object of its class that no accepted label lies on; NaN for those that are accepted
    """
    unsure = rejected | (table.confidences < ACCEPTED_CONFIDENCE)
    missed = np.full(len(table), np.nan, dtype=np.float32)
    rows, accepted = np.flatnonzero(unsure), np.flatnonzero(~unsure)
    if not len(rows):
        return missed
    free = 1 - cover(table.take(rows), table.take(accepted))
    known = np.isfinite(table.confidences)
    confidences = np.where(known, table.confidences, ACCEPTED_CONFIDENCE).astype(np.float64)
    confidences = np.clip(confidences, 0.01, 0.99)
    certainty = logit(confidences)
    near = neighbors[rows]
    same = table.codes[near] == table.codes[rows, None]
    same &= same.cumsum(axis=1) <= _NEAREST
    above = np.where(same, certainty[near] - certainty.mean(), 0).sum(axis=1)
    evidence = (
        np.log(confidences[rows] * free * (1 - np.nan_to_num(wrong[rows], nan=0.0)) + 1e-6)
        + _NEIGHBORS_COUNT * above / (same.sum(axis=1) + 2)
    )  # fmt: skip
    missed[rows] = expit(_SLOPE * evidence + _INTERCEPT)
    return missed


def score_uncovered(second: PatchTable, accepted: PatchTable) -> NDArray[np.float32]:
    """Scores the boxes of another field by how likely each shows an object that no label shows.

    Accepted labels lie on some share of the boxes of each confidence. Even of the surest boxes they
    lie on less than all: that is how many objects they miss. From that and from how often a box of
    its confidence shows an object follows by Bayes' rule what a box shows on which none lies.

    Args:
        second: m boxes of the other field, with the images and classes of ``accepted``
        accepted: the labels that are accepted

    Returns:
        (m,) the probability, times the part of the box that no accepted label covers; 0 where one
        covers most of it. Without confidences that differ each box shows an object
    """
    pairs = overlapping(second.media, second.boxes, accepted.media, accepted.boxes)
    covered = pairs.greatest(pairs.iou, len(second)).astype(np.float32)
    codes = second.codes[pairs.rows]
    same = (codes == accepted.codes[pairs.others]) & (codes >= 0) & (pairs.iou >= _FREE)
    found = pairs.greatest(same.astype(np.float64), len(second)) > 0
    real, share = _real(second.confidences.astype(np.float64), found)
    likely = real * share / np.maximum(real * share + 1 - real, 1e-12)
    return np.where(covered < _FREE, likely * (1 - covered), 0).astype(np.float32)


def _real(
    confidences: NDArray[np.float64], found: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], float]:
    """Fits how often boxes show an object, and what share of the objects has no label.

    A box is found with the probability that it shows an object, a logistic curve of its confidence,
    times the share of objects that have a label.

    Args:
        confidences: (m,) of boxes, NaN for none
        found: (m,) whether a label of its class lies on each
    """
    real, known = np.ones(len(found)), np.isfinite(confidences)
    sure = logit(np.clip(confidences[known], 0.001, 0.999))
    hit = found[known]
    if not known.any() or np.ptp(sure) < 1e-6 or not 0 < hit.sum() < len(hit):
        return real, 1.0

    def loss(at: NDArray[np.float64]) -> float:
        chance = np.clip(expit(at[0] + at[1] * sure) * expit(-at[2]), 1e-9, 1 - 1e-9)
        fit = np.where(hit, np.log(chance), np.log1p(-chance)).sum()
        # weak priors: surer boxes show more, and labels miss little
        return float(-fit + ((at[1] - 1) ** 2 + (at[2] + 3) ** 2 / 4) / 2)

    at = minimize(loss, [0.0, 1.0, -3.0], method="L-BFGS-B").x
    real[known] = expit(at[0] + at[1] * sure)
    return real, float(expit(at[2]))
