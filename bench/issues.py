"""Label issues: how many of the wrong labels are found, beside other ways to look for them.

Nothing is reported on what it was fitted to: a detector's boxes are judged by models that were
fitted to the other detectors, on other images. What the others are is in
:mod:`.issues_baselines`.
"""

from __future__ import annotations

import resource
import time
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from labelvet.dataset.patches import PatchTable
from labelvet.embeddings.catalog import DEFAULT_BACKBONE
from labelvet.embeddings.neighbors import build_neighbor_graph
from labelvet.issues.kinds import BADLY_PLACED, KINDS, RIGHT, WRONG_CLASS, KindModel
from labelvet.issues.missed import score_uncovered
from labelvet.issues.opinions import SAME_OBJECT, Opinions, align, ask, find_holders
from labelvet.issues.suspicion import Suspicion, find_suspects
from labelvet.review.learning import learn
from numpy.typing import NDArray
from scipy.special import logit

from . import fit_kinds
from .data import COCO128, ROOT, synthetic_embeddings
from .fit_kinds import (
    ALONE,
    ANNOTATED_SECONDED,
    ANNOTATOR,
    SECONDED,
    Case,
    annotator_cases,
    cases_of,
    detector_cases,
)
from .issues_baselines import confident_learning, has_cleanlab, mistakenness, object_lab
from .issues_data import (
    ACCEPTED,
    DETECTORS,
    Labels,
    coco128,
    coco128_boxes,
    coco128_truth,
    detected_scenes,
    drop,
    flip,
    matches,
    missed_objects,
    scenes,
)
from .issues_measures import (
    average_precision,
    best_ranked,
    found_at,
    mean,
    mean_average_precision,
    ranked,
    reliability_error,
    spread,
    told,
)
from .overlaps import box_overlaps
from .report import Aim, quick, write

_SHARES = (0.01, 0.05, 0.1, 0.3)
_FLIPS = {"at random": 0.0, "to the most similar class": 1.0}
_SCENES = 170
_FIRST = 100
_ANSWERS, _BATCH, _REVIEWS, _SPLITS = (25, 50, 100), 5, 40, 5
_PARTS = [np.arange(part, 128, 2) for part in (0, 1)]
"""The images of even and of odd number: models are fitted to one part and judge the other."""


def run(folder: Path) -> None:
    """Runs the bench."""
    if not COCO128.is_dir():
        raise SystemExit("coco128 is not here: set LABELVET_COCO128 to its folder.")
    if not has_cleanlab():
        print("cleanlab is not installed: confident learning and ObjectLab are left out.")
    seeds = range(1 if quick() else 2)
    truth = coco128_truth(DEFAULT_BACKBONE)
    kept = ROOT / ".cache" / "bench"
    figures: dict[str, Any] = {}
    started = time.perf_counter()

    def measured(name: str, value: Any) -> None:
        figures[name] = value
        print(f"{name}: measured after {time.perf_counter() - started:.0f} s", flush=True)

    measured("a detector's boxes", {name: _detector(name) for name in DETECTORS})
    measured("a review of them", {name: _reviews(name) for name in DETECTORS})
    measured("suggested boxes", {name: _boxes(name, truth.table) for name in DETECTORS})
    measured("errors put into true labels", _disturbed())
    measured("objects dropped from true labels", _dropped(truth.table, seeds))
    composed = scenes(kept / "truth", 0, _SCENES, DEFAULT_BACKBONE)
    for name, similar in _FLIPS.items():
        sets = {"coco128": [truth] * len(seeds), "scenes": [composed]}
        measured(f"classes flipped {name}", {data: _flips(sets[data], similar) for data in sets})
    low = coco128("SSDLite", DEFAULT_BACKBONE, 0.0)
    measured("missed objects on coco128", _missed(low, truth.table, parts=2))
    objects, found = detected_scenes(kept / "detected", 0, _SCENES, DEFAULT_BACKBONE)
    measured("missed objects on scenes", _missed(found, objects))
    measured("speed", _speed(folder / "speed", 20_000 if quick() else 200_000))
    figures["seconds"] = round(time.perf_counter() - started)
    write("issues", figures, _targets(figures))


