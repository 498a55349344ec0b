"""Wrong classes are told from right ones, at random as well as taken for what looks alike."""

from __future__ import annotations

import numpy as np
import pytest
from labelvet.issues.class_clues import ClassedPatches
from labelvet.issues.classes import fit_classes
from labelvet.issues.embedding_evidence import find_neighbors
from sklearn.datasets import load_digits
from sklearn.metrics import average_precision_score


@pytest.fixture(scope="module")
def digits():
    vectors, truth = load_digits(return_X_y=True)
    rows = np.flatnonzero(np.isin(truth, (3, 5, 8, 9)))[:700]
    vectors = (vectors[rows] - vectors.mean(axis=0)).astype("f4")
    return vectors, np.unique(truth[rows], return_inverse=True)[1].astype(np.int32)


def _flip(truth, share, similar, seed):
    rng = np.random.default_rng(seed)
    flipped = np.zeros(len(truth), dtype=bool)
    flipped[rng.choice(len(truth), round(share * len(truth)), replace=False)] = True
    alike = np.array([2, 3, 0, 1])[truth]  # 3 and 8, 5 and 9
    random = (truth + rng.integers(1, 4, len(truth))) % 4
    return np.where(flipped, alike if similar else random, truth).astype(np.int32), flipped


@pytest.mark.parametrize("similar", [False, True])
@pytest.mark.parametrize("share", [0.1, 0.3])
def test_how_many_are_wrong_and_which(digits, similar, share):
    vectors, truth = digits
    codes, flipped = _flip(truth, share, similar, 0)
    n = len(codes)
    neighbors, similarities = find_neighbors(vectors)
    media, boxes = np.arange(n, dtype=np.int32), np.tile([0.1, 0.1, 0.5, 0.5], (n, 1))
    fit = fit_classes(ClassedPatches(codes, 4, media, boxes, vectors, neighbors, similarities))
    assert average_precision_score(flipped, fit.wrong) > 0.95
    assert 2 / 3 * share < fit.wrong.mean() < 4 / 3 * share
    assert flipped[fit.wrong >= 0.5].mean() > 0.9 and (fit.wrong >= 0.5)[flipped].mean() > 0.8
    assert (fit.suggested[flipped, 0] == truth[flipped]).mean() > 0.9
    assert fit.certain


def test_two_classes_of_which_a_third_is_wrong(digits):
    vectors, truth = digits
    rows = np.flatnonzero(np.isin(truth, (0, 2)))
    truth = (truth[rows] == 2).astype(np.int32)
    flipped = np.random.default_rng(1).random(len(rows)) < 0.3
    codes = np.where(flipped, 1 - truth, truth).astype(np.int32)
    neighbors, similarities = find_neighbors(vectors[rows])
    boxes = np.tile([0.1, 0.1, 0.5, 0.5], (len(rows), 1))
    media = np.arange(len(rows), dtype=np.int32)
    fit = fit_classes(
        ClassedPatches(codes, 2, media, boxes, vectors[rows], neighbors, similarities)
    )
    assert 0.2 < fit.wrong.mean() < 0.4
    assert average_precision_score(flipped, fit.wrong) > 0.9
