"""How what is said of labels is compared with what they are."""

from __future__ import annotations

from typing import Any

import numpy as np
from labelvet.dataset.patches import PatchTable
from labelvet.issues.kinds import KINDS, RIGHT
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from .overlaps import box_overlaps

FALSE_ALARMS = 0.1


def ranked(wrong: NDArray[np.bool_], scores: NDArray[Any]) -> dict[str, float]:
    """Measures a ranking of labels, the suspicious ones high."""
    return {
        "auroc": float(roc_auc_score(wrong, scores)),
        "average_precision": average_precision(wrong, scores),
    }


def average_precision(wrong: NDArray[np.bool_], scores: NDArray[Any]) -> float:
    """Returns the average precision of a ranking, the suspicious ones high."""
    return float(average_precision_score(wrong, scores))


def best_ranked(wrong: NDArray[np.bool_], scores: dict[str, NDArray[Any]]) -> dict[str, float]:
    """Measures several rankings, and returns the best of each measure."""
    figures = [ranked(wrong, each) for each in scores.values()]
    return {name: max(each[name] for each in figures) for name in figures[0]}


def told(known: NDArray[np.int64], kinds: NDArray[Any]) -> dict[str, float]:
    """Compares what n labels are with the probabilities of the kinds, (n, 5)."""
    wrong, likeliest = known != RIGHT, kinds.argmax(axis=1)
    marked = likeliest != RIGHT
    figures = {
        **ranked(wrong, 1 - kinds[:, RIGHT]),
        "reliability_error": reliability_error(~wrong, kinds[:, RIGHT]),
        "precision": float(wrong[marked].mean()),
        "recall": float(marked[wrong].mean()),
        "kind_right": float((likeliest == known)[marked].mean()),
        "kind_right_of_wrong_ones": float((likeliest == known)[marked & wrong].mean()),
    }
    for number, kind in enumerate(KINDS[1:], start=1):
        said, true = likeliest == number, known == number
        figures[f"{kind}: precision"] = float(true[said].mean()) if said.any() else 0.0
        figures[f"{kind}: recall"] = float(said[true].mean()) if true.any() else 0.0
        figures[f"{kind}: said, times the truth"] = float(
            kinds[:, number].sum() / max(true.sum(), 1)
        )
    return figures


def found_at(true: NDArray[np.bool_], scores: NDArray[Any]) -> float:
    """Returns the share of the true ones above the bar that a tenth of the others exceed."""
    bar = np.quantile(scores[~true], 1 - FALSE_ALARMS)
    return float((scores[true] > bar).mean())


def reliability_error(true: NDArray[np.bool_], said: NDArray[Any]) -> float:
    """Returns the mean distance between what was said and what is, in ten bins of as many."""
    bins = np.array_split(np.argsort(said, kind="stable"), 10)
    away = [abs(said[rows].mean() - true[rows].mean()) for rows in bins]
    return float(np.average(away, weights=[len(rows) for rows in bins]))


def mean(runs: list[dict[str, float]]) -> dict[str, float]:
    """Averages figures over runs."""
    return {name: float(np.mean([run[name] for run in runs])) for name in runs[0]}


def spread(values: list[float]) -> dict[str, float]:
    """Returns the mean of some values and their standard deviation."""
    return {"mean": float(np.mean(values)), "spread": float(np.std(values, ddof=1))}


def mean_average_precision(predictions: PatchTable, truth: PatchTable) -> float:
    """Returns COCO's mAP of some boxes.

    It is what FiftyOne's ``evaluate_detections(compute_mAP=True)`` finds, in a hundredth of the
    time.
    """
    found = predictions.take(np.argsort(-predictions.confidences, kind="stable"))
    precisions = []
    for name in truth.classes:
        rows, objects = (np.flatnonzero(table.labels == name) for table in (found, truth))
        if not len(objects):
            continue
        apart = found.media[rows][:, None] != truth.media[objects][None]
        overlaps = np.where(apart, 0, box_overlaps(found.boxes[rows], truth.boxes[objects])[0])
        for least in np.arange(0.5, 1.0, 0.05):
            free, hits = np.ones(len(objects)), np.zeros(len(rows))
            for place, overlap in enumerate(overlaps):
                best = int((overlap * free).argmax())
                if overlap[best] * free[best] >= least:
                    free[best], hits[place] = 0, 1
            precisions.append(_interpolated(hits, len(objects)))
    return float(np.mean(precisions))


def _interpolated(hits: NDArray[np.float64], objects: int) -> float:
    """Returns the mean of the greatest precision at 101 recalls and above."""
    recall = np.cumsum(hits) / objects
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    greatest = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
    return float(greatest[np.searchsorted(recall, np.linspace(0, 1, 101))].mean())
