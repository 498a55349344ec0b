"""What label issues are compared with: cleanlab's and FiftyOne's own ways to find wrong labels.

cleanlab is measured where it is installed (``pip install cleanlab``); labelvet does not need it.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
from labelvet.dataset.patches import PatchTable
from numpy.typing import NDArray

Scores = dict[str, NDArray[np.float64]]
"""``{name of the way: (n,) a score for each label, high where it seems wrong}``."""

# below these confidences ObjectLab looks at no prediction; with its own, .5 and .95, it says nearly
# nothing of detectors as unsure as these
_OBJECT_LAB = {"low_probability_threshold": 0.1, "high_probability_threshold": 0.4}


def has_cleanlab() -> bool:
    """Whether cleanlab is installed."""
    return find_spec("cleanlab") is not None


def confident_learning(codes: NDArray[np.integer], vectors: NDArray[np.float32]) -> Scores:
    """Scores classes by cleanlab's three label quality scores; {} without cleanlab.

    The probabilities are of a logistic regression on the embeddings, cross-validated.

    Args:
        codes: (n,) the class of each label
        vectors: (n, d) the embeddings
    """
    if not has_cleanlab():
        return {}
    from cleanlab.rank import get_label_quality_scores
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import KFold

    used, codes = np.unique(codes, return_inverse=True)
    probabilities = np.full((len(codes), len(used)), 1e-6)
    vectors = (vectors - vectors.mean(axis=0)) / vectors.std()
    for train, test in KFold(5, shuffle=True, random_state=0).split(vectors):
        model = LogisticRegression(C=0.1, tol=0.01).fit(vectors[train], codes[train])
        probabilities[np.ix_(test, model.classes_)] += model.predict_proba(vectors[test])
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return {
        method: -get_label_quality_scores(codes, probabilities, method=method)
        for method in ("self_confidence", "normalized_margin", "confidence_weighted_entropy")
    }


def multilabel_scores(said: NDArray[np.bool_], vectors: NDArray[np.float32]) -> Scores:
    """Scores each class of images that may have several by cleanlab's three label quality scores,
    class by class; {} without cleanlab.

    The probabilities are of a logistic regression for each class, cross-validated.

    Args:
        said: (n, k) which classes each image is said to have
        vectors: (n, d) the embeddings

    Returns:
        ``{name of the way: (n, k)}``
    """
    if not has_cleanlab():
        return {}
    from cleanlab.multilabel_classification.rank import get_label_quality_scores_per_class
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict
    from sklearn.multiclass import OneVsRestClassifier

    vectors = (vectors - vectors.mean(axis=0)) / vectors.std()
    model = OneVsRestClassifier(LogisticRegression(C=0.1, tol=0.01))
    probabilities = cross_val_predict(model, vectors, said.astype(int), method="predict_proba")
    given = [np.flatnonzero(of_image).tolist() for of_image in said]
    return {
        method: -get_label_quality_scores_per_class(given, probabilities, method=method)
        for method in ("self_confidence", "normalized_margin", "confidence_weighted_entropy")
    }


def object_lab(labels: PatchTable, predictions: PatchTable) -> tuple[Scores, NDArray[np.float64]]:
    """Scores boxes by cleanlab's ObjectLab, given a detector's predictions.

    Args:
        labels: n boxes to judge
        predictions: m boxes of a detector, with the images and classes of ``labels``

    Returns:
        a tuple of scores of the labels, {} without cleanlab, and (m,) scores of the predictions,
        high where one seems to be missing among the labels
    """
    if not has_cleanlab():
        return {}, np.zeros(len(predictions))
    from cleanlab.object_detection import rank

    classes = range(len(labels.classes))
    given, found, rows, found_rows = [], [], [], []
    sure = predictions.confidences > _OBJECT_LAB["low_probability_threshold"]
    # images without either have nothing to compare
    for media in np.intersect1d(labels.media, predictions.media[sure]):
        own, theirs = map(
            np.flatnonzero, (labels.media == media, (predictions.media == media) & sure)
        )
        given.append({"bboxes": _corners(labels.boxes[own]), "labels": labels.codes[own]})
        boxes = np.column_stack([_corners(predictions.boxes[theirs]),
                                 predictions.confidences[theirs]])  # fmt: skip
        of_class: NDArray[np.object_] = np.empty(len(classes), dtype=object)
        for code in classes:
            mine = predictions.codes[theirs] == code
            of_class[code] = boxes[mine]
            found_rows += theirs[mine].tolist()
        found.append(of_class)
        rows += own.tolist()

    low, high = ({name: _OBJECT_LAB[name]} for name in _OBJECT_LAB)
    asked = {"labels": given, "predictions": found}
    scores: Scores = {}
    for name, told in (
        ("swap", rank.compute_swap_box_scores(**asked, **high)),
        ("bad location", rank.compute_badloc_box_scores(**asked, **low)),
    ):
        scores[name] = np.zeros(len(labels))
        scores[name][rows] = 1 - np.concatenate(told)
    scores["either"] = np.maximum(*scores.values())
    overlooked = np.zeros(len(predictions))
    told = np.concatenate(rank.compute_overlooked_box_scores(**asked, **high))
    overlooked[found_rows] = 1 - np.nan_to_num(told, nan=1.0)
    return scores, overlooked


def mistakenness(labels: PatchTable, predictions: PatchTable) -> Scores:
    """Scores boxes by FiftyOne's ``compute_mistakenness``, given a detector's predictions.

    A label that no prediction matches is possibly spurious, which has no score: it counts as 1.
    """
    import fiftyone.brain as fob

    dataset = make_dataset({"labels": labels, "predictions": predictions})
    fob.compute_mistakenness(dataset, "predictions", label_field="labels", progress=False)
    columns: list[list[Any]] = dataset.values(
        [f"labels.detections.{name}" for name in
         ("mistakenness", "mistakenness_loc", "possible_spurious", "row")],
        unwind=True,
    )  # fmt: skip
    scores: Scores = {name: np.zeros(len(labels)) for name in ("class", "location", "either")}
    for class_, location, spurious, row in zip(*columns, strict=True):
        told = (1.0, 1.0) if spurious else (class_ or 0.0, location or 0.0)
        scores["class"][row], scores["location"][row] = told
        scores["either"][row] = max(told)
    dataset.delete()
    return scores


def make_dataset(fields: dict[str, PatchTable]) -> Any:
    """Makes a dataset of some images whose fields have the labels of tables, with their rows."""
    import fiftyone as fo

    dataset = fo.Dataset()
    paths = next(iter(fields.values())).filepaths
    samples = [fo.Sample(filepath=path) for path in paths]
    for field, table in fields.items():
        found: list[list[Any]] = [[] for _ in samples]
        sure = np.isfinite(table.confidences)
        for row, (media, label, box) in enumerate(
            zip(table.media.tolist(), table.labels, table.boxes.tolist(), strict=True)
        ):
            confidence = float(table.confidences[row]) if sure[row] else None
            found[media].append(
                fo.Detection(label=label, bounding_box=box, confidence=confidence, row=row)
            )
        for sample, detections in zip(samples, found, strict=True):
            sample[field] = fo.Detections(detections=detections)
    dataset.add_samples(samples, progress=False)
    return dataset


def _corners(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.column_stack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]])
