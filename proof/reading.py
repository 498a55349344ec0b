"""The answers on an audit's labels that there are now.

They are read from the labels themselves, in the audit's random order, whoever answered and
wherever: so an answer that is taken back is open again, two reviewers at once do no harm, and an
audit goes on after a restart. Answers that the queue asked for do not come forward: they wait for
their turn, as nothing but chance may choose.

A label that somebody edits or deletes before its turn, and one that a reviewer skips, is not known.
Answers are kept with the audit too, for labels that are deleted after they were answered.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import fiftyone as fo
import numpy as np
from numpy.typing import NDArray

from ..dataset.documents import hex_ids, pair_keys, read_labels
from ..dataset.storage import locate
from ..review.known import read_documents
from ..review.verdicts import FOUND_WRONG, RIGHT, SKIPPED, VERDICTS
from .audits import Audit, keep_answers, kept_answers

_READ_AT_ONCE = 200
_READ = ("label", "review", "reviewed_at", "reviewed_by")


@dataclass(frozen=True)
class Given:
    """What is known of a label that was drawn.

    Attributes:
        row: of the audit
        wrong: whether it was wrong when the audit began, None where that cannot be known
        by, at: who answered, and when; None for a label that was edited or deleted
        there: whether it can still be shown
    """

    row: int
    wrong: bool | None
    by: str | None
    at: datetime | None
    there: bool


class Reading:
    """The answers on the first labels of an audit's order, and the labels that wait for one.

    Attributes:
        given: what is known of the first labels of the order, up to one that waits
        open: (k,) rows of labels that wait, as many as were wanted
        seconds: the second answers that are kept with the audit, by row
    """

    def __init__(self, dataset: fo.Dataset, audit: Audit, ahead: int) -> None:
        self.given: list[Given] = []
        waiting: list[int] = []
        storage = locate(dataset, audit.field)
        path = storage.label_root(storage.local(audit.field))
        kept, self.seconds = kept_answers(dataset, audit.id)
        fresh: dict[int, dict[str, Any] | None] = {}
        start, step = 0, max(_READ_AT_ONCE, len(kept) + ahead)
        while start < len(audit.order) and (not waiting or len(waiting) < ahead):
            rows = audit.order[start : start + step]
            samples, ids = hex_ids(audit.sample_ids[rows]), hex_ids(audit.ids[rows])
            pairs = list(zip(samples, ids, strict=True))
            documents = read_documents(storage, path, pairs, _READ)
            for row, pair in zip(rows.tolist(), pairs, strict=True):
                label = documents.get(pair)
                answer = _answer(audit, row, label, kept.get(row))
                if answer is None:
                    waiting.append(row)
                    if row in kept:  # it was taken back
                        fresh[row] = None
                    continue
                if answer["by"] is not None and kept.get(row) != answer:
                    fresh[row] = answer
                if not waiting:
                    wrong, by, at = answer["wrong"], answer["by"], answer.get("at")
                    self.given.append(Given(row, wrong, by, at, label is not None))
            start, step = start + step, 2 * step
        self.open = np.array(waiting[:ahead], dtype=np.int32)
        keep_answers(dataset, audit.id, fresh)

    @property
    def rows(self) -> NDArray[np.int64]:
        """(n,) the labels that were drawn, in their order."""
        return np.array([one.row for one in self.given], dtype=np.int64)

    @property
    def wrong(self) -> NDArray[np.float64]:
        """(n,) 1 for wrong, 0 for right, NaN where it is not known."""
        return np.array([np.nan if one.wrong is None else one.wrong for one in self.given], float)

    @property
    def reviewers(self) -> dict[str, int]:
        """How many answers each gave."""
        found: dict[str, int] = {}
        for one in self.given:
            if one.by is not None:
                found[one.by] = found.get(one.by, 0) + 1
        return found


@dataclass(frozen=True)
class Judged:
    """What became of an audit's labels since it began, by the keys of their samples and their own.

    Attributes:
        wrong: those that a reviewer found wrong, whether or not they are still there
        edited: those that have another class, but for those that a reviewer found wrong
    """

    wrong: set[tuple[bytes, bytes]]
    edited: set[tuple[bytes, bytes]]


def read_judged(dataset: fo.Dataset, audit: Audit) -> Judged:
    """Reads what became of all labels of an audit, whatever their place in the order."""
    storage = locate(dataset, audit.field)
    root, listed = storage.label_root(storage.local(audit.field))
    samples, ids, values = read_labels(storage.documents, [], root, not listed, _READ)
    row_of = {key: row for row, key in enumerate(pair_keys(audit.sample_ids, audit.ids))}
    judged = Judged(set(), set())
    for key, value in zip(pair_keys(samples, ids), values, strict=True):
        if (row := row_of.pop(key, None)) is None:
            continue
        label = dict(zip(_READ, value, strict=True))
        answer = _answer(audit, row, label, None)
        if answer is None:
            continue
        if answer["wrong"]:
            judged.wrong.add(key)
        elif label["label"] != audit.class_of(row):
            judged.edited.add(key)
    kept, _ = kept_answers(dataset, audit.id)
    # what is left are labels that are not there any more
    judged.wrong.update(key for key, row in row_of.items() if kept.get(row, {}).get("wrong"))
    return judged


def _answer(
    audit: Audit, row: int, label: dict[str, Any] | None, kept: dict[str, Any] | None
) -> dict[str, Any] | None:
    """Returns what is known of a label: whether it was ``wrong`` when the audit began, None where
    that cannot be known any more, ``by`` whom and ``at`` what time; None where it waits."""
    if label is None:
        return kept or {"wrong": None, "by": None}
    verdict, moment = label.get("review"), label.get("reviewed_at")
    same = label.get("label") == audit.class_of(row)
    if verdict not in VERDICTS or moment is None or moment < audit.at.replace(microsecond=0):
        return None if same else {"wrong": None, "by": None}  # edited by hand
    by = str(label.get("reviewed_by") or "unknown")
    if verdict == RIGHT and not same:
        # the other class came after the answer where that was read before; else it may be about it
        if kept is not None and (kept["by"], kept.get("at")) == (by, moment):
            return kept
        verdict = SKIPPED
    wrong = None if verdict == SKIPPED else verdict in FOUND_WRONG
    return {"wrong": wrong, "by": by, "at": moment}
