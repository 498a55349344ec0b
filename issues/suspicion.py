"""Suspicion: how likely each label is wrong, in what way, why, and what it should be.

Four small units, each a score in [0, 1]: *mislabeled* (the class is wrong), *spurious* (a false
positive), *missed* (a rejected or unsure label that shows an object which no accepted label
covers), *duplicate* (a second label on one object, or the same patch in another image). One more,
*suspicion*, is the probability that a label is wrong in any way; a review goes down that list, and
learns (:mod:`labelvet.review.learning`).

Everything is computed in the order of the labels' ids, so that it does not depend on the order of
the rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from ..core.errors import InvalidParameter
from ..core.progress import Progress
from ..core.table import PatchTable
from ..embeddings.neighbors import EXACT_UP_TO, NeighborGraph, build_neighbor_graph
from .boxes import IDENTICAL_SIMILARITY, Overlaps, measure_overlaps
from .classes import ClassFit, fit_classes
from .missed import score_missed
from .numerics import unit_rows

NUM_NEIGHBORS = 50
# neighbors that a reason counts and a reviewer sees
SHOWN_NEIGHBORS = 10
# patches of the suggested class that a reviewer sees beside a label
SHOWN_EXAMPLES = 5

_SEED = 51
_COMPARED = 2048  # patches of a class that examples are looked for among
_DIMENSIONS = 32  # of the look, for the model that learns

# Weights of the clues before any review. They were fitted to a small real detector's output on one
# half of coco128's images; see docs/label-issues.md.
CLUES = ("confidence", "size", "contains", "class", "neighbors' confidence", "company", "border")
PRIOR_WEIGHTS = {"confidence": -0.97, "size": -0.81, "contains": 1.46, "class": 0.25}
PRIOR_INTERCEPT = -0.7
# without confidences, the class is all there is to go by
PRIOR_WITHOUT_CONFIDENCE = {"class": 1.0, "contains": 1.46}


@dataclass(frozen=True, eq=False)
class Suspicion:
    """What is suspected of the n patches of a table, in its order.

    Attributes:
        suspicion: (n,) float32 probability that the label is wrong in any way
        mislabeled: (n,) float32 probability that its class is wrong; NaN where it cannot be known
        suggested: (n,) int32 code of the class that it should be, -1 where it cannot be known
        spurious: (n,) float32 probability that it is a false positive; NaN without confidences
        missed: (n,) float32 probability that a label which is not accepted shows an object that no
            accepted one shows; NaN for those that are accepted
        duplicate: (n,) float32 how much the label repeats another; 0 where it repeats none
        original: (n,) int32 row of that other label, -1 where there is none
        neighbors: (n, up to 10) int32 rows of the most similar patches, nearest first: the evidence
        examples: (n, 5) int32 rows of patches of the suggested class, most similar first, -1 where
            there are no more; the evidence for the suggestion
        clues: (n, 7 + up to 32) float32 what the model that learns from a review looks at
        prior: (7 + up to 32,) float64 weights of the clues before a review
        intercept: goes with ``prior``
        notes: sentences on what cannot be known in this dataset
    """

    suspicion: NDArray[np.float32]
    mislabeled: NDArray[np.float32]
    suggested: NDArray[np.int32]
    spurious: NDArray[np.float32]
    missed: NDArray[np.float32]
    duplicate: NDArray[np.float32]
    original: NDArray[np.int32]
    neighbors: NDArray[np.int32]
    examples: NDArray[np.int32]
    clues: NDArray[np.float32]
    prior: NDArray[np.float64]
    intercept: float
    notes: list[str] = field(default_factory=list)

    def reason(self, table: PatchTable, row: int) -> str:
        """Returns one sentence that says what speaks against the label of a row."""
        if np.isfinite(self.missed[row]):
            what = f"looks like {_named(table, int(table.codes[row]))} and no label covers it"
            return f"{_neighbors_sentence(self, table, row)}; {what}{_confidence(table, row)}."
        if self.original[row] >= 0:
            other = int(self.original[row])
            name = _named(table, int(table.codes[other]))
            if table.media[other] == table.media[row]:
                return f"It covers {self.duplicate[row]:.0%} of another label, {name}."
            return f"The same patch, {name}, is in another image."
        return f"{_neighbors_sentence(self, table, row)}{_confidence(table, row)}."

    def evidence(self, row: int) -> NDArray[np.int32]:
        """Returns the rows that the reason speaks of: the neighbors, or the label repeated."""
        if self.original[row] >= 0 and not np.isfinite(self.missed[row]):
            return np.asarray(self.original[row : row + 1])
        return np.asarray(self.neighbors[row])


def find_suspects(
    table: PatchTable,
    vectors: NDArray[np.float32],
    rejected: NDArray[np.bool_] | None = None,
    groups: NDArray[np.int64] | None = None,
    graph: NeighborGraph | None = None,
    progress: Progress | None = None,
    share: float = 1.0,
) -> Suspicion:
    """Judges every label of a table by its embedding, neighbors, class, confidence and box.

    Args:
        table: n patches of labels
        vectors: (n, d) float32 their embeddings
        rejected: (n,) which labels were rejected; with those of a low confidence they are what
            missed objects are looked for among
        groups: (n,) patches of one group do not vouch for each other's class by their look
        graph: the neighbor graph of these embeddings where there is one, of any metric; up to
            30,000 labels an exact one is built anyhow, as it has more neighbors
        progress: where to report, as stages that take ``share`` of the whole
        share: see ``progress``

    Raises:
        InvalidParameter: if the patches are whole images, or the embeddings do not fit the table
    """
    if table.label_ids is None:
        raise InvalidParameter(
            "Whole images have no labels to check: choose a run that has a patches field."
        )
    if len(vectors) != len(table):
        raise InvalidParameter(
            f"There are {len(vectors)} embeddings for {len(table)} labels: one each is needed."
        )
    progress = progress or Progress()
    order = np.argsort(table.label_ids, kind="stable")
    with progress.stage("Finding neighbors", share * 0.6):
        ordered = vectors[order]
        neighbors, similarities = _find_neighbors(
            ordered,
            groups[order] if groups is not None else None,
            graph.take(order) if graph is not None else None,
            progress.check_cancelled,
        )
    with progress.stage("Judging labels", share * 0.4):
        judged = _judge(
            table.take(order),
            ordered,
            neighbors,
            similarities,
            rejected[order] if rejected is not None else np.zeros(len(table), dtype=bool),
            groups[order] if groups is not None else None,
        )
    return _restore(judged, order)


def _find_neighbors(
    vectors: NDArray[np.float32],
    groups: NDArray[np.int64] | None,
    graph: NeighborGraph | None = None,
    check: Callable[[], None] = lambda: None,
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Returns the nearest rows but oneself (and but one's group), and their cosine similarities."""
    n = len(vectors)
    if groups is not None:
        similar = unit_rows(vectors) @ unit_rows(vectors).T
        similar[groups[:, None] == groups[None]] = -1
        nearest = np.argsort(-similar, axis=1, kind="stable")[:, : min(NUM_NEIGHBORS, n - 1)]
        return nearest.astype(np.int32), np.take_along_axis(similar, nearest, axis=1)
    if n <= EXACT_UP_TO:
        k = min(NUM_NEIGHBORS + 1, n)
        graph = build_neighbor_graph(vectors, k, "cosine", _SEED, check=check)
    elif graph is None:
        # an approximate search is slow for many neighbors; of unit vectors the Euclidean distance
        # ranks as the cosine does, and is compiled already where a map was computed
        k = SHOWN_NEIGHBORS + 5
        graph = build_neighbor_graph(unit_rows(vectors), k, "euclidean", _SEED, check=check)
    k = graph.indices.shape[1]
    own = graph.indices == np.arange(n)[:, None]
    own[~own.any(axis=1), -1] = True  # an approximate search may miss a row itself
    own &= own.cumsum(axis=1) == 1
    nearest = graph.indices[~own].reshape(n, k - 1)
    if graph.metric == "cosine":
        return nearest, 1 - graph.distances[~own].reshape(n, k - 1)
    similarities = np.empty((n, k - 1), dtype=np.float32)
    lengths = np.maximum(np.sqrt(np.einsum("ij,ij->i", vectors, vectors)), 1e-12)
    for start in range(0, n, _COMPARED):
        rows = slice(start, start + _COMPARED)
        products = np.matmul(vectors[nearest[rows]], vectors[rows, :, None])[:, :, 0]
        similarities[rows] = products / (lengths[nearest[rows]] * lengths[rows, None])
    order = np.argsort(-similarities, axis=1, kind="stable")
    return np.take_along_axis(nearest, order, axis=1), np.take_along_axis(similarities, order, 1)


