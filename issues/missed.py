"""Objects that no accepted label shows, told by the labels that are not accepted.

An object is missed as TIDE means it (Bolya et al., "TIDE: a general toolbox for identifying object
detection errors", 2020): what an accepted label of its class lies on is badly placed, not missed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from ..core.table import PatchTable
from .boxes import cover

# a detector's box below this is no accepted label, it may be a missed object
ACCEPTED_CONFIDENCE = 0.2
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
    free = 1 - cover(table.take(rows), table.take(accepted), within_class=True)
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

    Args:
        second: m boxes of the other field, with the images of ``accepted``
        accepted: the labels that are accepted

    Returns:
        (m,) its confidence, 1 where it has none, times the part of it that no accepted label
        covers; 0 where one covers most of it
    """
    covered = cover(second, accepted)
    confidences = np.nan_to_num(second.confidences, nan=1.0)
    return np.where(covered < _FREE, confidences * (1 - covered), 0).astype(np.float32)
