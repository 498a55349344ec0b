"""What the proof of a label set is measured on: labels with a truth, and how suspicious each is.

No label is judged by a model that was fitted to its image, or to the detector that found it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from labelvet.embeddings.catalog import DEFAULT_BACKBONE
from labelvet.issues.kinds import RIGHT
from numpy.typing import NDArray

from .data import ROOT
from .fit_kinds import COMPOSED, Case, cases_of, detector_cases
from .issues import models_without
from .issues_data import DETECTORS, coco128, coco128_truth, disturb

_KEPT = ROOT / ".cache" / "bench" / "proof-scores.npz"
_INJECTED = (0.01, 0.05, 0.2)
_ASKED = "NanoDet"
_SEED = 7


@dataclass(frozen=True, eq=False)
class Scored:
    """n labels with a truth.

    Attributes:
        wrong: (n,) whether each is wrong
        suspicion: (n,) probability that it is, as label issues say
        confidence: (n,) of the detector, NaN for labels of a person
    """

    wrong: NDArray[np.bool_]
    suspicion: NDArray[np.float64]
    confidence: NDArray[np.float64]


def scored_sets() -> dict[str, Scored]:
    """Returns all of them by name; they are judged once, and kept on disk."""
    if not _KEPT.is_file():
        columns = {
            f"{name}/{column}": getattr(scored, column)
            for name, scored in _judged().items()
            for column in Scored.__dataclass_fields__
        }
        _KEPT.parent.mkdir(parents=True, exist_ok=True)
        np.savez(_KEPT, **columns)
    with np.load(_KEPT) as kept:
        names = dict.fromkeys(key.rsplit("/", 1)[0] for key in kept.files)
        return {
            name: Scored(*(kept[f"{name}/{one}"] for one in Scored.__dataclass_fields__))
            for name in names
        }


def _judged() -> dict[str, Scored]:
    found = {}
    for name in DETECTORS:
        asked = _ASKED if name != _ASKED else "SSDLite"
        (case,) = [one for one in detector_cases() if (one.judged, one.seconded) == (name, asked)]
        confidence = coco128(name, DEFAULT_BACKBONE).table.confidences.astype(np.float64)
        found[f"{name} on coco128"] = _score(case, name, "seconded", confidence)
    (case,) = [one for one in detector_cases() if one.judged == COMPOSED]
    confidence = case.evidence["confidence"]
    found["a detector on composed scenes"] = _score(case, COMPOSED, "alone", confidence)
    truth = coco128_truth(DEFAULT_BACKBONE)
    for share in _INJECTED:
        # as many errors of each of four kinds, two of which add labels
        each = share / (4 - 2 * share)
        labels, known = disturb(truth, each, _SEED, DEFAULT_BACKBONE)
        (case,) = cases_of("annotator", labels, known, [_ASKED])
        none = np.full(len(known), np.nan)
        found[f"coco128 with {share:.0%} wrong"] = _score(case, _ASKED, "annotated", none)
    return found


def _score(case: Case, without: str, model: str, confidence: NDArray[np.float64]) -> Scored:
    suspicion = np.empty(len(case.kinds))
    for parity in (0, 1):
        judged = case.media % 2 != parity
        kinds = models_without(without, parity)[model].judge(case.evidence)
        suspicion[judged] = 1 - kinds[judged, RIGHT]
    return Scored(case.kinds != RIGHT, suspicion, confidence)
