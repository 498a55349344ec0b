"""Fits the models of the kinds of errors; ``python -m labelvet.bench.fit_kinds`` writes them.

They are fitted to three real detectors on coco128, each with one of the other detectors asked, to a
detector on composed scenes, and to coco128's true labels with errors put in. ``bench/issues.py``
fits them without what it reports on; what labelvet ships is fitted to all of it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from labelvet.dataset.patches import PatchTable
from labelvet.embeddings.catalog import DEFAULT_BACKBONE
from labelvet.issues import kinds, opinions
from labelvet.issues.embedding_evidence import find_neighbors
from labelvet.issues.evidence import gather
from labelvet.issues.kinds import KINDS, KindModel, fit_kinds
from labelvet.issues.opinions import align, ask
from labelvet.issues.suspicion import _fit_classes, telling_confidences
from numpy.typing import NDArray

from .data import ROOT
from .issues_data import (
    ACCEPTED,
    DETECTORS,
    Labels,
    coco128,
    coco128_boxes,
    coco128_truth,
    detected_scenes,
    disturb,
    kinds_of,
)

ALONE = (
    "confidence", "size", "contains", "within", "repeats", "class", "neighbors' confidence",
    "company", "border", "wrong class",
)  # fmt: skip
ANNOTATED = ("size", "contains", "within", "repeats", "class", "wrong class", "company", "border")
SECONDED = ALONE[:-1] + opinions.OTHERS_EVIDENCE
ANNOTATED_SECONDED = ANNOTATED + opinions.OTHERS_EVIDENCE

COMPOSED, ANNOTATOR = "composed scenes", "annotator"
_SCENES, _SCENES_SEED = 120, 11
_DISTURBED, _SEEDS = 0.05, (1, 2, 3)
_COUNTS_AS = 1000
# of a detector that knows a dozen classes and mixes them up, beside three that know eighty
_COMPOSED_COUNTS_AS = 600


@dataclass(frozen=True, eq=False)
class Case:
    """n labels whose kinds are known, with the evidence on them.

    Attributes:
        judged: the detector, or ``COMPOSED`` or ``ANNOTATOR``
        seconded: the detector that was asked, None for none
        table: the labels
        kinds: (n,) index into ``KINDS``
        evidence: ``{name: (n,)}``
    """

    judged: str
    seconded: str | None
    table: PatchTable
    kinds: NDArray[np.int64]
    evidence: dict[str, NDArray[np.float64]]

    @property
    def media(self) -> NDArray[np.int32]:
        """(n,) image of each label."""
        return self.table.media


@cache
def detector_cases(backbone: str = DEFAULT_BACKBONE) -> tuple[Case, ...]:
    """Returns the boxes of each detector, beside nothing and beside each other one."""
    truth = coco128_truth(backbone).table
    found = []
    for detector in DETECTORS:
        labels = coco128(detector, backbone)
        known = kinds_of(labels.table, truth)
        others = [other for other in DETECTORS if other != detector]
        found += cases_of(detector, labels, known, [None, *others])
    scenes = ROOT / ".cache" / "bench" / f"scenes{_SCENES_SEED}"
    objects, labels = detected_scenes(scenes, _SCENES_SEED, _SCENES, backbone)
    labels = labels.take(np.flatnonzero(labels.table.confidences > ACCEPTED))
    known = kinds_of(labels.table, objects)
    return (*found, *cases_of(COMPOSED, labels, known, [None]))


@cache
def annotator_cases(backbone: str = DEFAULT_BACKBONE) -> tuple[Case, ...]:
    """Returns true labels with errors put in, beside each detector."""
    truth = coco128_truth(backbone)
    found = []
    for seed in _SEEDS:
        labels, known = disturb(truth, _DISTURBED, seed, backbone)
        found += cases_of(ANNOTATOR, labels, known, list(DETECTORS))
    return tuple(found)


def cases_of(
    judged: str,
    labels: Labels,
    known: NDArray[np.int64],
    others: Sequence[str | None],
) -> list[Case]:
    """Gathers the evidence on labels whose kinds are known, beside each of some detectors."""
    table, vectors = labels.table, labels.vectors
    neighbors, similarities = find_neighbors(vectors)
    fit = _fit_classes(table, vectors, neighbors, similarities, [])
    rejected = np.zeros(len(table), dtype=bool)
    own = gather(table, telling_confidences(table), fit, neighbors, rejected).columns
    found = []
    for other in others:
        found.append(Case(judged, other, table, known, {**own, **_said(table, other)}))
    return found


def _said(table: PatchTable, other: str | None) -> dict[str, NDArray[np.float64]]:
    if other is None:
        return {}
    wide, others = align(table, [coco128_boxes(other)])
    return ask(wide, others).evidence


def fit(
    cases: Sequence[Case],
    names: tuple[str, ...],
    images: NDArray[np.integer] | None = None,
    penalty: float = 10.0,
) -> KindModel:
    """Fits a model to some cases, each of which counts the same.

    Args:
        cases: of these
        names: the evidence that the model looks at
        images: the numbers of the images that it is fitted to, by default all
        penalty: see :func:`labelvet.issues.kinds.fit_kinds`
    """
    columns, known, importance = [], [], []
    for case in cases:
        rows = np.arange(len(case.media))
        if images is not None:
            rows = np.flatnonzero(np.isin(case.media, images))
        columns.append(np.column_stack([case.evidence[name][rows] for name in names]))
        known.append(case.kinds[rows])
        counts = _COMPOSED_COUNTS_AS if case.judged == COMPOSED else _COUNTS_AS
        importance.append(np.full(len(rows), counts / len(rows)))
    return fit_kinds(
        names, np.concatenate(columns), np.concatenate(known), np.concatenate(importance), penalty
    )


def main() -> None:
    """Fits all models to all there is."""
    detectors, annotators = list(detector_cases()), list(annotator_cases())
    models = {
        "alone": fit([case for case in detectors if case.seconded is None], ALONE),
        "seconded": fit([case for case in detectors if case.seconded], SECONDED),
        "annotated": fit(annotators, ANNOTATED_SECONDED),
    }
    content = {"kinds": KINDS, **{name: model.to_json() for name, model in models.items()}}
    kinds._FILE.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
