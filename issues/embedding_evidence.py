"""What of their embeddings labels are judged by: the nearest ones, the look in a few dimensions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InvalidParameter
from ..core.table import PatchTable
from ..embeddings.neighbors import EXACT_UP_TO, NeighborGraph, build_neighbor_graph
from .numerics import unit_rows

NUM_NEIGHBORS = 50
# neighbors that a reason counts and a reviewer sees
SHOWN_NEIGHBORS = 10

_SEED = 51
_AT_ONCE = 2048  # embeddings that are looked at together
_GATHERED = 256  # patches whose neighbors' embeddings are held at a time
_DIMENSIONS = 32  # of the look, for the model that learns


def check_embeddings(table: PatchTable, vectors: NDArray[np.float32]) -> None:
    """Checks that labels can be judged by their embeddings.

    Args:
        table: n patches
        vectors: (n, d) their embeddings

    Raises:
        InvalidParameter: if the patches are whole images, or the embeddings do not fit the table,
            or are not numbers
    """
    if table.label_ids is None:
        raise InvalidParameter(
            "Whole images have no labels to check: choose a run that has a patches field."
        )
    if len(vectors) != len(table):
        raise InvalidParameter(
            f"There are {len(vectors)} embeddings for {len(table)} labels: one each is needed."
        )
    # both ends are NaN where any is, and take no memory
    if vectors.size and not np.isfinite([vectors.min(), vectors.max()]).all():
        raise InvalidParameter(
            "Some embeddings are not numbers, so nothing can be said of the labels: compute the "
            "visualization again."
        )


def find_neighbors(
    vectors: NDArray[np.float32],
    graph: NeighborGraph | None = None,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Returns the nearest rows but oneself, and their cosine similarities."""
    n = len(vectors)
    if n <= EXACT_UP_TO:
        k = min(NUM_NEIGHBORS + 1, n)
        graph = build_neighbor_graph(vectors, k, "cosine", _SEED, progress=report)
    elif graph is None:
        # an approximate search is slow for many neighbors; of unit vectors the Euclidean distance
        # ranks as the cosine does, and is compiled already where a map was computed
        k = SHOWN_NEIGHBORS + 5
        graph = build_neighbor_graph(unit_rows(vectors), k, "euclidean", _SEED, progress=report)
    k = graph.indices.shape[1]
    own = graph.indices == np.arange(n)[:, None]
    own[~own.any(axis=1), -1] = True  # an approximate search may miss a row itself
    own &= own.cumsum(axis=1) == 1
    nearest = graph.indices[~own].reshape(n, k - 1)
    if graph.metric == "cosine":
        return nearest, 1 - graph.distances[~own].reshape(n, k - 1)
    similarities = np.empty((n, k - 1), dtype=np.float32)
    lengths = np.maximum(np.sqrt(np.einsum("ij,ij->i", vectors, vectors)), 1e-12)
    for start in range(0, n, _GATHERED):
        rows = slice(start, start + _GATHERED)
        products = np.matmul(vectors[nearest[rows]], vectors[rows, :, None])[:, :, 0]
        similarities[rows] = products / (lengths[nearest[rows]] * lengths[rows, None])
    order = np.argsort(-similarities, axis=1, kind="stable")
    return np.take_along_axis(nearest, order, axis=1), np.take_along_axis(similarities, order, 1)


def look_of(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Returns the directions in which the embeddings differ most; the first has a spread of 1."""
    from sklearn.decomposition import PCA

    n, d = vectors.shape
    size = min(_DIMENSIONS, d, n - 1)
    if size < 1:
        return np.zeros((n, 0))
    sample = np.random.default_rng(_SEED).permutation(n)[:20_000]
    pca = PCA(size, svd_solver="covariance_eigh").fit(unit_rows(vectors[np.sort(sample)]))
    scale = max(float(np.sqrt(pca.explained_variance_[0])), 1e-6)
    blocks = (vectors[start : start + _AT_ONCE] for start in range(0, n, _AT_ONCE))
    look = np.concatenate([pca.transform(unit_rows(block)) for block in blocks]) / scale
    # an eigenvector's sign is arbitrary
    signs = np.sign((pca.components_ * np.abs(pca.components_).max(axis=1, keepdims=True)).sum(1))
    return np.asarray(look * np.where(signs == 0, 1, signs))
