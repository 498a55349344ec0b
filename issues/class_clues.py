"""What speaks for each class of a patch, each clue computed from all labels but the patch's own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .look import FLOOR, PENALTY, Look
from .numerics import unit_rows

# so many (row, class) cells are held at a time
_CELLS = 125_000


@dataclass(frozen=True, eq=False)
class ClassedPatches:
    """n patches that have a class, and what each is judged by.

    Attributes:
        codes: (n,) int32 the class of each, in ``[0, num_classes)``
        num_classes: at least 2
        media: (n,) int32 index of each patch's image
        boxes: (n, 4) float64 ``[x, y, width, height]``
        vectors: (n, d) float32 embeddings
        neighbors: (n, k) int32 rows of the nearest patches, nearest first, itself not among them
        similarities: (n, k) float32 their cosine similarities
    """

    codes: NDArray[np.int32]
    num_classes: int
    media: NDArray[np.int32]
    boxes: NDArray[np.float64]
    vectors: NDArray[np.float32]
    neighbors: NDArray[np.int32]
    similarities: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.codes)


class ClassClues:
    """The clues of n patches, for a block of rows at a time.

    Args:
        patches: the patches
        trust: (n,) how much each label vouches for others, in [0, 1]
    """

    def __init__(self, patches: ClassedPatches, trust: NDArray[np.float32]) -> None:
        self._codes, self._k, self._trust = patches.codes, patches.num_classes, trust
        self._embeddings = Look(patches.vectors)
        self._neighbors, self._similarities = patches.neighbors, patches.similarities
        self._counts = np.bincount(self._codes, trust, self._k).astype(np.float32)
        self._sum_looks()
        self._regress()
        self._count_images(patches.media)
        self._sum_shapes(patches.boxes)

    def blocks(self, rows: NDArray[np.int64]) -> Iterator[NDArray[np.float32]]:
        """Yields (clues, rows, classes) float32 blocks."""
        step = max(1, _CELLS // self._k)
        for start in range(0, len(rows), step):
            block = rows[start : start + step]
            inputs = self._embeddings.inputs(block)
            clues = (
                self._log_counts(block),
                *self._votes(block),
                self._look(block, inputs),
                self._regression(block, inputs),
                *self._company(block),
                self._shape(block),
            )
            yield np.stack(clues)

    def _log_counts(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """How many the class has."""
        logs = np.tile(np.log(self._counts + 0.5), (len(rows), 1))
        logs[self._own(rows)] = np.log(self._others(rows) + 0.5)
        return logs

    def _own(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """The cells of the patches' own classes."""
        return np.arange(len(rows)), self._codes[rows]

    def _others(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """(rows,) how much the others of each one's class count."""
        return np.asarray(self._counts[self._codes[rows]] - self._trust[rows])

    def _votes(self, rows: NDArray[np.int64]) -> Iterator[NDArray[np.float32]]:
        """The neighbors: ten counted, all weighted by similarity, and the nearest of each class."""
        classes, near = self._codes[self._neighbors[rows]], self._similarities[rows]
        at = np.arange(len(rows))
        base = (self._counts + 0.5) / (self._counts.sum() + 0.5 * self._k)
        counted = np.zeros((len(rows), self._k), dtype=np.float32)
        weighted = counted.copy()
        nearest = np.repeat(near[:, -1:], self._k, axis=1)
        trust = self._trust[self._neighbors[rows]]
        weights = np.exp((near - near[:, :1]) / 0.05)
        # as far away as its vote counts for less
        trusted = near + 0.05 * np.log(np.maximum(trust, 1e-3))
        for j in reversed(range(near.shape[1])):
            cell = at, classes[:, j]
            nearest[cell] = np.maximum(nearest[cell], trusted[:, j])
            weighted[cell] += weights[:, j] * trust[:, j]
            if j < 10:
                counted[cell] += trust[:, j]
        yield np.log(counted + 0.2 * base + 1e-3)
        total = weights.sum(axis=1, keepdims=True)
        yield np.log(weighted + 0.02 * total * base + 5e-3)
        yield 10 * (nearest - near[:, :1])

    def _sum_looks(self) -> None:
        """Sums the unit vectors of each class."""
        from scipy.sparse import csr_array

        size = self._embeddings.size
        self._sums = np.zeros((self._k, size), dtype=np.float32)
        self._products = np.zeros((size, size), dtype=np.float32)
        for start in range(0, len(self._codes), 4096):
            rows = np.arange(start, min(start + 4096, len(self._codes)))
            inputs, cells = self._embeddings.inputs(rows), (self._codes[rows], np.arange(len(rows)))
            self._sums += csr_array((self._trust[rows], cells), (self._k, len(rows))) @ inputs
            inputs *= np.sqrt(self._trust[rows, None])
            self._products += inputs.T @ inputs

    def _regress(self) -> None:
        """Fits a ridge regression from the look of a patch to its class, one-hot."""
        penalized = self._products.astype(np.float64) + PENALTY * np.eye(len(self._products))
        self._inverse = np.linalg.inv(penalized).astype(np.float32)
        self._coefficients = self._inverse @ self._sums.T

    def _regression(
        self, rows: NDArray[np.int64], inputs: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """What the regression says of each class, fitted without the patch.

        What leaving it out does is known without fitting anew (Allen's PRESS, 1974).
        """
        leverage = np.einsum("ij,ij->i", inputs @ self._inverse, inputs) * self._trust[rows]
        said = inputs @ self._coefficients
        said[self._own(rows)] -= leverage
        said /= 1 - leverage[:, None]
        np.maximum(said, 0, out=said)
        said += FLOOR
        return np.asarray(np.log(said, out=said))

    def _look(self, rows: NDArray[np.int64], inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """The similarity to the average of each class, shrunk to 0 for classes of a few."""
        units, own = inputs[:, :-1], self._own(rows)
        similar = units @ self._sums[:, :-1].T
        of_own = similar[own] - np.einsum("ij,ij->i", units, units) * self._trust[rows]
        similar *= 10 / (self._counts + 1)
        similar[own] = 10 * of_own / (self._others(rows) + 1)
        return np.asarray(similar)

    def likeness(self) -> NDArray[np.float32]:
        """Returns the cosine similarities of the classes' averages, (classes, classes)."""
        averages = unit_rows(self._sums[:, :-1])
        return np.asarray(averages @ averages.T)

    def _count_images(self, media: NDArray[np.int32]) -> None:
        from scipy.sparse import coo_array

        images, self._image = np.unique(media, return_inverse=True)
        shape = (len(images), self._k)
        self._content = coo_array((self._trust, (self._image, self._codes)), shape=shape).tocsr()
        present = self._content.minimum(1)
        together = (present.T @ present).toarray()
        alone = np.diag(together).copy()
        base = (alone + 0.5) / (len(images) + 1)
        rest = np.maximum(alone - 1, 0)[:, None] + 2  # the images but one's own

        def log_lift(counts: NDArray[np.float32]) -> NDArray[np.float32]:
            lift = np.log((counts + 2 * base) / rest / base)
            np.fill_diagonal(lift, 0)
            return np.asarray(lift, dtype=np.float32)

        # (class seen, class asked for), where one's own image has that class, and where not
        self._lift_with = log_lift(np.maximum(together - 1, 0))
        self._lift_without = log_lift(together)

    def _company(self, rows: NDArray[np.int64]) -> Iterator[NDArray[np.float32]]:
        """What else is in the image: how many of the class, their share, what goes with it."""
        content = self._content[self._image[rows]].toarray()
        others = content.copy()
        others[self._own(rows)] -= self._trust[rows]
        yield np.log1p(others)
        yield 3 * others / (others.sum(axis=1, keepdims=True) + 1)
        seen = np.clip(others, 0, 1)
        lift = np.where(content > 0, seen @ self._lift_with, seen @ self._lift_without)
        yield lift / np.maximum(seen.sum(axis=1, keepdims=True), 1)

    def _sum_shapes(self, boxes: NDArray[np.float64]) -> None:
        width, height = np.maximum(boxes[:, 2:], 1e-4).T
        self._shapes = np.stack([np.log(width * height) / 2, np.log(height / width)], axis=1)
        self._shape_sums = [
            np.stack(
                [
                    np.bincount(self._codes, self._trust * self._shapes[:, i] ** power, self._k)
                    for i in (0, 1)
                ]
            )
            for power in (1, 2)
        ]
        spreads = np.maximum(self._shapes.var(axis=0), 1e-4)
        self._shape_priors = list(zip(self._shapes.mean(axis=0), spreads, strict=True))

    def _shape(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """The log likelihood of the box's size and aspect, normal for each class."""
        codes, trust = self._codes[rows], self._trust[rows]
        total = np.zeros((len(rows), self._k))
        for i in (0, 1):
            values, prior = self._shapes[rows, i], self._shape_priors[i]
            first, second = (sums[i] for sums in self._shape_sums)
            likely = _log_normal(values[:, None], self._counts, first, second, prior)
            first, second = first[codes] - values * trust, second[codes] - values**2 * trust
            likely[self._own(rows)] = _log_normal(values, self._others(rows), first, second, prior)
            total += likely
        return np.maximum(total, -8).astype(np.float32)


def _log_normal(
    values: NDArray[np.float64],
    counts: NDArray[np.float32],
    sums: NDArray[np.float64],
    squares: NDArray[np.float64],
    prior: tuple[float, float],
) -> NDArray[np.float64]:
    """How likely values are in classes of so many others, which sum up to this and whose squares to
    that; the prior is the mean and the variance of all."""
    strength, (center, spread) = 5.0, prior
    mean = (sums + strength * center) / (counts + strength)
    square = (squares + strength * (spread + center**2)) / (counts + strength)
    variance = np.maximum(square - mean**2, 0.05 * spread)
    return np.asarray(-(np.log(variance) + (values - mean) ** 2 / variance) / 2)