def _targets(figures: dict[str, Any]) -> list[Aim]:
    targets: list[Aim] = []

    def aim(name: str, value: float, comparison: str, target: float) -> None:
        targets.append(Aim(name, value, comparison, target))

    for name, measured in figures["a detector's boxes"].items():
        alone = measured["by confidence"]["average_precision"]
        for others, above in (("asking none", 0.03), ("asking one", 0.08), ("asking two", 0.1)):
            ours = measured[others]["fitted without it"]
            what = f"{name}, {others}"
            aim(f"{what}: AP above confidence", ours["average_precision"] - alone, ">=", above)
            aim(f"{what}: reliability of right", ours["reliability_error"], "<=", 0.05)
            if others == "asking one":
                for figure, least in (("auroc", 0.87), ("precision", 0.85), ("recall", 0.7),
                                      ("kind_right", 0.75)):  # fmt: skip
                    aim(f"{what}: {figure.replace('_', ' ')}", ours[figure], ">=", least)
    for name, measured in figures["a review of them"].items():
        after = measured[f"after {_ANSWERS[-1]} answers"]
        what = f"{name}, after {_ANSWERS[-1]} answers"
        for against in ("above no answers", "above confidence"):
            aim(f"{what}: AP {against}", after[against]["mean"], ">=", 0.08)
        for answers, reviews in measured.items():
            aim(f"{name}, {answers}: within the interval", reviews["within"], ">=", 0.85)
    for name, measured in figures["suggested boxes"].items():
        one = measured["asking one"]
        aim(f"{name}: suggested boxes that reach .5", one["reach .5"], ">=", 0.5)
        gained = one["mAP after"] - one["mAP before"]
        aim(f"{name}: mAP gained by taking suggestions", gained, ">=", 0.0)
    for kind, measured in figures["errors put into true labels"].items():
        name = f"{kind}, put in: found at a false positive rate of .1"
        aim(name, measured["ours"]["found at .1"], ">=", 0.8)
        if "ObjectLab" in measured:
            name = f"{kind}, put in: AUROC above ObjectLab"
            aim(name, measured["ours"]["auroc"] - measured["ObjectLab"]["auroc"], ">=", 0.0)
    dropped = figures["objects dropped from true labels"]
    aim("dropped: found at a false positive rate of .1", dropped["ours"]["found at .1"], ">=", 0.8)
    if "ObjectLab" in dropped:
        above = dropped["ours"]["auroc"] - dropped["ObjectLab"]["auroc"]
        aim("dropped: AUROC above ObjectLab", above, ">=", 0.0)
    for name in _FLIPS:
        above_cleanlab = []
        for data, shares in figures[f"classes flipped {name}"].items():
            for share, measured in shares.items():
                what = f"{data}, {share} flipped {name}"
                said = measured["said"] / measured["share"]
                aim(f"{what}: said, times the truth", said, ">=", 2 / 3)
                aim(f"{what}: said, times the truth", said, "<=", 4 / 3)
                error = measured["reliability_error"]
                aim(f"{what}: reliability of wrong class", error, "<=", 0.05)
                aim(f"{what}: suggested first", measured["suggested first"], ">=", 0.75)
                aim(f"{what}: among three", measured["suggested among three"], ">=", 0.9)
                best = measured.get("cleanlab's best average precision")
                if best is not None:
                    above_cleanlab.append(measured["average_precision"] - best)
                    aim(f"{what}: AP above cleanlab's", above_cleanlab[-1], ">=", 0.0)
                if _FLIPS[name] and share == "1%":
                    first = measured["in the first 5 %"]
                    aim(f"{what}: in the first 5 % of the queue", first, ">=", 0.8)
                elif _FLIPS[name]:
                    aim(f"{what}: precision", measured["precision"], ">=", 0.75)
                    aim(f"{what}: recall", measured["recall"], ">=", 1 / 3)
        if above_cleanlab and _FLIPS[name]:
            above = float(np.mean(above_cleanlab))
            aim(f"flipped {name}: AP above cleanlab's, mean", above, ">=", 0.05)
    speed = figures["speed"]
    aim(f"judged {speed['labels']:,} labels, s", speed["judged_s"], "<=", 30.0)
    aim(f"re-ranked {speed['labels']:,} labels, s", speed["re-ranked_s"], "<=", 0.5)
    return targets


@cache
def models_without(without: str | None, part: int) -> dict[str, KindModel]:
    """Fits the models without a detector, to the images of even or odd number."""
    return _fit_without(without, _PARTS[part])


