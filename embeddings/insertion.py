"""Places new points on a map whose other points stay where they are."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from .neighbors import NeighborGraph
from .numba_cache import keep_compiled
from .projection import PCA, UMAP, Method

# of the optimization, as umap-learn's transform has them
_EPOCHS_FEW, _EPOCHS_MANY, _FEW = 100, 30, 10_000
_FITTED_ON = 20_000


def place_points(
    vectors: NDArray[np.float32],
    points: NDArray[np.float32],
    method: Method,
    graph: NeighborGraph,
) -> NDArray[np.float32]:
    """Places the points that are not placed yet.

    PCA is linear, so its map is recovered from the placed points. UMAP starts each new point at the
    weighted mean of its neighbors' points and then optimizes the new points alone, as umap-learn's
    ``transform`` does; other than there, new points attract each other too, so that what is new and
    alike ends up together. t-SNE has no way to place points: they stay at the mean.

    Args:
        vectors: (n, d) float32
        points: (n, num_dims) float32, NaN in the rows that are to be placed; one at least is placed
        method: what the placed points were projected by
        graph: the neighbor graph of the vectors

    Returns:
        (n, num_dims) float32; rows that were placed are returned as they were
    """
    new = np.asarray(np.isnan(points).any(axis=1))
    if not new.any():
        return points
    if isinstance(method, PCA):
        return _place_linearly(vectors, points, new)
    placed = _place_at_neighbors(points, graph)
    if isinstance(method, UMAP) and min(method.num_neighbors, len(points) - 1) >= 2:
        return _optimize(placed, new, method, graph)
    return placed


def _place_linearly(
    vectors: NDArray[np.float32], points: NDArray[np.float32], new: NDArray[np.bool_]
) -> NDArray[np.float32]:
    fitted = np.flatnonzero(~new)
    if len(fitted) > _FITTED_ON:
        fitted = np.random.default_rng(0).choice(fitted, _FITTED_ON, replace=False)
    center, origin = vectors[fitted].mean(0), points[fitted].mean(0)
    # the solution of least norm, which is PCA's where there are fewer vectors than dimensions
    axes = np.linalg.lstsq(vectors[fitted] - center, points[fitted] - origin, rcond=1e-6)[0]
    placed = points.copy()
    placed[new] = (vectors[new] - center) @ axes + origin
    return placed


def _place_at_neighbors(points: NDArray[np.float32], graph: NeighborGraph) -> NDArray[np.float32]:
    """Places each point at the mean of its placed neighbors, the nearer the heavier; those that
    have none follow once their neighbors are placed."""
    placed = points.copy()
    scale = np.maximum(graph.distances[:, 1:].mean(axis=1), 1e-12)
    while (missing := np.flatnonzero(np.isnan(placed).any(axis=1))).size:
        neighbors = graph.indices[missing]
        weights = np.exp(-graph.distances[missing] / scale[missing, None])
        weights[np.isnan(placed[neighbors]).any(axis=2)] = 0
        total = weights.sum(axis=1)
        reached = total > 0
        if not reached.any():  # an island of new points that knows no old one
            placed[missing] = np.nanmean(placed, axis=0)
            break
        weighted = weights[reached, :, None] * np.nan_to_num(placed[neighbors[reached]])
        placed[missing[reached]] = weighted.sum(axis=1) / total[reached, None]
    return placed


def _optimize(
    points: NDArray[np.float32], new: NDArray[np.bool_], method: UMAP, graph: NeighborGraph
) -> NDArray[np.float32]:
    """UMAP's stochastic gradient descent, of the new points alone (tried with umap-learn 0.5)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from umap.layouts import optimize_layout_euclidean
        from umap.umap_ import find_ab_params, fuzzy_simplicial_set, make_epochs_per_sample

        keep_compiled("umap")
        n, m = len(points), int(new.sum())
        k = min(method.num_neighbors, n - 1)
        random = np.random.RandomState(method.seed)
        weights = fuzzy_simplicial_set(
            points, k, random, method.metric,
            knn_indices=graph.indices[:, :k], knn_dists=graph.distances[:, :k],
        )[0].tocsr()[np.flatnonzero(new)].tocoo()  # fmt: skip
        epochs = _EPOCHS_FEW if m <= _FEW else _EPOCHS_MANY
        strong = weights.data >= weights.data.max() / epochs
        # the new points come first, so that the array that moves is a part of the whole
        order = np.concatenate([np.flatnonzero(new), np.flatnonzero(~new)])
        position = np.empty(n, dtype=np.int32)
        position[order] = np.arange(n, dtype=np.int32)
        layout = np.ascontiguousarray(points[order], dtype=np.float32)
        a, b = find_ab_params(1.0, method.min_dist)
        optimize_layout_euclidean(
            layout[:m],
            layout,
            weights.row[strong].astype(np.int32),
            position[weights.col[strong]],
            epochs,
            n,
            make_epochs_per_sample(weights.data[strong], epochs),
            a,
            b,
            random.randint(np.iinfo(np.int32).min + 1, np.iinfo(np.int32).max - 1, 3).astype(
                np.int64
            ),
            initial_alpha=0.25,
            parallel=method.seed is None,
            tqdm_kwds={"disable": True},
        )
    placed = points.copy()
    placed[new] = layout[:m]
    return placed
