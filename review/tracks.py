"""One answer for all labels of a track that the same is asked of: the frames of a video that show
one thing are asked about once, see :attr:`labelvet.issues.findings.Findings.questions`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import fiftyone as fo
import numpy as np

from ..dataset.documents import hex_ids, parse_ids
from ..dataset.storage import locate
from ..issues.findings import load_findings
from .known import is_answered, read_documents
from .verdicts import BADLY_PLACED, Answer


def with_tracks(dataset: fo.Dataset, brain_key: str, answers: Sequence[Answer]) -> list[Answer]:
    """Adds to answers those for the labels of the same tracks that the same is asked of, as far as
    nobody has answered for them. A box is for its own label alone.

    Args:
        dataset: the dataset
        brain_key: the visualization whose labels were judged
        answers: one for each label that a reviewer saw

    Returns:
        the answers, and after them the others
    """
    kept = load_findings(dataset, brain_key)
    questions = None if kept is None else kept.questions
    given = [one for one in answers if one.verdict != BADLY_PLACED]
    if kept is None or questions is None or not given:
        return list(answers)
    storage = locate(dataset, kept.patches_field)
    path = storage.label_root(storage.local(kept.patches_field))
    samples, ids = (
        parse_ids([getattr(one, name) for one in given]) for name in ("sample_id", "label_id")
    )
    asked: list[tuple[Answer, tuple[str, str]]] = []
    for one, row in zip(given, kept.rows_of(samples, ids).tolist(), strict=True):
        if row < 0:
            continue
        rows = np.flatnonzero(questions == questions[row])
        pairs = zip(hex_ids(kept.sample_ids[rows]), hex_ids(kept.ids[rows]), strict=True)
        asked += ((one, pair) for pair in pairs)
    labels = read_documents(storage, path, [pair for _, pair in asked], ("label", "tags", "review"))
    seen = {(one.sample_id, one.label_id) for one in answers}
    more: list[Answer] = []
    for one, pair in asked:
        label = labels.get(pair)
        if label is None or pair in seen or label.get("label") != one.seen or is_answered(label):
            continue
        sample_id, label_id = pair
        same = replace(one, sample_id=sample_id, label_id=label_id)
        more.append(replace(same, box=None, seen_box=None))
        seen.add(pair)
    return [*answers, *more]
