"""What speaks for each class of an image that may have several, each clue computed from all images
but that one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from .look import FLOOR, PENALTY, Look

if TYPE_CHECKING:
    from scipy.sparse import csr_array

CLUES = ("share", "neighbors", "near neighbors", "look", "against the look", "company")

# so many (image, class) cells are held at a time
_CELLS = 125_000
_BLOCK = 4096
# how many images of no classes but the usual ones the neighbors are taken for, in addition
_NEIGHBORS_PRIOR, _NEAR_PRIOR = 2.0, 0.04
# a neighbor whose similarity is lower by this counts a third of the nearest
_NEAR = 0.05
_COMPANY_PENALTY = 1.0


@dataclass(frozen=True, eq=False)
class TaggedImages:
    """n images that may have any of k classes.

    Attributes:
        tags: (n, k) float32, a cell for each class that an image is said to have: 1, or 0 where
            that was rejected
        vectors: (n, d) float32 embeddings
        neighbors: (n, j) int32 the most similar images, most similar first, itself not among them
        similarities: (n, j) float32 their cosine similarities
    """

    tags: csr_array
    vectors: NDArray[np.float32]
    neighbors: NDArray[np.int32]
    similarities: NDArray[np.float32]

    def __len__(self) -> int:
        return int(self.tags.shape[0])

    @property
    def num_classes(self) -> int:
        """How many classes there are."""
        return int(self.tags.shape[1])


class TagClues:
    """The clues of n images, for a block of rows at a time.

    Args:
        images: the images
        tags: (n, k) how probably each image has each class, in [0, 1]
    """

    def __init__(self, images: TaggedImages, tags: csr_array) -> None:
        self._images, self._tags = images, tags
        self._counts = np.asarray(tags.sum(axis=0), dtype=np.float64)
        self._weigh_neighbors()
        self._regress()
        self._count_together()

    def blocks(self, rows: NDArray[np.int64]) -> Iterator[NDArray[np.float32]]:
        """Yields (clues, rows, classes) float32 blocks."""
        step = max(1, _CELLS // self._images.num_classes)
        for start in range(0, len(rows), step):
            block = rows[start : start + step]
            own = self._tags[block].toarray().astype(np.float64)
            share = (self._counts - own + 0.5) / len(self._images)
            clues = (logit(share), *self._votes(block, share), *self._said(block, own),
                     self._company(block, own, share))  # fmt: skip
            yield np.stack(clues).astype(np.float32)

    def _weigh_neighbors(self) -> None:
        from scipy.sparse import csr_array

        near = self._images.similarities
        n, j = near.shape
        of, cells = np.arange(n + 1) * j, self._images.neighbors.ravel()
        weights = np.exp((near - near[:, :1]) / _NEAR)
        weights /= weights.sum(axis=1, keepdims=True)
        self._all, self._near = (
            csr_array((values.ravel(), cells, of), shape=(n, n))
            for values in (np.ones_like(near), weights)
        )

    def _votes(
        self, rows: NDArray[np.int64], share: NDArray[np.float64]
    ) -> Iterator[NDArray[np.float64]]:
        """How many of the neighbors have the class, and how many of the nearest."""
        j = self._images.neighbors.shape[1]
        for weights, total, prior in (
            (self._all, j, _NEIGHBORS_PRIOR),
            (self._near, 1, _NEAR_PRIOR),
        ):
            have = (weights[rows] @ self._tags).toarray() + prior * share
            # rounding errors of the weights may add up to more than all
            yield logit(np.minimum(have / (total + prior), 1 - 1e-3))

    def _regress(self) -> None:
        """Fits a ridge regression from the look of an image to each of its classes."""
        self._look = Look(self._images.vectors)
        products = np.zeros((self._look.size, self._look.size))
        sums = np.zeros((self._look.size, self._images.num_classes))
        for start in range(0, len(self._images), _BLOCK):
            rows = np.arange(start, min(start + _BLOCK, len(self._images)))
            inputs = self._look.inputs(rows)
            products += inputs.T @ inputs
            sums += (self._tags[rows].T @ inputs).T
        inverse = np.linalg.inv(products + PENALTY * np.eye(self._look.size))
        self._inverse = inverse.astype(np.float32)
        self._coefficients = (inverse @ sums).astype(np.float32)

    def _said(
        self, rows: NDArray[np.int64], own: NDArray[np.float64]
    ) -> Iterator[NDArray[np.float64]]:
        """What the regression says for and against each class, fitted without the image.

        What leaving it out does is known without fitting anew (Allen's PRESS, 1974).
        """
        inputs = self._look.inputs(rows)
        leverage = np.einsum("ij,ij->i", inputs @ self._inverse, inputs)[:, None]
        said = (inputs @ self._coefficients - leverage * own) / (1 - leverage)
        yield np.log(np.maximum(said, 0) + FLOOR)
        yield -np.log(np.maximum(1 - said, 0) + FLOOR)

    def _count_together(self) -> None:
        """Counts which classes images have together, for regressions from the others to each."""
        k = self._images.num_classes
        products = np.empty((k + 1, k + 1))
        products[:k, :k] = (self._tags.T @ self._tags).toarray()
        products[k, :k] = products[:k, k] = self._counts
        products[k, k] = len(self._images)
        self._between = np.linalg.inv(products + _COMPANY_PENALTY * np.eye(k + 1))

    def _company(
        self, rows: NDArray[np.int64], own: NDArray[np.float64], share: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """What a ridge regression on the other classes of the image says of each, by how often a
        class is there at all.

        The inverse holds the regression of each class on all others, and what leaving an image out
        does to it: the leverage of the others is that of all but what the class itself adds.
        """
        inputs = np.column_stack([own, np.ones(len(rows))])
        weighed, alone = inputs @ self._between, np.diag(self._between)[:-1]
        leverage = np.einsum("ij,ij->i", weighed, inputs)[:, None]
        weighed = weighed[:, :-1]
        said = own - weighed / alone / (1 - leverage + weighed**2 / alone)
        return np.asarray(np.log((np.maximum(said, 0) + FLOOR) / (share + FLOOR)))
