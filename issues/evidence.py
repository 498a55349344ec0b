"""What speaks for and against a label besides other fields: its confidence, its class, its box."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from ..core.table import PatchTable
from .boxes import overlapping
from .classes import ClassFit
from .opinions import SAME_OBJECT

OWN_EVIDENCE = (
    "confidence", "size", "contains", "within", "repeats", "class", "wrong class",
    "neighbors' confidence", "company", "border", "shape",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class OwnEvidence:
    """The evidence on n labels.

    Attributes:
        columns: ``{name: (n,)}``, of ``OWN_EVIDENCE``
        original: (n,) int32 row of the more trusted label of the class that covers this one, -1
            where there is none
        overlap: (n,) float32 the overlap with it
    """

    columns: dict[str, NDArray[np.float64]]
    original: NDArray[np.int32]
    overlap: NDArray[np.float32]


def gather(
    table: PatchTable,
    confidences: NDArray[np.float64],
    fit: ClassFit,
    neighbors: NDArray[np.int32],
    rejected: NDArray[np.bool_],
) -> OwnEvidence:
    """Gathers the evidence on n labels.

    Args:
        table: the labels
        confidences: (n,) of each, NaN where there is none
        fit: how their classes fit
        neighbors: (n, k) rows of the most similar patches
        rejected: (n,) which labels were rejected: they are trusted the least
    """
    n = len(table)
    sure = np.isfinite(confidences)
    certainty = logit(np.clip(np.where(sure, confidences, 0.5), 0.01, 0.995))
    typical = certainty[sure].mean() if sure.any() else 0.0
    spread = max(float(certainty[sure].std()), 0.1) if sure.any() else 1.0
    certainty = np.where(sure, certainty, typical)
    relative = (certainty - typical) / spread

    rank = np.where(sure, confidences, 1.0) - 2.0 * rejected
    pairs = overlapping(table.media, table.boxes, table.media, table.boxes)
    own, other = rank[pairs.rows], rank[pairs.others]
    more_trusted = (other > own) | ((other == own) & (pairs.others < pairs.rows))
    codes = table.codes[pairs.rows]
    same = (codes == table.codes[pairs.others]) & (codes >= 0)  # no class is not one class
    pairs = pairs.take(more_trusted & same)
    best = pairs.best(np.where(pairs.iou >= SAME_OBJECT, pairs.iou, 0), n)
    found = best >= 0
    original = np.full(n, -1, dtype=np.int32)
    original[found] = pairs.others[best[found]]
    overlap = pairs.greatest(pairs.iou, n)

    width, height = np.maximum(table.boxes[:, 2:], 1e-6).T
    size = np.log(width * height) / 2
    far = table.boxes[:, :2] + table.boxes[:, 2:]
    border = (table.boxes[:, :2] < 0.01) | (far > 0.99)
    if table.of_whole_images:
        border[:] = False
    alike = table.codes[neighbors] == table.codes[:, None]
    of_class = table.media.astype(np.int64) * (len(table.classes) + 1) + table.codes
    _, place, counts = np.unique(of_class, return_inverse=True, return_counts=True)
    columns = {
        # not from their mean: of the surest boxes of a detector fewer are wrong than of all of them
        "confidence": certainty / spread,
        "size": size - np.median(size),
        "contains": pairs.greatest(pairs.around, n),
        "within": pairs.greatest(pairs.inside, n),
        "repeats": np.maximum(overlap - 0.4, 0),
        "class": -_log_odds(fit.fits, 0.5),
        "wrong class": _log_odds(fit.wrong, 0.05),
        "neighbors' confidence": np.where(alike, relative[neighbors], 0).sum(axis=1)
        / (alike.sum(axis=1) + 2),
        "company": np.log1p(counts[place] - 1),
        "border": border.any(axis=1).astype(np.float64),
        "shape": _odd_shape(table.codes, size, np.log(height / width)),
    }
    return OwnEvidence(columns, original, np.where(found, overlap, 0).astype(np.float32))


def _log_odds(probability: NDArray[np.float32], unknown: float) -> NDArray[np.float64]:
    known = np.nan_to_num(probability.astype(np.float64), nan=unknown)
    return np.asarray(logit(np.clip(known, 1e-4, 1 - 1e-4)))


def _odd_shape(
    codes: NDArray[np.int32], size: NDArray[np.float64], aspect: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Returns how far the size or the aspect lies from its class, in its standard deviations."""
    place = np.unique(codes, return_inverse=True)[1]
    odd = np.zeros(len(codes))
    for values in (size, aspect):
        counts = np.bincount(place)[place] - 1
        # of all labels, as a prior
        strength, center, variance = 5.0, values.mean(), values.var() + 1e-6
        first = np.bincount(place, values)[place] - values + strength * center
        second = np.bincount(place, values**2)[place] - values**2
        second += strength * (variance + center**2)
        mean = first / (counts + strength)
        spread = np.maximum(second / (counts + strength) - mean**2, 0.05 * variance)
        odd = np.maximum(odd, np.abs(values - mean) / np.sqrt(spread))
    return np.minimum(odd, 6.0)
