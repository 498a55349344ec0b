"""How many labels are wrong, and the largest set that meets a target: what answers prove.

Simulated reviewers know the truth. Each repetition asks in another random order. ``coverage`` is
of the bounds at all times at once, as a person looks who stops when it suits them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from labelvet.proof.bounds import Draws, Population
from labelvet.proof.nested_sets import NestedSets
from numpy.typing import NDArray
from scipy.stats import beta

from .proof_data import Scored, scored_sets
from .proof_questions import time_questions
from .report import Aim, quick, write

_ERROR = 0.05
_ANSWERS = 140
_LOOK_EVERY = 5
_PEEKS = 12
_SOME = 60  # repetitions of what is compared, not promised to hold
_TARGETS = (0.9, 0.95, 0.98)
_WRONG_ANSWERS = 0.05
_COMPARED = 0.95
_BASELINE = 0.5
_CANDIDATES = 200_000


def run(folder: Path) -> None:
    """Runs the bench."""
    sets = scored_sets()
    repetitions = 30 if quick() else 300
    figures: dict[str, Any] = {"repetitions": repetitions}
    figures["audit"] = {name: _audit(scored, repetitions) for name, scored in sets.items()}
    print("audits are measured", flush=True)
    figures["targets"] = {
        name: {f"{target:.0%}": _target(scored, target, repetitions) for target in _TARGETS}
        for name, scored in sets.items()
    }
    figures["speed"] = time_questions(folder, _CANDIDATES)
    write("proof", figures, _promises(figures))


def _promises(figures: dict[str, Any]) -> list[Aim]:
    promises = []
    for name, found in figures["audit"].items():
        promises += [
            Aim(f"{name}: coverage at all times", found["coverage"], ">=", 0.95),
            Aim(f"{name}: width, times without guesses", found["times no guesses"], "<=", 0.75),
            Aim(f"{name}: width, times a binomial's", found["times binomial"], "<=", 0.75),
            Aim(
                f"{name}: coverage, reviewer wrong in 5 %",
                found["reviewer wrong in 5 %"]["coverage with 5 % added"], ">=", 0.95,
            ),
        ]  # fmt: skip
    for name, targets in figures["targets"].items():
        for target, found in targets.items():
            title = f"{name}, {target} right"
            promises.append(Aim(f"{title}: met", found["met"], ">=", 0.95))
            if "answers, part of all" in found:
                promises += [
                    Aim(f"{title}: answers for the best threshold's number, part of all",
                           found["answers, part of all"], "<=", 0.2),
                    Aim(f"{title}: approved, beside an audited threshold",
                           found["approved"] - found["approved by an audited threshold"], ">=", 0),
                ]  # fmt: skip
    for what in ("an audit", "a target"):
        seconds = figures["speed"][f"next question of {what}, s"]
        title = f"next question of {what}, {_CANDIDATES:,} candidates, s"
        promises.append(Aim(title, seconds, "<=", 0.3))
    return promises


def _audit(scored: Scored, repetitions: int) -> dict[str, Any]:
    n, total = len(scored.wrong), int(scored.wrong.sum())
    count = min(_ANSWERS, n // 4)
    guessed, blind = Population(scored.suspicion), Population(np.full(n, np.nan))
    held, widths, estimates = [], [], []
    erred: list[tuple[bool, bool]] = []
    for seed in range(repetitions):
        rng = np.random.default_rng(seed)
        order = rng.permutation(n)
        answers = scored.wrong[order].astype(np.float64)
        # of what speaks against a number the most that ever spoke against it counts
        ever = Draws(guessed, order[: n // 2], answers[: n // 2], count).bounds(_ERROR)
        held.append(ever.low <= total <= ever.high)
        if seed >= min(_SOME, repetitions):
            continue
        rows = order[:count]
        ours, alone, early, late = (
            Draws(known, order[:look], answers[:look], count).bounds(_ERROR)
            for known, look in (
                (guessed, count), (blind, count), (guessed, count // 2), (guessed, 2 * count),
            )
        )  # fmt: skip
        low, high = _binomial(int(answers[:count].sum()), count)
        binomials = [high - low]
        for look in (count // 2, 2 * count):
            low, high = _binomial(int(answers[:look].sum()), look)
            binomials.append(high - low)
        ends = [(one.high - one.low) / n for one in (ours, alone, early, late)]
        widths.append([*ends, *binomials])
        estimates.append(ours.estimate / n)
        slips = rng.random(count) < _WRONG_ANSWERS
        said = Draws(guessed, rows, np.where(slips, 1 - answers[:count], answers[:count]), count)
        seen = said.bounds(_ERROR)
        added = _WRONG_ANSWERS * n
        erred.append(
            (seen.low <= total <= seen.high, seen.low - added <= total <= seen.high + added)
        )
    mean = np.mean(widths, axis=0)
    return {
        "labels": n,
        "wrong": total / n,
        "guessed": float(scored.suspicion.mean()),
        "answers": count,
        "coverage": float(np.mean(held)),
        "width": float(mean[0]),
        "width without guesses": float(mean[1]),
        "width of a binomial sample, which holds at one moment": float(mean[4]),
        "times no guesses": float(mean[0] / mean[1]),
        "times binomial": float(mean[0] / mean[4]),
        "times binomial, after half of the planned answers": float(mean[2] / mean[5]),
        "times binomial, after twice the planned answers": float(mean[3] / mean[6]),
        "error of the estimate": float(np.sqrt(np.mean((np.array(estimates) - total / n) ** 2))),
        "reviewer wrong in 5 %": {
            "coverage": float(np.mean([plain for plain, _ in erred])),
            "coverage with 5 % added": float(np.mean([wide for _, wide in erred])),
        },
    }


def _target(scored: Scored, target: float, repetitions: int) -> dict[str, Any]:
    n = len(scored.wrong)
    order = np.argsort(scored.suspicion, kind="stable")
    guesses, wrong = scored.suspicion[order], scored.wrong[order].astype(np.float64)
    sets = NestedSets(guesses, target)
    largest = sets.sizes[-1]
    confident = np.isfinite(scored.confidence).all()
    best = _largest(wrong, target)
    figures: dict[str, Any] = {
        "labels": n,
        "best set of this order, with the truth": best,
        "of which the largest that is tested": largest,
    }
    if confident:
        by_confidence = scored.wrong[np.argsort(-scored.confidence, kind="stable")]
        figures["best confidence threshold, with the truth"] = _largest(by_confidence, target)
    wanted = figures.get("best confidence threshold, with the truth", 0)
    met, erred, approved, audited = [], [], [], []
    enough: list[int] = []
    fifth = n // 5
    for seed in range(repetitions):
        rng = np.random.default_rng(seed)
        rows = rng.permutation(largest)
        looks = np.unique(np.geomspace(20, largest, _PEEKS).astype(int))
        seen = [_approved(sets, rows[:look], wrong[rows[:look]], wrong) for look in looks]
        met.append(all(right >= target for _, right in seen))
        approved.append(_approved(sets, rows[:fifth], wrong[rows[:fifth]], wrong)[0])
        if seed < min(_SOME, repetitions):
            slips = rng.random(largest) < _WRONG_ANSWERS
            said = np.where(slips, 1 - wrong[rows], wrong[rows])
            erred.append(_approved(sets, rows, said, wrong)[1] >= target - _WRONG_ANSWERS)
            if wanted and target == _COMPARED:
                enough.append(_answers_for(sets, rows, wrong, wanted))
        if confident:
            above = scored.wrong[scored.confidence >= _BASELINE]
            sample = rng.permutation(len(above))[:fifth]
            _, high = _binomial(int(above[sample].sum()), len(sample), one_sided=True)
            audited.append(len(above) if high <= 1 - target else 0)
    figures |= {
        "met": float(np.mean(met)),
        "answers": fifth,
        "approved": float(np.mean(approved)),
        "anything approved": float(np.mean(np.array(approved) > 0)),
        "met, less the 5 % that the reviewer errs": float(np.mean(erred)),
    }
    if confident:
        figures["approved by an audited threshold"] = float(np.mean(audited))
    if enough:
        figures["answers, part of all"] = float(np.median(enough) / n)
    return figures


def _answers_for(
    sets: NestedSets, rows: NDArray[np.int64], wrong: NDArray[np.float64], wanted: int
) -> int:
    """How many answers, of some numbers of them, prove a set of as many labels as are wanted."""
    for look in range(_LOOK_EVERY, len(rows), _LOOK_EVERY):
        if _approved(sets, rows[:look], wrong[rows[:look]], wrong)[0] >= wanted:
            return look
    return len(rows)


def _approved(
    sets: NestedSets, rows: NDArray[np.int64], said: NDArray[np.float64], wrong: NDArray[np.float64]
) -> tuple[int, float]:
    """How many labels are approved, as those that are said to be wrong are not, and what share of
    them is right."""
    size = sets.prove(rows, said, 1 - _ERROR).size
    left = np.setdiff1d(np.arange(size), rows[said == 1])
    return len(left), float(1 - wrong[left].mean()) if len(left) else 1.0


def _largest(wrong: NDArray[Any], target: float) -> int:
    """How many labels the largest first part of an order has that meets a target."""
    right = 1 - np.cumsum(wrong) / np.arange(1, len(wrong) + 1)
    return int(np.flatnonzero(right >= target).max(initial=-1)) + 1


def _binomial(wrong: int, n: int, one_sided: bool = False) -> tuple[float, float]:
    """The exact interval of a share (Clopper and Pearson), which holds at one moment."""
    error = _ERROR if one_sided else _ERROR / 2
    low = float(beta.ppf(error, wrong, n - wrong + 1)) if wrong else 0.0
    return low, float(beta.ppf(1 - error, wrong + 1, n - wrong)) if wrong < n else 1.0
