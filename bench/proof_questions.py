"""What a reviewer waits for, of an audit of many labels in a database."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import fiftyone as fo
import numpy as np
from labelvet.dataset.documents import hex_ids
from labelvet.dataset.patches import read_patches
from labelvet.issues.findings import save_findings
from labelvet.issues.kinds import KINDS, RIGHT
from labelvet.issues.suspicion import Suspicion
from labelvet.proof.audits import Audit, begin_audit, current_audit
from labelvet.proof.results import next_questions
from labelvet.review.answers import give_answers
from labelvet.review.verdicts import Answer

from .panel_data import FIELD, KEY, make_dataset

_PER_IMAGE, _ANSWERS, _TRIES = 20, 500, 9
_AHEAD = 60  # as many as the panel asks for


def time_questions(folder: Path, labels: int) -> dict[str, float]:
    """Returns the seconds that each step takes after 500 answers, with so many labels."""
    dataset = make_dataset(folder / "proof", f"proof {labels}", labels // _PER_IMAGE, _PER_IMAGE)
    save_findings(dataset, KEY, read_patches(dataset, FIELD), _suspicion(labels))
    figures: dict[str, float] = {"labels": labels, "answers": _ANSWERS}
    for what, target in (("an audit", None), ("a target", 0.95)):
        figures[f"{what} begins, s"] = _seconds(partial(begin_audit, dataset, KEY, target=target))
        audit = current_audit(dataset, KEY)
        assert audit is not None
        _answer(dataset, audit)
        ask = partial(next_questions, dataset, KEY, _AHEAD, "bench")
        taken = [_seconds(ask) for _ in range(_TRIES)]
        figures[f"next question of {what}, s"] = round(float(np.median(taken)), 3)
    fo.delete_dataset(dataset.name)
    return figures


def _seconds(step: Callable[[], Any]) -> float:
    start = time.perf_counter()
    step()
    return round(time.perf_counter() - start, 3)


def _answer(dataset: fo.Dataset, audit: Audit) -> None:
    rows = audit.order[:_ANSWERS]
    labels = zip(hex_ids(audit.sample_ids[rows]), hex_ids(audit.ids[rows]), rows, strict=True)
    rng = np.random.default_rng(1)
    answers = [
        Answer(
            sample, id_, audit.class_of(row),
            "not an object" if rng.random() < audit.guesses[row] else "right",
        )
        for sample, id_, row in labels
    ]  # fmt: skip
    give_answers(dataset, FIELD, answers, "bench")


def _suspicion(n: int) -> Suspicion:
    rng = np.random.default_rng(1)
    kinds = np.zeros((n, len(KINDS)), dtype=np.float32)
    kinds[:, RIGHT] = 1 - rng.beta(0.1, 0.9, n)
    kinds[:, RIGHT - 1] = 1 - kinds[:, RIGHT]
    none = np.full(n, -1, dtype=np.int32)
    return Suspicion(
        kinds,
        np.ones(len(KINDS), dtype=bool),
        np.ones(n, dtype=bool),
        np.tile(none[:, None], 3),
        np.full(n, np.nan, dtype=np.float32),
        none,
        np.zeros(n, dtype=np.float32),
        np.full((n, 4), np.nan, dtype=np.float32),
        none,
        rng.integers(0, n, (n, 10), dtype=np.int32),
        np.tile(none[:, None], 5),
        np.zeros((n, 20), dtype=np.float32),
        8,
        True,
    )
