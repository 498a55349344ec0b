from __future__ import annotations

import numpy as np
import pytest
from labelvet.proof.nested_sets import NestedSets


def labels(seed: int, n: int = 1500, rate: float = 0.25, spread: float = 0.4):
    rng = np.random.default_rng(seed)
    p = np.sort(rng.beta(rate * spread, (1 - rate) * spread, n))
    return p, (rng.random(n) < p).astype(float)


@pytest.mark.slow
@pytest.mark.parametrize("target", [0.9, 0.95])
@pytest.mark.parametrize("worth", ["calibrated", "too sure", "random"])
def test_the_proven_set_meets_its_target_however_often_one_looks(target, worth):
    missed, proven, runs = 0, 0, 60
    for run in range(runs):
        p, wrong = labels(run)
        if worth == "too sure":
            p = p**2
        if worth == "random":
            wrong = np.random.default_rng(run).permutation(wrong)
        sets = NestedSets(p, target)
        order = np.random.default_rng(run).permutation(sets.sizes[-1])
        ever = 0
        for answers in (20, 60, 100, 150, 200, 300):  # a person looks, and keeps the largest
            rows = order[:answers]
            ever = max(ever, sets.prove(rows, wrong[rows], 0.95).size)
        proven += ever > 0
        missed += ever > 0 and wrong[:ever].mean() > 1 - target
    assert missed <= 0.05 * runs + 3 * np.sqrt(0.05 * 0.95 * runs)
    if worth == "calibrated":
        assert proven > 0.7 * runs


def test_more_answers_prove_more():
    p, wrong = labels(1, 4000)
    sets = NestedSets(p, 0.95)
    rows = np.random.default_rng(2).permutation(sets.sizes[-1])
    sizes = [sets.prove(rows[:n], wrong[rows[:n]], 0.95).size for n in (100, 300, 800)]
    assert sizes == sorted(sizes) and sizes[-1] > 0


def test_nothing_is_proven_without_answers_or_where_all_are_wrong():
    p, _ = labels(1)
    sets = NestedSets(p, 0.95)
    none = sets.prove(np.arange(0), np.empty(0), 0.95)
    assert (none.size, none.next_size, none.evidence) == (0, sets.sizes[0], 0)
    rows = np.random.default_rng(2).permutation(sets.sizes[-1])[:100]
    assert sets.prove(rows, np.ones(100), 0.95).size == 0


def test_all_answered_proves_what_is_so():
    p, wrong = labels(4, 300)
    sets = NestedSets(p, 0.9)
    rows = np.random.default_rng(2).permutation(sets.sizes[-1])
    found = sets.prove(rows, wrong[rows], 0.95)
    good = [size for size in sets.sizes if wrong[:size].mean() <= 0.1 + 1e-9]
    assert found.size >= good[-1] if wrong[: sets.sizes[-1]].mean() <= 0.1 else found.size > 0
    bounds = sets.bounds(found.size, rows, wrong[rows], 0.95)
    assert bounds.low == bounds.high == wrong[: found.size].sum()


def test_labels_known_to_be_right_are_in_every_set():
    p, _ = labels(1)
    alone, helped = NestedSets(p, 0.95), NestedSets(p, 0.95, sure=500)
    assert helped.sizes[-1] > alone.sizes[-1]