def _judge(
    table: PatchTable,
    vectors: NDArray[np.float32],
    neighbors: NDArray[np.int32],
    similarities: NDArray[np.float32],
    rejected: NDArray[np.bool_],
    groups: NDArray[np.int64] | None,
) -> Suspicion:
    n = len(table)
    notes: list[str] = []
    confident = np.isfinite(table.confidences)
    confidence = np.clip(np.where(confident, table.confidences, 0.5), 0.01, 0.99).astype(np.float64)
    fit = _mislabeled(table, vectors, neighbors, similarities, groups, notes)
    rank = np.where(confident, table.confidences, 1.0) - 2.0 * rejected
    overlaps = measure_overlaps(table.media, table.boxes, table.codes, rank)
    duplicate, original = _duplicates(table, overlaps, neighbors, similarities)

    clues = _clues(table, fit, overlaps, confidence, neighbors, vectors)
    weights = PRIOR_WEIGHTS if confident.any() else PRIOR_WITHOUT_CONFIDENCE
    intercept = PRIOR_INTERCEPT if confident.any() else fit.intercept
    prior = np.zeros(clues.shape[1])
    prior[: len(CLUES)] = [weights.get(name, 0.0) for name in CLUES]
    suspicion = expit(clues @ prior + intercept).astype(np.float32)

    spurious = np.full(n, np.nan, dtype=np.float32)
    if confident.any():
        no_class = prior.copy()
        no_class[CLUES.index("class")] = 0
        spurious[confident] = expit(clues @ no_class + intercept)[confident]
    else:
        notes.append(
            "The labels have no confidence, so false positives cannot be told from true ones: "
            "only wrong classes and duplicates are looked for."
        )
    suspicion = np.maximum(suspicion, duplicate * (original >= 0) * 0.5)
    missed = score_missed(table, neighbors, fit.wrong, rejected)
    examples = _examples(table.codes, fit.suggested, vectors, neighbors)
    return Suspicion(
        suspicion, fit.wrong, fit.suggested, spurious, missed, duplicate, original,
        neighbors[:, :SHOWN_NEIGHBORS], examples, clues, prior, intercept, notes,
    )  # fmt: skip


