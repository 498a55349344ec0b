from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from labelvet.proof.bounds import _READINGS, Draws, Population


def draws(guesses: np.ndarray, wrong: np.ndarray, order: np.ndarray, planned=None) -> Draws:
    return Draws(Population(guesses), order, wrong[order].astype(float), planned)


@pytest.mark.slow
@pytest.mark.parametrize(("planned", "plan"), [(None, 2), (3, 2), (3, 4)])
@pytest.mark.parametrize("guesses", [[0.5] * 5, [0.9, 0.7, 0.1, 0.2, 0.01],
                                     [0.01, 0.05, 0.3, 0.9, 0.99]])  # fmt: skip
def test_wealth_against_the_truth_seldom_grows_whatever_the_guesses_are_worth(
    guesses, planned, plan
):
    population, wrong = Population(np.array(guesses)), np.array([1.0, 1, 0, 0, 0])
    orders = [np.array(order) for order in permutations(range(5))]
    for length in (2, 3, 5):
        of_orders = [
            Draws(population, one[:length], wrong[one[:length]], planned) for one in orders
        ]
        for side in ("_for_more", "_for_fewer"):
            for x in (1.5, 5.0, 20.0):  # Ville's inequality, over all orders there are
                wealth = np.array([getattr(one, side).wealth(2, x, plan) for one in of_orders])
                assert (wealth >= x).mean() <= 1 / x + 1e-12


def test_what_a_bet_pays_against_the_truth_is_1_on_average():
    population = Population(np.array([0.9, 0.7, 0.1, 0.2, 0.05, 0.01]))
    wrong = np.array([1, 0, 0, 1, 0, 0])
    for rows in np.arange(6)[:, None], np.array(list(permutations(range(6), 6))):
        ends = []
        for order in rows:
            one = Draws(population, order, wrong[order].astype(float))
            for bets in (one._for_more, one._for_fewer):
                # of the last label everything is known
                ends.append(np.exp(bets.grows(2)[:, :, :5].sum(axis=2)))
        assert np.mean(ends[::2], axis=0) == pytest.approx(1)
        assert np.mean(ends[1::2], axis=0) == pytest.approx(1)


@pytest.mark.parametrize("aim", [2.0, 40.0])
@pytest.mark.parametrize(("planned", "plan"), [(1, 2), (3, 2), (9, 2), (3, 4)])
def test_what_is_bet_for_the_planned_number_is_kept_on_average(planned, plan, aim):
    guesses, wrong = np.array([0.9, 0.7, 0.1, 0.2, 0.05, 0.01]), np.array([1, 0, 0, 1, 0, 0])
    ends = []
    for order in permutations(range(6), 5):  # of the last label everything is known
        one = draws(guesses, wrong, np.array(order), planned)
        for bets in (one._for_more, one._for_fewer):
            chosen = bets.choices(plan, aim)[0]
            read = bets.grows(2)[bets.read, :, np.arange(5)]
            grows = np.append(read, np.zeros((5, 1)), axis=1)
            ends.append(np.exp(grows[np.arange(5), chosen].sum()))
    assert np.mean(ends[::2]) == pytest.approx(1)
    assert np.mean(ends[1::2]) == pytest.approx(1)
    assert np.ptp(ends) > 0


@pytest.mark.parametrize("worth", ["calibrated", "reversed", "overconfident", "none"])
@pytest.mark.parametrize(
    ("rate", "planned"),
    [
        (0.2, None),
        *(pytest.param(rate, 70, marks=pytest.mark.slow) for rate in (0.0, 0.02, 0.2, 1.0)),
    ],
)
def test_bounds_hold_at_all_times_at_once(rate, planned, worth):
    rng = np.random.default_rng(5)
    n, missed, runs = 400, 0, 100
    for run in range(runs):
        p = rng.beta(rate, 1 - rate, n) if 0 < rate < 1 else np.full(n, rate)
        wrong = rng.random(n) < p
        guesses = {
            "calibrated": p,
            "reversed": 1 - p,
            "overconfident": np.round(p),
            "none": np.full(n, np.nan),
        }[worth]
        order = np.random.default_rng(run).permutation(n)
        # the wealth is a maximum over time, so one look at the end sees all of them
        found = draws(guesses, wrong, order[:150], planned).bounds(0.05)
        missed += not found.low <= wrong.sum() <= found.high
    assert missed <= 0.05 * runs + 3 * np.sqrt(0.05 * 0.95 * runs)


