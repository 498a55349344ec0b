"""Boxes compared with each other, for benches that look at a few at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def box_overlaps(
    boxes: NDArray[np.float64], others: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compares ``[x, y, width, height]`` boxes, shapes (n, 4) and (m, 4).

    Returns:
        a tuple of the intersection over union, (n, m), and the part of each of ``others`` that lies
        in each of ``boxes``, (n, m)
    """
    near = np.maximum(boxes[:, None, :2], others[None, :, :2])
    far = np.minimum(
        boxes[:, None, :2] + boxes[:, None, 2:], others[None, :, :2] + others[None, :, 2:]
    )
    shared = np.clip(far - near, 0, None).prod(axis=2)
    area, other_area = (np.maximum(b[:, 2:].prod(axis=1), 1e-12) for b in (boxes, others))
    union = np.maximum(area[:, None] + other_area[None] - shared, 1e-12)
    return shared / union, shared / other_area[None]
