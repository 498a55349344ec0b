"""Label issues: how many of the wrong labels are found, beside the naive ways to look for them.

Nothing is reported on what it was fitted to: a detector's boxes are judged by models that were
fitted to the other detectors, on the other half of the images. Where cleanlab is installed (``pip
install cleanlab``), its scores of the same probabilities are measured beside ours.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from labelvet.dataset.patches import PatchTable
from labelvet.embeddings.catalog import DEFAULT_BACKBONE
from labelvet.embeddings.neighbors import build_neighbor_graph
from labelvet.issues import suspicion
from labelvet.issues.kinds import BADLY_PLACED, KINDS, RIGHT, WRONG_CLASS, KindModel
from labelvet.issues.numerics import box_overlaps
from labelvet.issues.opinions import align, ask
from labelvet.issues.suspicion import Suspicion, find_suspects
from labelvet.review.learning import learn
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from . import fit_kinds
from .data import COCO128, synthetic_embeddings
from .fit_kinds import ALONE, ANNOTATED_SECONDED, SECONDED, Case, annotator_cases, detector_cases
from .issues_data import (
    ACCEPTED,
    DETECTORS,
    Labels,
    coco128,
    coco128_boxes,
    coco128_truth,
    detected_scenes,
    flip,
    kinds_of,
    matches,
    missed_objects,
    scenes,
)
from .report import Target, quick, write

_SHARES = (0.01, 0.05, 0.1, 0.3)
_SCENES = 170
_FIRST = 100
_ANSWERS, _BATCH, _REVIEWS = (25, 50, 100), 5, 20


def run(folder: Path) -> None:
    """Runs the bench."""
    if not COCO128.is_dir():
        raise SystemExit("coco128 is not here: set LABELVET_COCO128 to its folder.")
    seeds = range(1 if quick() else 3)
    truth = coco128_truth(DEFAULT_BACKBONE)
    composed = [scenes(folder / f"scenes{seed}", seed, _SCENES, DEFAULT_BACKBONE) for seed in seeds]
    detected = [
        detected_scenes(folder / f"detected{seed}", seed, _SCENES, DEFAULT_BACKBONE)
        for seed in seeds
    ]
    figures: dict[str, Any] = {}

    def measured(name: str, value: Any) -> None:
        figures[name] = value
        print(name, "is measured", flush=True)

    measured("a detector's boxes", {name: _detector(name) for name in DETECTORS})
    measured("a review of them", {name: _reviews(name, truth.table) for name in DETECTORS})
    measured("suggested boxes", {name: _boxes(name, truth.table) for name in DETECTORS})
    measured("errors put into true labels", _disturbed())
    for name, similar in (("at random", 0.0), ("to the most similar class", 1.0)):
        measured(
            f"classes flipped {name}",
            {
                "coco128": _flips([truth] * len(seeds), similar),
                "scenes": _flips(composed, similar),
            },
        )
    low = coco128("SSDLite", DEFAULT_BACKBONE, 0.0)
    measured("missed objects on coco128", _missed(low, truth.table, parts=2))
    measured("missed objects on scenes", [_missed(found, objects) for objects, found in detected])
    sizes = (20_000,) if quick() else (100_000, 200_000)
    measured("speed", [_speed(folder / str(n), n) for n in sizes])
    write("issues", figures, _targets(figures))


def _targets(figures: dict[str, Any]) -> list[Target]:
    targets = []
    for name, measured in figures["a detector's boxes"].items():
        alone = measured["by confidence"]["average_precision"]
        for others, above in (("asking none", 0.03), ("asking one", 0.08), ("asking two", 0.1)):
            ours = measured[others]["fitted without its images"]
            gained = ours["average_precision"] - alone
            targets.append(Target(f"{name}, {others}: AP above confidence", gained, ">=", above))
            targets.append(
                Target(f"{name}, {others}: reliability", ours["reliability_error"], "<=", 0.05)
            )
            if others == "asking one":
                targets += [
                    Target(f"{name}, {others}: {what}", ours[what], ">=", least)
                    for what, least in (("auroc", 0.87), ("precision", 0.85), ("recall", 0.7),
                                        ("kind_right", 0.75))
                ]  # fmt: skip
    for name in ("at random", "to the most similar class"):
        for data, shares in figures[f"classes flipped {name}"].items():
            for share, measured in shares.items():
                said = measured["said"] / measured["share"]
                what = f"{data}, {share} flipped {name}: said, times the truth"
                targets += [Target(what, said, ">=", 2 / 3), Target(what, said, "<=", 4 / 3)]
    for kind, measured in figures["errors put into true labels"].items():
        name = f"{kind}, put in: recall at a false positive rate of .1"
        targets.append(Target(name, measured["recall_at_10_percent"], ">=", 0.8))
    for speed in figures["speed"]:
        n = f"{speed['labels']:,} labels, s"
        targets.append(Target(f"judged {n}", speed["judged_s"], "<=", 30.0))
        targets.append(Target(f"re-ranked {n}", speed["re-ranked_s"], "<=", 0.5))
    return targets


def models_without(without: str | None, parity: int) -> dict[str, KindModel]:
    """Fits the models without a detector, to the images of even or odd number."""

    def kept(cases: tuple[Case, ...]) -> list[Case]:
        return [
            case for case in cases if not without or without not in (case.judged, case.seconded)
        ]

    cases = kept(detector_cases())
    return {
        "alone": fit_kinds.fit([case for case in cases if case.seconded is None], ALONE, parity),
        "seconded": fit_kinds.fit([case for case in cases if case.seconded], SECONDED, parity),
        "annotated": fit_kinds.fit(kept(annotator_cases()), ANNOTATED_SECONDED, parity),
    }


@contextmanager
def _use(models: dict[str, KindModel]) -> Iterator[None]:
    """Has labels judged by other models than those that labelvet ships."""
    with mock.patch.object(suspicion, "kind_model", models.__getitem__):
        yield


def _detector(name: str) -> dict[str, Any]:
    """Ranks a detector's boxes, and says what is wrong with them."""
    cases = [case for case in detector_cases() if case.judged == name]
    labels, known = coco128(name, DEFAULT_BACKBONE), cases[0].kinds
    confidences = labels.table.confidences
    found = find_suspects(labels.table, labels.vectors)
    other = (labels.table.codes[found.neighbors] != labels.table.codes[:, None]).mean(axis=1)
    figures: dict[str, Any] = {
        "labels": {kind: int((known == number).sum()) for number, kind in enumerate(KINDS)},
        "by confidence": _ranked(known != RIGHT, -confidences),
        "by 10-NN": _ranked(known != RIGHT, other),
    }
    two = {
        what: np.mean([case.evidence[what] for case in cases if case.seconded], axis=0)
        for what in SECONDED
    }
    asked = {
        "asking none": [case.evidence for case in cases if not case.seconded],
        "asking one": [case.evidence for case in cases if case.seconded],
        "asking two": [two],
    }
    for title, without in (("fitted without it", name), ("fitted without its images", None)):
        models = [models_without(without, parity) for parity in (0, 1)]
        for others, evidence in asked.items():
            model = "alone" if others == "asking none" else "seconded"
            said = [np.empty((len(known), len(KINDS))) for _ in evidence]
            for parity in (0, 1):
                reported = cases[0].media % 2 != parity
                for kinds, columns in zip(said, evidence, strict=True):
                    kinds[reported] = models[parity][model].judge(columns)[reported]
            figures.setdefault(others, {})[title] = _mean([_told(known, kinds) for kinds in said])
    return figures


