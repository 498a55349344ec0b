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
        ever, failed = 0, False
        for answers in (20, 60, 100, 150, 200, 300):  # a person looks, and takes what is proven
            rows = order[:answers]
            found = sets.prove(rows, wrong[rows], 0.95)
            assert found.size >= ever
            ever = found.size
            # what was found wrong does not stay
            left = np.setdiff1d(np.arange(ever), rows[wrong[rows] == 1])
            failed |= ever > 0 and wrong[left].mean() > 1 - target
            if not failed:
                assert wrong[:ever].sum() <= found.most
        proven += ever > 0
        missed += failed
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
    # all that is wrong was found, and does not stay
    assert (found.size, found.next_size) == (sets.sizes[-1], 0)
    assert found.most >= wrong[: found.size].sum()


def test_what_was_found_wrong_does_not_stay_and_what_is_not_known_might():
    p = np.full(400, 0.02)
    sets = NestedSets(p, 0.95)
    order = np.random.default_rng(3).permutation(sets.sizes[-1])[:200]
    wrong = np.zeros(200)
    wrong[:100:20] = 1
    found = sets.prove(order, wrong, 0.95)
    assert found.size == sets.sizes[-1] == 400
    assert found.most == 5 + int(0.05 * 395)
    wrong[:100:20] = np.nan  # skipped, so they may be wrong and stay
    assert sets.prove(order, wrong, 0.95).size == 0