def _mislabeled(
    table: PatchTable,
    vectors: NDArray[np.float32],
    neighbors: NDArray[np.int32],
    similarities: NDArray[np.float32],
    groups: NDArray[np.int64] | None,
    notes: list[str],
) -> ClassFit:
    n = len(table)
    unknown = ClassFit(
        np.full(n, np.nan, np.float32),
        np.full(n, np.nan, np.float32),
        np.full(n, -1, np.int32),
        -9.0,
    )
    labeled = table.codes >= 0
    if not labeled.all():
        notes.append(f"{(~labeled).sum():,} labels have no class, which cannot be checked.")
    used, codes = np.unique(table.codes[labeled], return_inverse=True)
    if len(used) < 2 or labeled.sum() < 3:
        notes.append(
            "All labels are of one class, so a wrong class cannot be told from a right one."
            if labeled.sum() >= 3
            else "There are too few labels to compare."
        )
        return unknown
    lonely = int((np.bincount(codes) == 1).sum())
    if lonely:
        notes.append(
            f"{lonely:,} of {len(used):,} classes have a single label, which nothing can confirm: "
            "such a label is judged by what the other classes look like."
        )
    if not labeled.all():
        neighbors, similarities = _find_neighbors(
            vectors[labeled], groups[labeled] if groups is not None else None
        )
    found = fit_classes(
        codes.astype(np.int32), len(used), vectors[labeled], neighbors, similarities,
        table.media[labeled], table.boxes[labeled], groups[labeled] if groups is not None else None,
    )  # fmt: skip
    unknown.wrong[labeled] = found.wrong
    unknown.suggested[labeled] = used[found.suggested]
    unknown.fits[labeled] = found.fits
    return replace(unknown, intercept=found.intercept)


