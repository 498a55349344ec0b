"""What is not accepted may show an object: of its class, where no accepted label lies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from clusters import clusters
from hypothesis import given, settings
from hypothesis import strategies as st
from labelvet.issues.missed import score_missed, score_uncovered
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
    said = Reasons(table, replace(found, missed=np.full(120, 0.1, "f4")), None).reason(20)
    assert "no accepted" in said.lower()
    # what shows no missed object is judged as every label is
    said = Reasons(table, replace(found, missed=np.full(120, 0.09, "f4")), None).reason(20)
    assert "accepted" not in said


def test_another_fields_boxes_show_missed_objects_as_often_as_is_said():
    """Boxes show an object as often as they say, and a fifth of the objects have no label."""
    rng = np.random.default_rng(0)
    sure = rng.uniform(0.05, 0.98, 4000).astype("f4")
    real, labeled = rng.random(4000) < sure, rng.random(4000) < 0.8
    some = clusters(4000)[0]
    boxes = np.tile([0.1, 0.1, 0.2, 0.2], (4000, 1))
    second = replace(some, boxes=boxes, media=np.arange(4000, dtype="i4"), confidences=sure)
    scores = score_uncovered(second, second.take(np.flatnonzero(real & labeled)))
    missed = real & ~labeled
    assert scores[real & labeled].max() == 0
    assert abs(scores.sum() - missed.sum()) < 0.15 * missed.sum()
    for low in (0.1, 0.3, 0.5):
        rows = (scores >= low) & (scores < low + 0.2)
        assert abs(scores[rows].mean() - missed[rows].mean()) < 0.07
    # nearly all objects have a label: what has none is mostly none
    all_but_few = second.take(np.flatnonzero(real & (rng.random(4000) < 0.99)))
    assert (score_uncovered(second, all_but_few) > 0.5).mean() < 0.01
    # an annotator has no confidences, and is believed
    person = replace(second, confidences=np.full(4000, np.nan, "f4"))
    assert score_uncovered(person, all_but_few).max() == 1


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