@pytest.mark.parametrize("size", [60, 3000])
def test_all_that_is_further_off_is_ruled_out_too(size):
    rng = np.random.default_rng(size)
    p = rng.beta(0.3, 0.7, size)
    wrong = (rng.random(size) < p).astype(float)
    for planned in (None, 20):
        found = draws(p, wrong, rng.permutation(size)[:30], planned)
        bounds = found.bounds(0.05)
        assert bounds.low < bounds.high
        for total in range(0, bounds.low, max(1, size // 100)):
            assert total < found._least.sum() or any(
                found._for_more.wealth(total, 40, plan) >= 40
                for plan in range(total, bounds.low + size // 50)
            )
        assert found._for_more.wealth(bounds.low, 40, None) < 40
        assert found._for_fewer.wealth(bounds.high, 40, None) < 40


def test_everything_drawn_is_everything_known():
    wrong = np.array([0, 1, 1, 0, 0, 0, 1, 0])
    found = draws(np.linspace(0, 1, 8), wrong, np.arange(8)).bounds(0.05)
    assert (found.low, found.estimate, found.high) == (3, 3, 3)


def test_no_answers_say_nothing():
    found = draws(np.full(50, 0.1), np.zeros(50), np.arange(0)).bounds(0.05)
    assert (found.low, found.high) == (0, 50)
    assert found.estimate == pytest.approx(5)
    assert Draws(Population(np.empty(0)), np.arange(0), np.empty(0)).bounds(0.05).high == 0


def test_all_answers_wrong_and_all_right():
    all_wrong = draws(np.full(1000, 0.1), np.ones(1000), np.arange(60)).bounds(0.05)
    assert all_wrong.high == 1000 and all_wrong.low > 800
    all_right = draws(np.full(1000, 0.1), np.zeros(1000), np.arange(60)).bounds(0.05)
    assert all_right.low == 0 and all_right.high < 150


def test_what_is_not_known_widens_the_bounds_to_hold_either_way():
    rng = np.random.default_rng(3)
    wrong = (rng.random(500) < 0.2).astype(float)
    rows = np.arange(100)
    some = wrong[:100].copy()
    some[::10] = np.nan
    unknown = Draws(Population(np.full(500, 0.2)), rows, some).bounds(0.05)
    for value in (0, 1):
        filled = np.where(np.isnan(some), value, some)
        known = Draws(Population(np.full(500, 0.2)), rows, filled).bounds(0.05)
        assert unknown.low <= known.low and known.high <= unknown.high


def test_good_guesses_narrow_the_bounds_by_a_quarter_and_bad_ones_cost_little():
    rng = np.random.default_rng(8)
    p = rng.beta(0.06, 0.24, 5000)
    wrong = rng.random(5000) < p
    widths = {"good": [], "none": [], "bad": []}
    for run in range(15):
        order = np.random.default_rng(run).permutation(5000)[:140]
        for name, guesses in (("good", p), ("none", np.full(5000, np.nan)), ("bad", 1 - p)):
            found = draws(guesses, wrong, order).bounds(0.05)
            widths[name].append(found.high - found.low)
    good, none, bad = (np.mean(widths[name]) for name in ("good", "none", "bad"))
    assert good < 0.75 * none
    assert bad < 1.25 * none


def test_guesses_that_are_far_too_high_are_read_so():
    rng = np.random.default_rng(8)
    p = rng.beta(0.03, 2.97, 3000)
    wrong = rng.random(3000) < p
    high = p * 10 / (1 + p * 9)  # of ten times the odds
    orders = [np.random.default_rng(run).permutation(3000)[:140] for run in range(10)]
    widths = []
    for guesses in (p, high):
        found = [draws(guesses, wrong, order, 140).bounds(0.05) for order in orders]
        widths.append(np.mean([one.high - one.low for one in found]))
    assert widths[1] < 1.1 * widths[0]
    bets = draws(high, wrong, orders[0], 140)._for_fewer
    assert _READINGS[bets.read[0]] == 1 and _READINGS[bets.read[-1]] == 0.1


def test_how_guesses_are_read_depends_on_earlier_answers_alone():
    rng = np.random.default_rng(3)
    guesses, rows = rng.random(60), np.arange(60)
    said = (rng.random(60) < 0.1).astype(float)
    for place in (0, 20, 59):
        other = said.copy()
        other[place:] = 1 - other[place:]
        one, two = (Draws(Population(guesses), rows, w, 60)._for_more.read for w in (said, other))
        assert one[: place + 1].tolist() == two[: place + 1].tolist()


def test_bounds_are_narrowest_after_the_planned_number():
    rng = np.random.default_rng(8)
    p = rng.beta(0.3, 0.7, 2000)
    wrong = rng.random(2000) < p
    widths = {}
    for planned in (None, 50, 200):
        for answers in (50, 200):
            found = [
                draws(p, wrong, np.random.default_rng(run).permutation(2000)[:answers], planned)
                for run in range(10)
            ]
            ends = [one.bounds(0.05) for one in found]
            widths[planned, answers] = np.mean([one.high - one.low for one in ends])
    for planned, other in ((50, 200), (200, 50)):
        assert widths[planned, planned] < 0.9 * widths[None, planned]
        assert widths[planned, planned] < 0.9 * widths[other, planned]


def test_the_populations_of_the_first_labels_are_what_they_are_alone():
    guesses = np.sort(np.random.default_rng(1).random(300))
    for part in Population(guesses).first([7, 100, 300]):
        for one, other in zip(part.sums, Population(guesses[: len(part)]).sums, strict=True):
            assert one == pytest.approx(other)