def _told(known: NDArray[np.int64], kinds: NDArray[Any]) -> dict[str, float]:
    """Compares what labels are with what is said of them."""
    wrong, likeliest = known != RIGHT, kinds.argmax(axis=1)
    marked = likeliest != RIGHT
    figures = {
        **_ranked(wrong, 1 - kinds[:, RIGHT]),
        "reliability_error": _reliability_error(~wrong, kinds[:, RIGHT]),
        "precision": float(wrong[marked].mean()),
        "recall": float(marked[wrong].mean()),
        "kind_right": float((likeliest == known)[marked].mean()),
        "kind_right_of_wrong_ones": float((likeliest == known)[marked & wrong].mean()),
    }
    for number, kind in enumerate(KINDS[1:], start=1):
        said, true = likeliest == number, known == number
        figures[f"{kind}: precision"] = float(true[said].mean()) if said.any() else 0.0
        figures[f"{kind}: recall"] = float(said[true].mean())
        figures[f"{kind}: said, times the truth"] = float(kinds[:, number].sum() / true.sum())
    return figures


def _reviews(name: str, truth: PatchTable) -> dict[str, Any]:
    """Reviews halves of the images, with one second detector, and looks at what is left."""
    labels = coco128(name, DEFAULT_BACKBONE)
    wrong = kinds_of(labels.table, truth) != RIGHT
    second = next(other for other in DETECTORS if other != name)
    table, others = align(labels.table, [coco128_boxes(second)])
    with _use(models_without(name, 0)):
        judged = find_suspects(table, labels.vectors, opinions=ask(table, others))
    figures: dict[str, list[dict[str, float]]] = {str(count): [] for count in _ANSWERS}
    images = np.unique(table.media)
    for seed in range(2 if quick() else _REVIEWS):
        half = np.random.default_rng(seed).permutation(images)[: len(images) // 2]
        rows = np.flatnonzero(np.isin(table.media, half))
        found, answers = _some(judged, rows), wrong[rows]
        seen = np.empty(0, dtype=np.int64)
        while len(seen) <= max(_ANSWERS):
            learned = learn(found, seen, answers[seen])
            if len(seen) in _ANSWERS:
                rest = np.setdiff1d(np.arange(len(rows)), seen)
                left = float(answers[rest].sum())
                ap = [
                    _ranked(answers[rest], scores[rest])["average_precision"]
                    for scores in (learned.suspicion, found.suspicion, -table.confidences[rows])
                ]
                estimate = learned.estimate
                figures[str(len(seen))].append(
                    {
                        "average_precision": ap[0],
                        "above no answers": ap[0] - ap[1],
                        "above confidence": ap[0] - ap[2],
                        "left": left,
                        "expected": estimate.left,
                        "within": float(estimate.low <= left <= estimate.high),
                    }
                )
            seen = np.concatenate([seen, learned.queue[:_BATCH]])
    return {f"after {count} answers": _mean(runs) for count, runs in figures.items()}


def _some(found: Suspicion, rows: NDArray[np.int64]) -> Suspicion:
    """What was found of some labels, as far as a review learns from it."""
    return replace(found, kinds=found.kinds[rows], clues=found.clues[rows])


def _boxes(name: str, truth: PatchTable) -> dict[str, dict[str, float]]:
    """Takes the suggested box of badly placed labels."""
    labels = coco128(name, DEFAULT_BACKBONE)
    known = kinds_of(labels.table, truth)
    figures = {}
    others = [other for other in DETECTORS if other != name]
    for title, asked in (("asking one", others[:1]), ("asking two", others)):
        table, tables = align(labels.table, [coco128_boxes(other) for other in asked])
        boxes = ask(table, tables).boxes
        placed = np.flatnonzero(known == BADLY_PLACED)
        before, after = [], []
        for row in placed:
            objects = np.flatnonzero(
                (truth.media == table.media[row]) & (truth.labels == table.labels[row])
            )
            before.append(_best(table.boxes[row], truth.boxes[objects]))
            after.append(_best(boxes[row], truth.boxes[objects]))
        figures[title] = {
            "badly placed": len(placed),
            "with a suggestion": float(np.isfinite(boxes[placed, 0]).mean()),
            "reach .5": float((np.array(after) >= 0.5).mean()),
            "mean overlap before": float(np.mean(before)),
            "mean overlap after": float(np.mean(after)),
        }
    return figures


def _best(box: NDArray[np.float64], objects: NDArray[np.float64]) -> float:
    if not np.isfinite(box).all():
        return 0.0
    return float(box_overlaps(box[None], objects)[0].max())


def _disturbed() -> dict[str, Any]:
    """Looks for errors that were put into true labels, with one second detector."""
    found: dict[str, list[dict[str, float]]] = {}
    for name in DETECTORS:
        models = [models_without(name, parity)["annotated"] for parity in (0, 1)]
        for case in annotator_cases():
            if case.seconded != name:
                continue
            kinds = np.empty((len(case.kinds), len(KINDS)))
            for parity in (0, 1):
                reported = case.media % 2 != parity
                kinds[reported] = models[parity].judge(case.evidence)[reported]
            for number, kind in enumerate(KINDS[1:], start=1):
                rows = np.isin(case.kinds, (RIGHT, number))
                true, said = case.kinds[rows] == number, 1 - kinds[rows, RIGHT]
                bar = np.quantile(said[~true], 0.9)
                found.setdefault(kind, []).append(
                    {
                        **_ranked(true, said),
                        "recall_at_10_percent": float((said[true] > bar).mean()),
                        "kind_right": float((kinds[rows].argmax(axis=1) == number)[true].mean()),
                    }
                )
    return {kind: _mean(runs) for kind, runs in found.items()}


def _flips(sets: list[Labels], similar: float) -> dict[str, Any]:
    return {
        f"{share:.0%}": _mean(
            [_flip(labels, share, seed, similar) for seed, labels in enumerate(sets)]
        )
        for share in _SHARES
    }


def _flip(labels: Labels, share: float, seed: int, similar: float) -> dict[str, float]:
    """Puts wrong classes in and looks for them."""
    table, flipped = flip(labels, share, seed, similar)
    found = find_suspects(table, labels.vectors)
    said = found.mislabeled
    naive = (table.codes[found.neighbors] != table.codes[:, None]).mean(axis=1)
    marked = found.likeliest == WRONG_CLASS
    first = np.argsort(-found.suspicion, kind="stable")[: len(said) // 20]
    true = found.suggested == labels.table.codes[:, None]
    figures = {
        **_ranked(flipped, said),
        "share": float(flipped.mean()),
        "said": float(said.mean()),
        "reliability_error": _reliability_error(flipped, said),
        "marked": float(marked.sum()),
        "precision": float(flipped[marked].mean()) if marked.any() else 0.0,
        "recall": float(marked[flipped].mean()),
        "in the first 5 %": float(flipped[first].sum() / flipped.sum()),
        "suggested first": float(true[flipped, 0].mean()),
        "suggested among three": float(true[flipped].any(axis=1).mean()),
        "10-NN average precision": _ranked(flipped, naive)["average_precision"],
    }
    if find_spec("cleanlab"):
        figures["cleanlab's best average precision"] = cleanlab_precision(table, labels, flipped)
    return figures


def cleanlab_precision(table: PatchTable, labels: Labels, flipped: NDArray[np.bool_]) -> float:
    """Ranks by cleanlab's scores, of probabilities by cross-validation on the same embeddings."""
    from cleanlab.rank import get_label_quality_scores
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import KFold

    used, codes = np.unique(table.codes, return_inverse=True)
    probabilities = np.full((len(codes), len(used)), 1e-6)
    vectors = (labels.vectors - labels.vectors.mean(axis=0)) / labels.vectors.std()
    for train, test in KFold(5, shuffle=True, random_state=0).split(vectors):
        model = LogisticRegression(C=0.1, max_iter=200).fit(vectors[train], codes[train])
        probabilities[np.ix_(test, model.classes_)] += model.predict_proba(vectors[test])
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    best = 0.0
    for method in ("self_confidence", "normalized_margin", "confidence_weighted_entropy"):
        scores = get_label_quality_scores(codes, probabilities, method=method)
        best = max(best, _ranked(flipped, -scores)["average_precision"])
    return best


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
            "average precision": float(average_precision_score(shows, said)),
            "its average precision": float(average_precision_score(shows, candidates.confidences)),
            "reliability_error": _reliability_error(shows, said),
        }

    return {
        "candidates": len(low),
        **measure(truth.take(np.intersect1d(reported, missed_objects(accepted, truth)))),
        "with those that a box shows badly": measure(truth.take(np.setdiff1d(reported, matched))),
    }


def _speed(folder: Path, n: int) -> dict[str, Any]:
    """Times each step on many labels in a database."""
    from labelvet.dataset.patches import read_patches
    from labelvet.issues.find import write_label_issues
    from labelvet.review.answers import Answer, give_answers
    from labelvet.review.queue import next_issues

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
    timed("written", lambda: write_label_issues(dataset, KEY, table, found))
    queue = timed("queue opened", lambda: next_issues(dataset, KEY, 60))
    answers = [
        Answer(item.sample_id, item.id, item.label, "right" if n % 2 else "not an object")
        for n, item in enumerate(queue.items)
    ]
    timed("answered one", lambda: give_answers(dataset, FIELD, answers[:1], "bench"))
    timed("answered 59", lambda: give_answers(dataset, FIELD, answers[1:], "bench"))
    timed("re-ranked", lambda: next_issues(dataset, KEY, 60))
    timed("written again", lambda: write_label_issues(dataset, KEY, table, found))
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


def _ranked(wrong: NDArray[np.bool_], scores: NDArray[Any]) -> dict[str, float]:
    return {
        "auroc": float(roc_auc_score(wrong, scores)),
        "average_precision": float(average_precision_score(wrong, scores)),
    }


def _reliability(wrong: NDArray[np.bool_], said: NDArray[Any]) -> list[dict[str, float]]:
    """Compares, in ten bins of as many labels, what was said with what is."""
    bins = np.array_split(np.argsort(said, kind="stable"), 10)
    return [
        {"said": float(said[rows].mean()), "is": float(wrong[rows].mean()), "labels": len(rows)}
        for rows in bins
    ]


def _reliability_error(wrong: NDArray[np.bool_], said: NDArray[Any]) -> float:
    """The mean distance between what was said and what is."""
    bins = _reliability(wrong, said)
    return sum(abs(b["said"] - b["is"]) * b["labels"] for b in bins) / len(wrong)


def _mean(runs: list[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([run[name] for run in runs])) for name in runs[0]}
