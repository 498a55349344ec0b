"""What is not accepted may show an object: of its class, where no accepted label lies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from clusters import clusters
from hypothesis import given, settings
from hypothesis import strategies as st
from labelvet.issues.missed import score_missed
from labelvet.issues.reasons import Reasons
from labelvet.issues.suspicion import find_suspects


def _unsure(rows, confidence=0.15, n=120):
    """Labels of which those of some rows are below the confidence that is accepted."""
    table, vectors, _, _ = clusters(n)
    confidences = table.confidences.copy()
    confidences[rows] = confidence
    return replace(table, confidences=confidences), vectors


def test_only_what_is_not_accepted_has_a_score():
    table, vectors = _unsure([20, 50])
    rejected = np.arange(120) == 80
    found = find_suspects(table, vectors, rejected)
    assert np.flatnonzero(np.isfinite(found.missed)).tolist() == [20, 50, 80]
    assert ((found.missed[[20, 50, 80]] >= 0) & (found.missed[[20, 50, 80]] <= 1)).all()
    assert "no accepted" in Reasons(table, found, None).reason(20).lower()


def test_what_an_accepted_label_lies_on_is_not_missed():
    table, vectors = _unsure([21, 24])
    boxes, codes = table.boxes.copy(), table.codes.copy()
    boxes[[21, 22, 23]] = [[0.1, 0.1, 0.2, 0.2], [0.05, 0.05, 0.4, 0.4], [0.8, 0.8, 0.1, 0.1]]
    boxes[[24, 25, 26]] = [[0.1, 0.1, 0.2, 0.2], [0.6, 0.6, 0.1, 0.1], [0.8, 0.8, 0.1, 0.1]]
    codes[[21, 22, 24, 25]] = 0
    found = find_suspects(replace(table, boxes=boxes, codes=codes), vectors)
    assert found.missed[21] < 0.01 < found.missed[24]


def test_what_looks_like_labels_of_high_confidence_comes_first():
    table, _ = _unsure([10, 11])
    neighbors = np.tile(np.arange(60, 70, dtype=np.int32), (120, 1))
    codes = np.zeros(120, dtype=np.int32)
    certain = table.confidences.copy()
    certain[60:70] = 0.95
    neighbors[11] = np.arange(40, 50)
    certain[40:50] = 0.21
    boxes = np.tile([0.1, 0.1, 0.1, 0.1], (120, 1))
    boxes[[10, 11]] = [0.6, 0.6, 0.2, 0.2]
    alike = replace(table, codes=codes, confidences=certain, boxes=boxes)
    wrong, rejected = np.full(120, 0.1, dtype=np.float32), np.zeros(120, dtype=bool)
    sure, unsure = score_missed(alike, neighbors, wrong, rejected)[[10, 11]]
    assert sure > 1.5 * unsure
    # neighbors of another class say nothing of it
    codes = np.where(np.arange(120) < 12, 1, codes).astype(np.int32)
    same = score_missed(replace(alike, codes=codes), neighbors, wrong, rejected)[[10, 11]]
    assert same[0] == same[1]


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([0.0, 1e-6, 0.1, 0.19]))
def test_every_confidence_has_a_probability_whatever_the_order(seed, confidence):
    order = np.random.default_rng(seed).permutation(120)
    table, vectors = _unsure(order[:40], confidence)
    missed = find_suspects(table, vectors).missed
    assert np.isfinite(missed).sum() == 40 and np.nanmin(missed) >= 0 and np.nanmax(missed) <= 1
    shuffled = find_suspects(table.take(order), vectors[order]).missed
    np.testing.assert_array_equal(missed[order], shuffled)


def test_without_neighbors():
    table, vectors = _unsure([0], n=3)
    one = table.take(np.array([0]))
    assert 0 < find_suspects(one, vectors[:1]).missed[0] < 1
