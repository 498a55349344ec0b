"""How labels come to be wrong: at random, or taken for a class that looks alike.

A model of what a patch looks like explains confusions of similar classes by itself, and then no
label seems wrong. So the share of wrong labels is counted where there is little to confuse: among
the surest patches, whose crops no label of another class reaches into, a label that is not the
class that is sure is wrong. (Patrini et al., "Making deep neural networks robust to label noise: a
loss correction approach", 2017, find such anchors and correct the model by what they say.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# The surest share of the patches that are counted, and of those that tell what is taken for what.
_SUREST, _SURE = 1 / 3, 0.6
_FEWEST = 30
# of a class whose likeness is ranked: the most similar one is taken for it three times in four
_NEXT = 0.25
# how many confusions the shape of a class's others is worth
_PRIOR = 2.0


@dataclass(frozen=True, eq=False)
class Noise:
    """What the labels of n patches are, given what the patches are, of k classes.

    Attributes:
        codes: (n,) the labels
        uniform: share of labels that are any of the classes
        similar: share of labels that are a class which theirs is taken for
        mix: (2,) how often that is one that looks alike, and one that it was seen to be taken for
        alike: (k, k) what each class is taken for by its look; rows add up to 1
        seen: (k, k) how often a sure patch of each class had each other label
        counted: (n,) the class that a patch was counted for in ``seen``, -1 for none
    """

    codes: NDArray[np.int32]
    uniform: float
    similar: float
    mix: NDArray[np.float64]
    alike: NDArray[np.float64]
    seen: NDArray[np.float64]
    counted: NDArray[np.int64]

    def labels(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Returns how probable the label of each row is for a patch of each class, (rows, k)."""
        k = len(self.alike)
        told = np.full((len(rows), k), self.uniform / k)
        if self.similar > 0:
            told += self.similar * np.tensordot(self.mix, self.taken_for(rows), 1)
        told[np.arange(len(rows)), self.codes[rows]] += 1 - self.uniform - self.similar
        return told

    def taken_for(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Returns both parts of ``mix`` for the labels of some rows, (2, rows, k)."""
        k = len(self.alike)
        codes, counted = self.codes[rows], self.counted[rows]
        seen, total = self.seen[:, codes].T, np.tile(self.seen.sum(axis=1), (len(rows), 1))
        own = np.flatnonzero(counted >= 0)
        seen[own, counted[own]] -= 1
        total[own, counted[own]] -= 1
        seen = (seen + _PRIOR / (k - 1)) / (total + _PRIOR)
        seen[np.arange(len(rows)), codes] = 0
        return np.stack([self.alike[:, codes].T, seen])


@dataclass(frozen=True, eq=False)
class ByLook:
    """What the look alone says of m of n patches, told without their own labels.

    Attributes:
        rows: (m,) which they are
        probabilities: (m, k) of their classes
        uniform: share of labels that are any of the classes then
    """

    rows: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    uniform: float


def count_noise(
    codes: NDArray[np.int32],
    said: ByLook,
    apart: NDArray[np.bool_],
    likeness: NDArray[np.float32],
) -> Noise:
    """Counts how many labels are wrong by being taken for another class.

    Args:
        codes: (n,) the labels
        said: what the look says of some of them
        apart: (n,) whether no label of another class reaches into a patch
        likeness: (k, k) how similar the classes look
    """
    k, rows, uniform, probabilities = len(likeness), said.rows, said.uniform, said.probabilities
    best, sureness, own = probabilities.argmax(axis=1), probabilities.max(axis=1), codes[rows]
    among = np.flatnonzero(apart[rows])
    if len(among) < _FEWEST:
        among = np.arange(len(rows))
    among = among[np.argsort(-sureness[among], kind="stable")]
    surest = among[: int(np.ceil(_SUREST * len(among)))]
    share = ((best != own)[surest].sum() + 0.5) / (len(surest) + 1)
    more = share - uniform * (1 - 1 / k)
    # of what is no more than chance may be, nothing stays (James and Stein's positive part)
    similar = more * max(0.0, 1 - share * (1 - share) / len(surest) / more**2) if more > 0 else 0.0

    sure = among[: int(np.ceil(_SURE * len(among)))]
    sure = sure[(best != own)[sure]]
    seen = np.zeros((k, k))
    np.add.at(seen, (best[sure], own[sure]), 1.0)
    counted = np.full(len(codes), -1, dtype=np.int64)
    counted[rows[sure]] = best[sure]
    others = np.where(np.eye(k, dtype=bool), -np.inf, likeness)
    rank = np.argsort(np.argsort(-others, axis=1, kind="stable"), axis=1)
    alike = _NEXT ** rank.astype(np.float64)
    np.fill_diagonal(alike, 0)
    alike /= alike.sum(axis=1, keepdims=True)
    return Noise(codes, uniform, similar, np.full(2, 0.5), alike, seen, counted)
