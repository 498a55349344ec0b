"""Embeddings as a regression on the look takes them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# the regression's penalty, for unit vectors, and the least that it says of a class
PENALTY, FLOOR = 1.0, 0.05
# its intercept is the weight of this constant, so that it is left out with the rest
_CONSTANT = 0.3


class Look:
    """n embeddings as unit vectors around their center, with a constant; made for some rows at a
    time, as a copy of all would take as much memory again.

    Args:
        vectors: (n, d) float32
    """

    def __init__(self, vectors: NDArray[np.float32]) -> None:
        self._vectors, self._center = vectors, vectors.mean(axis=0)

    @property
    def size(self) -> int:
        """The length of an input, d + 1."""
        return int(self._vectors.shape[1]) + 1

    def inputs(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Returns the inputs of some rows, (rows, d + 1); the constant is the last."""
        inputs = np.empty((len(rows), self.size), dtype=np.float32)
        look = inputs[:, :-1]
        np.subtract(self._vectors[rows], self._center, out=look)
        look /= np.maximum(np.sqrt(np.einsum("ij,ij->i", look, look)), 1e-12)[:, None]
        inputs[:, -1] = _CONSTANT
        return inputs
