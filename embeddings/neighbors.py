"""The neighbour graph: each patch's nearest patches, computed once and shared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Brute force is exact and faster up to about this many vectors; above it, its time grows with the
# square of their number.
EXACT_UP_TO = 20_000


@dataclass(frozen=True, eq=False)
class NeighborGraph:
    """The k nearest neighbours of n vectors, each vector its own first neighbour.

    Attributes:
        indices: (n, k) int32 rows of the neighbours, nearest first
        distances: (n, k) float32 distances to them
        metric: the metric of the distances
    """

    indices: NDArray[np.int32]
    distances: NDArray[np.float32]
    metric: str


def build_neighbor_graph(
    vectors: NDArray[np.float32], k: int, metric: str = "euclidean", seed: int | None = None
) -> NeighborGraph:
    """Finds the ``k`` nearest neighbours of every vector, itself included.

    Exact (scikit-learn, brute force in blocks) up to ``EXACT_UP_TO`` vectors, approximate
    (pynndescent: Dong et al., "Efficient k-nearest neighbor graph construction for generic
    similarity measures", 2011) above.

    Args:
        vectors: (n, d) float32
        k: neighbours of each, in [1, n]
        metric: "euclidean", "cosine", "manhattan" or another metric that both libraries know
        seed: makes the approximate search reproducible

    Returns:
        the :class:`NeighborGraph`
    """
    if len(vectors) <= EXACT_UP_TO:
        from sklearn.neighbors import NearestNeighbors

        index = NearestNeighbors(n_neighbors=k, metric=metric, algorithm="brute").fit(vectors)
        distances, indices = index.kneighbors(vectors)
    else:
        from pynndescent import NNDescent

        indices, distances = NNDescent(
            vectors, n_neighbors=k, metric=metric, random_state=seed
        ).neighbor_graph
    return NeighborGraph(indices.astype(np.int32), distances.astype(np.float32), metric)