def _clues(
    table: PatchTable,
    fit: ClassFit,
    overlaps: Overlaps,
    confidence: NDArray[np.float64],
    neighbors: NDArray[np.int32],
    vectors: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Returns the columns of ``CLUES``, and the look of the patch in a few dimensions."""
    certainty = logit(confidence)
    side = np.log(np.maximum(table.boxes[:, 2] * table.boxes[:, 3], 1e-8)) / 2
    same = table.codes[neighbors] == table.codes[:, None]
    far = table.boxes[:, :2] + table.boxes[:, 2:]
    columns = [
        certainty,
        side - np.median(side),
        overlaps.contains,
        np.nan_to_num(-logit(np.clip(fit.fits.astype(np.float64), 1e-4, 1 - 1e-4)), nan=0.0),
        np.where(same, certainty[neighbors], 0).sum(axis=1) / (same.sum(axis=1) + 2),
        np.log1p(overlaps.company),
        ((table.boxes[:, :2] < 0.01) | (far > 0.99)).any(axis=1),
    ]
    return np.concatenate([np.stack(columns, axis=1), _look(vectors)], axis=1).astype(np.float32)


def _look(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Returns the directions in which the embeddings differ most; the first has a spread of 1."""
    from sklearn.decomposition import PCA

    n, d = vectors.shape
    size = min(_DIMENSIONS, d, n - 1)
    if size < 1:
        return np.zeros((n, 0))
    sample = np.random.default_rng(_SEED).permutation(n)[:20_000]
    units = unit_rows(vectors)
    pca = PCA(size, svd_solver="covariance_eigh").fit(units[np.sort(sample)])
    scale = max(float(np.sqrt(pca.explained_variance_[0])), 1e-6)
    look = pca.transform(units) / scale
    # an eigenvector's sign is arbitrary
    signs = np.sign((pca.components_ * np.abs(pca.components_).max(axis=1, keepdims=True)).sum(1))
    return np.asarray(look * np.where(signs == 0, 1, signs))


def _duplicates(
    table: PatchTable,
    overlaps: Overlaps,
    neighbors: NDArray[np.int32],
    similarities: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Labels on one object, and the same patch in a later image."""
    duplicate, original = overlaps.duplicate.copy(), overlaps.original.copy()
    if not neighbors.shape[1]:
        return duplicate, original
    rows = np.arange(len(table))[:, None]
    same = (
        (similarities >= IDENTICAL_SIMILARITY)
        & (table.media[neighbors] != table.media[:, None])
        & (neighbors < rows)
    )
    found = same.any(axis=1) & (original < 0)
    first = same.argmax(axis=1)
    duplicate[found] = similarities[found, first[found]]
    original[found] = neighbors[found, first[found]]
    return np.clip(duplicate, 0, 1), original


def _examples(
    codes: NDArray[np.int32],
    suggested: NDArray[np.int32],
    vectors: NDArray[np.float32],
    neighbors: NDArray[np.int32],
) -> NDArray[np.int32]:
    """Finds the patches of each label's suggested class that are most similar to it."""
    n = len(codes)
    examples = np.full((n, SHOWN_EXAMPLES), -1, dtype=np.int32)
    fits = codes[neighbors] == suggested[:, None]
    first = np.argsort(~fits, axis=1, kind="stable")[:, :SHOWN_EXAMPLES]
    near = np.take_along_axis(neighbors, first, axis=1)
    examples[:, : near.shape[1]] = np.where(np.take_along_axis(fits, first, axis=1), near, -1)
    # the neighbors hold too few of a rare class: then all of it is compared
    for code in np.unique(suggested[(examples[:, -1] < 0) & (suggested >= 0)]).tolist():
        members = np.flatnonzero(codes == code)[:_COMPARED]
        units = unit_rows(vectors[members]).T
        lacking = np.flatnonzero((suggested == code) & (examples[:, -1] < 0))
        for rows in np.array_split(lacking, 1 + len(lacking) // _COMPARED):
            distances = -unit_rows(vectors[rows]) @ units
            shown = min(SHOWN_EXAMPLES, len(members))
            best = np.argpartition(distances, shown - 1, axis=1)[:, :shown]
            closest = np.take_along_axis(distances, best, axis=1)
            best = np.take_along_axis(best, np.argsort(closest, axis=1, kind="stable"), axis=1)
            examples[rows, :shown] = members[best]
    return examples


def _restore(judged: Suspicion, order: NDArray[np.int64]) -> Suspicion:
    """Puts what was judged in sorted order back into the table's order."""
    n = len(order)
    place = np.empty(n, dtype=np.int64)
    place[order] = np.arange(n)

    def rows(numbers: NDArray[np.int32]) -> NDArray[np.int32]:
        return np.where(numbers >= 0, order[numbers], -1).astype(np.int32)

    columns = ("suspicion", "mislabeled", "suggested", "spurious", "missed", "duplicate", "clues")
    return replace(
        judged,
        original=rows(judged.original)[place],
        neighbors=rows(judged.neighbors)[place],
        examples=rows(judged.examples)[place],
        **{name: getattr(judged, name)[place] for name in columns},
    )


def _neighbors_sentence(found: Suspicion, table: PatchTable, row: int) -> str:
    near = table.codes[found.neighbors[row]]
    if not len(near):
        return "There is nothing to compare it with"
    classes, counts = np.unique(near, return_counts=True)
    code = int(classes[counts.argmax()])
    suggested = int(found.suggested[row])
    sentence = f"{counts.max()} of {len(near)} neighbors are {_named(table, code)}"
    if suggested >= 0 and suggested != code and found.mislabeled[row] >= 0.5:
        sentence += f", and the image and the box suggest {_named(table, suggested)}"
    return sentence


def _named(table: PatchTable, code: int) -> str:
    return str(table.classes[code]) if code >= 0 else "without a class"


def _confidence(table: PatchTable, row: int) -> str:
    value = table.confidences[row]
    return f"; confidence {value:.2f}" if np.isfinite(value) else ""
