from __future__ import annotations

import numpy as np
import pytest
from labelvet.proof.agreement import agreements, most_errors
from labelvet.proof.second_answers import Pair


def pairs(first, second, said, again):
    return [
        Pair(row, first, second, bool(one), None if other is None else bool(other))
        for row, (one, other) in enumerate(zip(said, again, strict=True))
    ]


def test_two_reviewers_are_counted_whoever_was_first():
    found = agreements(
        [
            *pairs("bob", "ada", [1, 1, 0, 0, 0], [1, 0, 0, 0, None]),
            *pairs("ada", "bob", [0, 0, 1, 1], [0, 0, 1, 0]),
            *pairs("ada", "ada", [0, 0], [0, 0]),
        ]
    )
    two, one = found
    assert (two.first, two.second, two.labels, two.same) == ("ada", "bob", 8, 6)
    # by hand: they agree on 3/4, and would by chance as often as each says wrong and right
    wrong_ada, wrong_bob = (1 + 0 + 0 + 0 + 0 + 0 + 1 + 1) / 8, (1 + 1 + 0 + 0 + 0 + 0 + 1 + 0) / 8
    chance = wrong_ada * wrong_bob + (1 - wrong_ada) * (1 - wrong_bob)
    assert two.kappa == pytest.approx((0.75 - chance) / (1 - chance))
    assert two.sentence.startswith("ada and bob agree on 6 of 8 labels (75.0%, Cohen's kappa 0.4")
    assert (one.labels, one.same, one.kappa) == (2, 2, None)
    assert "the same person" in one.sentence and "kappa" not in one.sentence


def test_who_was_asked_again_alone_bounds_nothing():
    assert most_errors([], 100, 0.05) is None
    assert most_errors(pairs("ada", "ada", [0, 1], [0, 0]), 100, 0.05) is None


@pytest.mark.slow
def test_the_bound_on_errors_holds_at_all_times_at_once():
    rng = np.random.default_rng(3)
    n, missed, runs = 600, 0, 60
    truth = rng.random(n) < 0.2
    ada, bob = (truth ^ (rng.random(n) < errs) for errs in (0.1, 0.02))
    errs = (ada ^ truth).mean()
    differ = (ada ^ bob).mean()
    assert errs <= differ  # as they seldom err alike
    for run in range(runs):
        rows = np.random.default_rng(run).permutation(n)[:80]
        asked = [Pair(int(row), "ada", "bob", bool(ada[row]), bool(bob[row])) for row in rows]
        bounds = [most_errors(asked[:k], n, 0.1) for k in (10, 20, 40, 80)]
        missed += min(bounds) < differ
        assert bounds == sorted(bounds, reverse=True)
    assert missed <= 0.1 * runs + 3 * np.sqrt(0.1 * 0.9 * runs)
    # a label that the second reviewer skipped may be one on which they disagree
    skipped = [Pair(one.row, "ada", "bob", one.was_wrong, None) for one in asked[:20]]
    assert most_errors(skipped + asked[20:], n, 0.1) > bounds[-1]


@pytest.mark.parametrize(("labels", "differ", "most"), [(14, 1, 0.39), (100, 5, 0.12)])
def test_few_labels_bound_little(labels, differ, most):
    rows = np.random.default_rng(0).permutation(2000)[:labels].tolist()
    apart = np.random.default_rng(1).permutation(labels)[:differ]
    asked = [Pair(row, "ada", "bob", False, place in apart) for place, row in enumerate(rows)]
    assert most_errors(asked, 2000, 0.05) == pytest.approx(most, abs=0.02)
    assert most_errors(asked[:9], 2000, 0.05) is None
    assert most_errors(asked, 2000, 0.05, True) < most_errors(asked, 2000, 0.05, False)