def _fit_without(without: str | None, images: NDArray[np.integer]) -> dict[str, KindModel]:
    cases = [
        case
        for case in (*detector_cases(), *annotator_cases())
        if not without or without not in (case.judged, case.seconded)
    ]
    detected = [case for case in cases if case.judged != ANNOTATOR]
    return {
        "alone": fit_kinds.fit([case for case in detected if not case.seconded], ALONE, images),
        "seconded": fit_kinds.fit([case for case in detected if case.seconded], SECONDED, images),
        "annotated": fit_kinds.fit(
            [case for case in cases if case.judged == ANNOTATOR], ANNOTATED_SECONDED, images
        ),
    }


def _judge_parts(case: Case, without: str | None, model: str) -> NDArray[np.float64]:
    """Returns the probabilities of the kinds, each part of the images by models of the other."""
    kinds = np.empty((len(case.kinds), len(KINDS)))
    for part, images in enumerate(_PARTS):
        rows = ~np.isin(case.media, images)
        kinds[rows] = models_without(without, part)[model].judge(case.evidence)[rows]
    return kinds


def _cases(name: str) -> list[Case]:
    """Returns a detector's boxes above the confidence that is accepted, asking none and one."""
    return [case for case in detector_cases() if case.judged == name]


def _detector(name: str) -> dict[str, Any]:
    """Ranks a detector's boxes, and says what is wrong with them."""
    cases = _cases(name)
    labels, known = coco128(name, DEFAULT_BACKBONE), cases[0].kinds
    wrong = known != RIGHT
    found = find_suspects(labels.table, labels.vectors)
    other = (labels.table.codes[found.neighbors] != labels.table.codes[:, None]).mean(axis=1)
    figures: dict[str, Any] = {
        "labels": {kind: int((known == number).sum()) for number, kind in enumerate(KINDS)},
        "by confidence": ranked(wrong, -labels.table.confidences),
        "by 10-NN": ranked(wrong, other),
    }
    by_class = confident_learning(labels.table.codes, labels.vectors)
    if by_class:
        figures["by confident learning"] = best_ranked(wrong, by_class)
    compared: dict[str, list[dict[str, float]]] = {}
    for second in DETECTORS:
        if second == name:
            continue
        table, (asked,) = align(labels.table, [coco128_boxes(second)])
        by_boxes, _ = object_lab(table, asked)
        if by_boxes:
            compared.setdefault("ObjectLab, asking one", []).append(best_ranked(wrong, by_boxes))
        if "compute_mistakenness, asking one" not in compared:  # it takes its time
            sure = asked.take(np.flatnonzero(asked.confidences > DETECTORS[second][1]))
            compared["compute_mistakenness, asking one"] = [
                best_ranked(wrong, mistakenness(table, sure))
            ]
    figures |= {f"by {title}": mean(runs) for title, runs in compared.items()}
    seconded = [case for case in cases if case.seconded]
    asked_cases = {
        "asking none": [case for case in cases if not case.seconded],
        "asking one": seconded,
        "asking two": [_averaged(seconded)],
        "asking one, of the surer half": _surer_half(name, labels, known),
    }
    for title, without in (("fitted without it", name), ("fitted without its images", None)):
        for others, some in asked_cases.items():
            model = "alone" if others == "asking none" else "seconded"
            runs = [told(case.kinds, _judge_parts(case, without, model)) for case in some]
            figures.setdefault(others, {})[title] = mean(runs)
    return figures


def _surer_half(name: str, labels: Labels, known: NDArray[np.int64]) -> list[Case]:
    """Returns the boxes of the greater confidence alone: another share of them is wrong."""
    confidences = labels.table.confidences
    rows = np.flatnonzero(confidences > np.median(confidences))
    others = [other for other in DETECTORS if other != name]
    return cases_of(name, labels.take(rows), known[rows], others)


def _averaged(cases: list[Case]) -> Case:
    """Returns what several fields say together."""
    evidence = {name: np.mean([case.evidence[name] for case in cases], axis=0) for name in SECONDED}
    return replace(cases[0], evidence=evidence)


