"""The nearest patches: of some patches, or by their distances to anything else."""

from __future__ import annotations

import fiftyone as fo
import numpy as np
from numpy.typing import NDArray

from ..dataset.brain_runs import read_neighbor_graph
from ..embeddings.neighbors import NeighborGraph
from .map import Map

Rows = NDArray[np.int64]


def neighbors_of(dataset: fo.Dataset, shown: Map) -> NeighborGraph | None:
    """Reads the neighbor graph that was kept with the points of a map, whatever run has its key by
    now; its rows are the map's, and neighbors of a field that is gone are -1.

    Returns:
        the :class:`~labelvet.embeddings.neighbors.NeighborGraph`, None where there is none
    """
    several = shown.info.several
    graph = read_neighbor_graph(dataset, shown.info.record)
    points = len(shown) if several is None else sum(several.sizes)
    if graph is None or len(graph.indices) != points:
        return None
    return graph if several is None or len(shown) == points else graph.take(several.rows)


def similar_by_graph(graph: NeighborGraph, rows: Rows, count: int) -> Rows:
    """Finds the rows nearest to any of ``rows`` in the neighbor graph, nearest first.

    Of one row no more are known than the graph has; further ones are neighbors of neighbors.
    """
    nearest = np.full(len(graph.indices), np.inf, dtype=np.float32)
    nearest[rows] = 0
    reached = front = rows
    # each step is at least one edge longer, so a few reach as many as anybody looks at
    while len(front) and np.isfinite(nearest).sum() - len(rows) < count:
        near = graph.indices[front].ravel()
        far = (nearest[front][:, None] + graph.distances[front]).ravel()
        known = near >= 0
        np.minimum.at(nearest, near[known], far[known])
        front = np.setdiff1d(near[known], reached)
        reached = np.union1d(reached, front)
    return _first(nearest, rows, count)


def similar_by_map(points: NDArray[np.float32], rows: Rows, count: int) -> Rows:
    """Finds the rows nearest to any of ``rows`` on the map, nearest first."""
    from scipy.spatial import cKDTree

    nearest = cKDTree(np.nan_to_num(points[rows])).query(np.nan_to_num(points), workers=-1)[0]
    nearest[~np.isfinite(points).all(axis=1)] = np.inf
    return _first(nearest, rows, count)


def _first(nearest: NDArray[np.floating], rows: Rows, count: int) -> Rows:
    others = nearest.copy()
    others[rows] = np.inf
    return nearest_rows(others, count)


def nearest_rows(distances: NDArray[np.floating], count: int) -> Rows:
    """Returns the rows of the smallest of (n,) distances, nearest first; of equal ones the first
    row first, and none that is infinite."""
    best = np.argsort(distances, kind="stable")[:count]
    return np.asarray(best[np.isfinite(distances[best])], dtype=np.int64)


def nearest_on_map(points: NDArray[np.float32], count: int) -> NDArray[np.int32]:
    """Finds the nearest points of every point of a map, itself among them.

    Returns:
        (n, count) int32 rows, nearest first; -1 where there are no more, and of points that are
        nowhere
    """
    from scipy.spatial import cKDTree

    nearest = np.full((len(points), count), -1, dtype=np.int32)
    placed = np.flatnonzero(np.isfinite(points).all(axis=1))
    if not len(placed):
        return nearest
    found = cKDTree(points[placed]).query(points[placed], count, workers=-1)[1]
    found = found.reshape(len(placed), count)
    with_none = np.append(placed, -1)  # what is missing is one beyond the last
    nearest[placed] = with_none[found]
    return nearest
