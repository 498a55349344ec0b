"""The neighbor graph: each patch's nearest patches, computed once and shared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .neighbor_search import search_neighbors

# Brute force is exact and faster up to about this many vectors; above it, its time grows with the
# square of their number. See docs/performance.md for what was tried.
EXACT_UP_TO = 30_000

_BLOCK = 1024
_ROWS = 512


@dataclass(frozen=True, eq=False)
class NeighborGraph:
    """The k nearest neighbors of n vectors, each vector its own first neighbor.

    Attributes:
        indices: (n, k) int32 rows of the neighbors, nearest first
        distances: (n, k) float32 distances to them
        metric: the metric of the distances
    """

    indices: NDArray[np.int32]
    distances: NDArray[np.float32]
    metric: str

    def take(self, rows: NDArray[np.integer]) -> NeighborGraph:
        """Returns the graph of some of the vectors, in the order of ``rows``; a neighbor that is
        none of them is -1."""
        place = np.full(len(self.indices) + 1, -1, dtype=np.int32)  # the last one is that of -1
        place[rows] = np.arange(len(rows), dtype=np.int32)
        return NeighborGraph(place[self.indices[rows]], self.distances[rows], self.metric)


def build_neighbor_graph(
    vectors: NDArray[np.float32],
    k: int,
    metric: str = "euclidean",
    seed: int | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> NeighborGraph:
    """Finds the ``k`` nearest neighbors of every vector, itself included.

    Exact, by blocks, up to ``EXACT_UP_TO`` vectors, approximate above, see
    :func:`~labelvet.embeddings.neighbor_search.search_neighbors`.

    Args:
        vectors: (n, d) float32
        k: neighbors of each, in [1, n]
        metric: "euclidean", "cosine", "manhattan" or "correlation"
        seed: makes the approximate search reproducible
        progress: called now and then with how much is done, of how much, which is 0 where that is
            not known; what it raises ends the search

    Returns:
        the :class:`NeighborGraph`

    Raises:
        NeighborsUnavailable: if the approximate search ends before its time
        StoreFull: if there is no room for its copy of the vectors on disk
    """
    indices: NDArray[np.integer]
    if len(vectors) > EXACT_UP_TO:
        indices, distances = search_neighbors(vectors, k, metric, seed, progress)
    elif metric == "manhattan":
        from sklearn.neighbors import NearestNeighbors

        index = NearestNeighbors(n_neighbors=k, metric=metric, algorithm="brute").fit(vectors)
        distances, indices = index.kneighbors(vectors)
    else:
        indices, distances = _exact(vectors, k, metric, progress)
    return NeighborGraph(indices.astype(np.int32), distances.astype(np.float32), metric)


def distances_to(
    query: NDArray[np.float32], vectors: NDArray[np.float32], metric: str = "euclidean"
) -> NDArray[np.float32]:
    """Returns the distance of every vector to one.

    Args:
        query: (d,) float32
        vectors: (n, d) float32
        metric: "euclidean", "cosine", "manhattan" or "correlation"

    Returns:
        (n,) float32, infinite where the metric has none
    """
    from scipy.spatial.distance import cdist

    distances = np.empty(len(vectors), dtype=np.float32)
    known_as = "cityblock" if metric == "manhattan" else metric
    # it computes in copies of float64, which by blocks stay in the processor's cache
    for start in range(0, len(vectors), _ROWS):
        block = slice(start, start + _ROWS)
        distances[block] = cdist(vectors[block], query[None], known_as)[:, 0]
    distances[np.isnan(distances)] = np.inf
    return distances


def _exact(
    vectors: NDArray[np.float32], k: int, metric: str, progress: Callable[[int, int], None]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Brute force as matrix products, which is what processors are best at."""
    import torch

    points = torch.from_numpy(np.ascontiguousarray(vectors))
    if metric == "correlation":
        points = points - points.mean(1, keepdim=True)
    if metric != "euclidean":
        points = torch.nn.functional.normalize(points)
    # this changes no distance, and keeps the rounding errors small
    points = points - points.mean(0)
    squares = (points * points).sum(1)
    indices = np.empty((len(vectors), k), dtype=np.int64)
    distances = np.empty((len(vectors), k), dtype=np.float32)
    for start in range(0, len(vectors), _BLOCK):
        progress(start, len(vectors))
        block = slice(start, start + _BLOCK)
        product = points[block] @ points.T
        squared = squares[block, None] + squares - 2 * product
        rows = torch.arange(len(squared))
        squared[rows, start + rows] = -1.0  # so that equal vectors do not come before itself
        near, nearest = squared.topk(k, largest=False)
        near = near.clamp_(min=0)
        # of unit vectors, the squared distance is twice the cosine distance
        near = near.sqrt() if metric == "euclidean" else near / 2
        indices[block], distances[block] = nearest.numpy(), near.numpy()
    return indices, distances
