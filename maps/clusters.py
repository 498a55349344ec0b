"""Clusters of a map, named by their dominant class, and the strangers in them.

Points are counted in the cells of a grid, the counts are smoothed, and the hills of that density
are the clusters (a watershed on its peaks): one pass over the points, whatever their number.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .columns import Column

# cells along the longest side, by number of dimensions
_CELLS = {2: 256, 3: 64}
_SMOOTHING = {2: 2.5, 3: 1.2}

# smaller ones are noise of the density
_SMALLEST = 5
_MOST = 2_000


@dataclass(frozen=True, eq=False)
class Cluster:
    """A cluster of points.

    Attributes:
        code: its code in the column of codes
        size: its number of points
        label: the class that most of its points have, None where they have none
        purity: the part of its labeled points that have that class, in [0, 1]
        center: the mean of its points
        strangers: (k,) int64 rows of its points of another class
    """

    code: int
    size: int
    label: str | None
    purity: float
    center: tuple[float, ...]
    strangers: NDArray[np.int64]


def find_clusters(points: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Finds the clusters of a map.

    Args:
        points: (n, 2) or (n, 3); rows that are not finite belong to none

    Returns:
        (n,) uint16 codes, 0 for none, largest cluster first
    """
    from scipy.ndimage import gaussian_filter
    from skimage.feature import peak_local_max
    from skimage.segmentation import watershed

    codes = np.zeros(len(points), dtype=np.uint16)
    usable = np.flatnonzero(np.isfinite(points).all(axis=1))
    if not len(usable):
        return codes
    placed = points[usable].astype(np.float64)
    dimensions = placed.shape[1]
    low, extent = placed.min(axis=0), np.ptp(placed, axis=0)
    # small maps in fewer cells, or every point would be a hill of its own
    cells = int(np.clip(4 * len(placed) ** (1 / dimensions), 16, _CELLS[dimensions]))
    cell = max(float(extent.max()) / cells, np.finfo(np.float64).tiny)
    index = np.minimum((placed - low) / cell, cells - 1).astype(np.int64)
    shape = tuple(index.max(axis=0) + 1)
    flat = np.ravel_multi_index(tuple(index.T), shape)
    counts = np.bincount(flat, minlength=int(np.prod(shape))).reshape(shape).astype(np.float64)
    density = gaussian_filter(counts, _SMOOTHING[dimensions], mode="constant")
    peaks = peak_local_max(
        density, min_distance=3, threshold_abs=density[counts > 0].mean() / 10,
        exclude_border=False, num_peaks=_MOST,
    )  # fmt: skip
    seeds = np.zeros(shape, dtype=np.int32)
    seeds[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    hills = watershed(-density, seeds, mask=density > 0)
    of_point = hills.ravel()[flat]
    sizes = np.bincount(of_point, minlength=len(peaks) + 1)
    sizes[0] = 0
    order = np.argsort(-sizes, kind="stable")
    order = order[sizes[order] >= _SMALLEST]
    renumbered = np.zeros(len(sizes), dtype=np.uint16)
    renumbered[order] = np.arange(1, len(order) + 1)
    codes[usable] = renumbered[of_point]
    return codes


def name_clusters(
    points: NDArray[np.float32], codes: NDArray[np.uint16], labels: Column
) -> list[Cluster]:
    """Names clusters by their dominant class and lists the strangers in each.

    Those come first in which a few points differ from nearly all others: dots of another color in
    one sea.

    Args:
        points: (n, d)
        codes: (n,) as :func:`find_clusters` returns them
        labels: a column of n rows with categories
    """
    assert labels.codes is not None
    rows = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[rows], np.arange(1, int(codes.max(initial=0)) + 2))
    clusters = []
    for code, (start, end) in enumerate(pairwise(starts), 1):
        members = rows[start:end]
        label, purity, strangers = None, 0.0, members[:0]
        of_members = labels.codes[members]
        if (counts := np.bincount(of_members)[1:]).sum():
            dominant = int(counts.argmax()) + 1
            label = labels.categories[dominant - 1]
            purity = float(counts[dominant - 1] / counts.sum())
            strangers = members[(of_members != dominant) & (of_members != 0)]
        center = tuple(points[members].mean(axis=0, dtype=np.float64).tolist())
        clusters.append(Cluster(code, len(members), label, purity, center, strangers))
    return sorted(clusters, key=lambda c: (not len(c.strangers), -c.purity, -c.size))