def _reviews(name: str) -> dict[str, Any]:
    """Reviews halves of the images, with one second detector, and looks at what is left."""
    case = next(case for case in _cases(name) if case.seconded)
    labels, wrong = coco128(name, DEFAULT_BACKBONE), case.kinds != RIGHT
    table, others = align(labels.table, [coco128_boxes(str(case.seconded))])
    judged = find_suspects(table, labels.vectors, opinions=ask(table, others))
    runs: dict[int, list[dict[str, float]]] = {count: [] for count in _ANSWERS}
    images = np.unique(table.media)
    for seed in range(5 if quick() else _REVIEWS):
        half = np.random.default_rng(seed).permutation(images)[: len(images) // 2]
        rows = np.flatnonzero(np.isin(table.media, half))
        model = _fit_without(name, np.setdiff1d(np.arange(128), half))["seconded"]
        found, answers = _some(judged, model.judge(case.evidence), rows), wrong[rows]
        seen = np.empty(0, dtype=np.int64)
        while len(seen) <= max(_ANSWERS):
            learned = learn(found, seen, answers[seen])
            if len(seen) in _ANSWERS:
                rest = np.setdiff1d(np.arange(len(rows)), seen)
                left, estimate = float(answers[rest].sum()), learned.estimate
                after, before, unsure = (
                    average_precision(answers[rest], scores[rest])
                    for scores in (learned.suspicion, found.suspicion, -table.confidences[rows])
                )
                runs[len(seen)].append(
                    {
                        "average precision": after,
                        "above no answers": after - before,
                        "above confidence": after - unsure,
                        "left": left,
                        "expected": estimate.left,
                        "width": estimate.high - estimate.low,
                        "within": float(estimate.low <= left <= estimate.high),
                    }
                )
            seen = np.concatenate([seen, learned.queue[:_BATCH]])
    return {f"after {count} answers": _summed_up(reviews) for count, reviews in runs.items()}


def _summed_up(reviews: list[dict[str, float]]) -> dict[str, Any]:
    figures: dict[str, Any] = {"reviews": len(reviews), **mean(reviews)}
    for name in ("average precision", "above no answers", "above confidence"):
        figures[name] = spread([review[name] for review in reviews[:_SPLITS]])
    return figures


def _some(found: Suspicion, kinds: NDArray[np.float64], rows: NDArray[np.int64]) -> Suspicion:
    """What was found of some labels, judged by another model, as far as a review learns from it."""
    clues = found.clues.copy()
    clues[:, 0] = logit(np.clip(1 - kinds[:, RIGHT], 1e-6, 1 - 1e-6))
    return replace(found, kinds=kinds[rows].astype(np.float32), clues=clues[rows])


def _boxes(name: str, truth: PatchTable) -> dict[str, dict[str, float]]:
    """Takes the suggested box of badly placed labels: what each reaches, and mAP of them all."""
    cases = [case for case in _cases(name) if case.seconded]
    labels = coco128(name, DEFAULT_BACKBONE)
    before = mean_average_precision(labels.table, truth)

    def measure(asked: list[str], case: Case) -> dict[str, float]:
        table, tables = align(labels.table, [coco128_boxes(other) for other in asked])
        said: Opinions = ask(table, tables)
        accepted, known = np.ones(len(table), dtype=bool), case.kinds == BADLY_PLACED

        def suggested(misplaced: NDArray[np.bool_]) -> NDArray[np.float64]:
            held = find_holders(table, said, accepted, misplaced) >= 0
            return np.where((misplaced & ~held)[:, None], said.boxes, np.nan)

        placed, better = np.flatnonzero(known), suggested(known)
        at_first, then, alone = [], [], []
        for row in placed:
            like_it = np.flatnonzero(
                (table.media == table.media[row]) & (table.codes == table.codes[row])
            )
            objects = truth.boxes[
                (truth.media == table.media[row]) & (truth.labels == table.labels[row])
            ]
            object_ = objects[box_overlaps(table.boxes[row][None], objects)[0].argmax()]
            at_first.append(_best(table.boxes[row], objects))
            then.append(_best(better[row], objects))
            alone.append(_best(object_, table.boxes[like_it]) < SAME_OBJECT)
        taken = suggested(_judge_parts(case, name, "seconded").argmax(axis=1) == BADLY_PLACED)
        moved = np.asarray(np.isfinite(taken).all(axis=1))
        boxes = np.where(moved[:, None], taken, labels.table.boxes)
        reach, has = np.array(then) >= SAME_OBJECT, np.isfinite(better[placed, 0])
        return {
            "badly placed": len(placed),
            "with a suggestion": float(has.mean()),
            "reach .5": float(reach.mean()),
            "no other label shows the object": float(np.mean(alone)),
            "reach .5, of these": float(reach[alone].mean()),
            "mean overlap before": float(np.mean(at_first)),
            "mean overlap after": float(np.where(has, then, at_first).mean()),
            "suggestions taken": float(moved.sum()),
            "mAP before": before,
            "mAP after": mean_average_precision(replace(labels.table, boxes=boxes), truth),
        }

    one = [measure([str(case.seconded)], case) for case in cases]
    both = [str(case.seconded) for case in cases]
    return {"asking one": mean(one), "asking two": measure(both, _averaged(cases))}


def _best(box: NDArray[np.float64], objects: NDArray[np.float64]) -> float:
    if not np.isfinite(box).all():
        return 0.0
    return float(box_overlaps(box[None], objects)[0].max())


def _disturbed() -> dict[str, Any]:
    """Looks for errors that were put into true labels, with one second detector."""
    runs: dict[str, dict[str, list[dict[str, float]]]] = {}
    cases = annotator_cases()
    for case in cases:
        kinds = _judge_parts(case, case.seconded, "annotated")
        table, (asked,) = align(case.table, [coco128_boxes(str(case.seconded))])
        sure = asked.take(np.flatnonzero(asked.confidences > DETECTORS[str(case.seconded)][1]))
        said = {"ours": {"suspicion": 1 - kinds[:, RIGHT]}}
        if case.table is cases[0].table:  # of one seed, as they take their time
            said["ObjectLab"] = object_lab(table, asked)[0]
            said["compute_mistakenness"] = mistakenness(table, sure)
        for number, kind in enumerate(KINDS[1:], start=1):
            rows = np.flatnonzero(np.isin(case.kinds, (RIGHT, number)))
            true = case.kinds[rows] == number
            for title, scores in said.items():
                if not scores:
                    continue
                best = best_ranked(true, {name: each[rows] for name, each in scores.items()})
                best["found at .1"] = max(found_at(true, each[rows]) for each in scores.values())
                runs.setdefault(kind, {}).setdefault(title, []).append(best)
            likeliest = kinds[rows].argmax(axis=1)
            runs[kind]["ours"][-1]["kind right"] = float((likeliest == number)[true].mean())
    return {
        kind: {title: mean(each) for title, each in by_title.items()}
        for kind, by_title in runs.items()
    }


def _dropped(truth: PatchTable, seeds: range) -> dict[str, Any]:
    """Looks for objects that were dropped from true labels among a second detector's boxes."""
    runs: dict[str, list[dict[str, float]]] = {}
    for seed in seeds:
        kept, dropped = drop(truth, 0.05, seed)
        for name in DETECTORS:
            table, (asked,) = align(kept, [coco128_boxes(name)])
            _, lost = align(kept, [dropped])
            shown = dict(matches(asked, lost[0]))
            shows = np.isin(np.arange(len(asked)), list(shown))
            _, overlooked = object_lab(table, asked)
            for title, scores in (
                ("ours", score_uncovered(asked, table)),
                ("ObjectLab", overlooked),
            ):
                if title == "ObjectLab" and not has_cleanlab():
                    continue
                found = found_at(shows, scores)
                runs.setdefault(title, []).append(
                    {
                        **ranked(shows, scores),
                        "found at .1": found * len(shown) / len(dropped),
                        "of those that the other field has": found,
                    }
                )
    return {title: mean(each) for title, each in runs.items()}


def _flips(sets: list[Labels], similar: float) -> dict[str, Any]:
    return {
        f"{share:.0%}": mean(
            [_flip(labels, share, seed, similar) for seed, labels in enumerate(sets)]
        )
        for share in _SHARES
    }


def _flip(labels: Labels, share: float, seed: int, similar: float) -> dict[str, Any]:
    """Puts wrong classes in and looks for them."""
    table, flipped = flip(labels, share, seed, similar)
    found = find_suspects(table, labels.vectors)
    said = found.mislabeled
    naive = (table.codes[found.neighbors] != table.codes[:, None]).mean(axis=1)
    marked = found.likeliest == WRONG_CLASS
    first = np.argsort(-found.suspicion, kind="stable")[: len(said) // 20]
    true = found.suggested == labels.table.codes[:, None]
    figures: dict[str, Any] = {
        **ranked(flipped, said),
        "share": float(flipped.mean()),
        "said": float(said.mean()),
        "reliability_error": reliability_error(flipped, said),
        "marked": float(marked.sum()),
        "precision": float(flipped[marked].mean()) if marked.any() else 0.0,
        "recall": float(marked[flipped].mean()),
        "in the first 5 %": float(flipped[first].sum() / flipped.sum()),
        "suggested first": float(true[flipped, 0].mean()),
        "suggested among three": float(true[flipped].any(axis=1).mean()),
        "10-NN average precision": average_precision(flipped, naive),
    }
    by_class = confident_learning(table.codes, labels.vectors)
    if by_class:
        best = best_ranked(flipped, by_class)["average_precision"]
        figures["cleanlab's best average precision"] = best
    return figures


def _missed(predictions: Labels, truth: PatchTable, parts: int = 1) -> dict[str, Any]:
    """Looks for objects that no accepted box shows among the boxes of low confidence.

    Args:
        predictions: a detector's boxes, with those of low confidence
        truth: the objects
        parts: the images are reported whose number is the last of so many
    """
    table = predictions.table
    found = find_suspects(table, predictions.vectors)
    reported = np.flatnonzero(truth.media % parts == parts - 1)
    low = np.flatnonzero((table.confidences <= ACCEPTED) & (table.media % parts == parts - 1))
    accepted = table.take(np.flatnonzero(table.confidences > ACCEPTED))
    candidates, said = table.take(low), np.nan_to_num(found.missed[low])
    matched = [row for _, row in matches(accepted, truth)]

    def measure(objects: PatchTable) -> dict[str, Any]:
        object_of = dict(matches(candidates, objects))
        shows = np.isin(np.arange(len(low)), list(object_of))

        def recall(scores: NDArray[Any]) -> float:
            first = np.argsort(-scores, kind="stable")[:_FIRST]
            return float(shows[first].sum() / max(shows.sum(), 1))

        return {
            "objects": len(objects),
            "of which a candidate shows": int(shows.sum()),
            "ours": recall(said),
            "descending confidence": recall(candidates.confidences),
            "ascending confidence": recall(-candidates.confidences),
            "average precision": average_precision(shows, said),
            "its average precision": average_precision(shows, candidates.confidences),
            "reliability_error": reliability_error(shows, said),
        }

    return {
        "candidates": len(low),
        **measure(truth.take(np.intersect1d(reported, missed_objects(accepted, truth)))),
        "with those that a box shows badly": measure(truth.take(np.setdiff1d(reported, matched))),
    }


def _speed(folder: Path, n: int) -> dict[str, Any]:
    """Times each step on many labels in a database."""
    from labelvet.dataset.patches import read_patches
    from labelvet.issues.find import Judged, write_label_issues
    from labelvet.issues.reasons import Reasons
    from labelvet.review.answers import give_answers
    from labelvet.review.queue import next_issues
    from labelvet.review.verdicts import Answer

    from .panel_data import FIELD, KEY, make_dataset

    folder.mkdir()
    dataset = make_dataset(folder / "images", f"issues {n}", n // 4, 4)
    vectors = synthetic_embeddings(n, 512)
    figures: dict[str, Any] = {"labels": n}

    def timed(name: str, step: Any) -> Any:
        start = time.perf_counter()
        result = step()
        figures[f"{name}_s"] = round(time.perf_counter() - start, 2)
        print(f"{name}: {figures[f'{name}_s']} s", flush=True)
        return result

    table = timed("read", lambda: read_patches(dataset, FIELD))
    graph = timed("neighbor graph, which a run has", lambda: build_neighbor_graph(vectors, 15))
    found = timed("judged", lambda: _judged(table, vectors, graph))
    judged = Judged(table, found, Reasons(table, found))
    timed("written", lambda: write_label_issues(dataset, KEY, judged))
    queue = timed("queue opened", lambda: next_issues(dataset, KEY, 60))
    answers = [
        Answer(item.sample_id, item.id, item.label, "right" if n % 2 else "not an object")
        for n, item in enumerate(queue.items)
    ]
    timed("answered one", lambda: give_answers(dataset, FIELD, answers[:1], "bench"))
    timed("answered 59", lambda: give_answers(dataset, FIELD, answers[1:], "bench"))
    timed("re-ranked", lambda: next_issues(dataset, KEY, 60))
    timed("written again", lambda: write_label_issues(dataset, KEY, judged))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    figures["peak_memory_of_the_process_gb"] = round(peak, 2)
    return figures


def _judged(table: PatchTable, vectors: NDArray[np.float32], graph: Any) -> Suspicion:
    """Judges labels with a second field, which has most of them."""
    rows = np.random.default_rng(1).permutation(len(table))[: int(0.9 * len(table))]
    second = table.take(np.sort(rows))
    boxes = second.boxes * np.random.default_rng(2).normal(1, 0.05, second.boxes.shape)
    table, others = align(table, [replace(second, boxes=boxes, patches_field="second")])
    return find_suspects(table, vectors, graph=graph, opinions=ask(table, others))
