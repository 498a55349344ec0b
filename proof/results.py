"""What an audit says, by the answers that there are now.

What was answered is read from the labels themselves, in the audit's random order, whoever answered
and wherever: so an answer that is taken back is open again, two reviewers at once do no harm, and
an audit goes on after a restart. Answers that the queue asked for do not come forward: they wait
for their turn, as nothing but chance may choose.

A label that somebody edits or deletes before its turn, and one that a reviewer skips, is not known:
the bounds hold whatever it was. Answers are kept with the audit too, for labels that are deleted
after they were answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import fiftyone as fo
import numpy as np
from numpy.typing import NDArray

from ..core.sentences import count
from ..dataset.documents import hex_ids, pair_keys, read_labels
from ..dataset.storage import locate
from ..issues.findings import load_findings
from ..review.answers import FOUND_WRONG, SKIPPED, VERDICTS, read_documents
from ..review.queue import Item, read_items
from .audits import Audit, current_audit, keep_answers, kept_answers
from .bounds import Bounds, Draws, Population
from .nested_sets import Proof

_READ_AT_ONCE = 200
_OF_A_CLASS = 20
_ERRS = 0.05  # of the answers may be wrong, where it is said what that does


@dataclass(frozen=True)
class ClassBounds:
    """How many labels of a class are wrong; of each class alone, with the audit's confidence.

    Attributes:
        label: the class
        labels: how many there are
        answers: how many of them were answered
    """

    label: str | None
    labels: int
    answers: int
    bounds: Bounds


@dataclass(frozen=True, eq=False)
class AuditResult:
    """What an audit says so far.

    Attributes:
        labels: how many labels it is about
        answers: how many answers count so far
        found: how many of them said wrong
        unknown: how many were skipped, edited or deleted before their turn
        bounds: how many labels are wrong, or were before they were answered
        classes: the same of the classes that have answers enough, the most frequent first
        open: rows that are asked next, as many as were wanted
        waiting: how many labels of the random order have no answer that counts yet
        reviewers: how many answers each gave
        proof: what is proven of the target, None for an audit without one
        more: how many answers more would halve the interval
        target, confidence, brain_key: of the audit
    """

    labels: int
    answers: int
    found: int
    unknown: int
    bounds: Bounds
    classes: tuple[ClassBounds, ...]
    open: NDArray[np.int32]
    waiting: int
    reviewers: dict[str, int]
    proof: Proof | None
    target: float | None
    more: int
    confidence: float
    brain_key: str

    @property
    def notes(self) -> list[str]:
        """What else a reviewer may want to know: each class, and what wrong answers would do."""
        if not self.answers or self.proof is not None:
            return []
        return [
            *(
                f"{one.label}: {percent(one.bounds.estimate / one.labels)} of "
                f"{count(one.labels, 'label')} {_are(one.labels)} wrong, "
                f"{percent(one.bounds.low / one.labels)} to "
                f"{percent(one.bounds.high / one.labels)}, after {count(one.answers, 'answer')}."
                for one in self.classes
            ),
            f"Answers are taken as the truth. If up to {_ERRS:.0%} of them are wrong, it is "
            f"{self.if_some_err}.",
        ]

    @property
    def sentence(self) -> str:
        """One sentence or two for the reviewer."""
        if self.proof is not None and self.target is not None:
            return _of_target(self, self.proof, self.target)
        n, bounds = self.labels, self.bounds
        if not self.answers:
            return (
                f"Audit of {count(n, 'label')}: answer a random sample to see how many are wrong. "
                "The keys are those of the review, and you can stop at any time."
            )
        said = (
            f"{percent(bounds.estimate / n)} of {count(n, 'label')} {_are(n)} wrong, "
            f"{percent(bounds.low / n)} to {percent(bounds.high / n)} ({self.confidence:.0%}), "
            f"after {count(self.answers, 'answer')}"
        )
        more = f"; {self.more:,} more would halve the interval." if self.more else "."
        rest = (
            f" For {count(self.unknown, 'label')} of the sample there is no answer (skipped, "
            "edited or deleted first); the interval allows for right and wrong."
            if self.unknown
            else ""
        )
        return said + more + rest

    @property
    def if_some_err(self) -> str:
        """Between which shares the truth is if up to 5% of the answers, had all labels been
        answered, would be wrong."""
        low, high = (end / max(self.labels, 1) for end in (self.bounds.low, self.bounds.high))
        return f"{percent(max(0.0, low - _ERRS))} to {percent(min(1.0, high + _ERRS))}"


@dataclass(frozen=True)
class Questions:
    """What an audit asks next.

    Attributes:
        items: the labels, in the order in which they are asked
        result: what it says so far
        classes: the names of all classes
    """

    items: list[Item]
    result: AuditResult
    classes: tuple[str, ...]


def percent(share: float) -> str:
    """Returns a share as a person reads it."""
    return f"{100 * share:.1f}%"


def read_result(dataset: fo.Dataset, audit: Audit, ahead: int = 0) -> AuditResult:
    """Reads what an audit says by the answers that there are now.

    Args:
        dataset: the dataset
        audit: the audit
        ahead: how many labels that wait for an answer are wanted
    """
    read = _Reading(dataset, audit, ahead)
    rows, wrong = audit.order[: len(read.wrong)].astype(np.int64), np.array(read.wrong)
    error = 1 - audit.confidence
    proof = None
    if audit.target is None:
        bounds = Draws(audit.population, rows, wrong).bounds(error)
    else:  # what is asked for is no sample of all of them
        bounds = Bounds(0, 0.0, len(audit.ids))
        proof = audit.sets.prove(rows, wrong, audit.confidence)
    size = len(audit.ids)
    n = len(rows)
    # the width goes with the root of 1/n - 1/N
    quarter = (1 / n - 1 / size) / 4 + 1 / size if n else 1.0
    return AuditResult(
        size + audit.sure,
        n,
        int(np.nansum(wrong)),
        int(np.isnan(wrong).sum()),
        bounds,
        tuple(_of_classes(audit, rows, wrong, error)) if proof is None else (),
        np.array(read.open, dtype=np.int32),
        len(audit.order) - n,
        read.reviewers,
        proof,
        audit.target,
        max(0, int(np.ceil(1 / quarter)) - n) if n else 0,
        audit.confidence,
        audit.brain_key,
    )


def next_questions(dataset: fo.Dataset, brain_key: str, count: int) -> Questions | None:
    """Returns what an audit asks next, and what it says so far.

    Returns:
        the :class:`Questions`, None where no audit goes on
    """
    audit, findings = current_audit(dataset, brain_key), load_findings(dataset, brain_key)
    if audit is None or findings is None:
        return None
    result = read_result(dataset, audit, count)
    rows = findings.rows_of(audit.sample_ids[result.open], audit.ids[result.open])
    suspicion = findings.found.suspicion
    flagged = np.zeros(len(findings), dtype=bool)
    items, _ = read_items(dataset, findings, rows[rows >= 0], suspicion, flagged, count)
    return Questions(items, result, findings.classes)


@dataclass(frozen=True)
class Judged:
    """What became of an audit's labels since it began, by the keys of their samples and their own.

    Attributes:
        wrong: those that a reviewer found wrong
        edited: those that have another class without a reviewer's word
    """

    wrong: set[tuple[bytes, bytes]]
    edited: set[tuple[bytes, bytes]]


def read_judged(dataset: fo.Dataset, audit: Audit) -> Judged:
    """Reads what became of all labels of an audit, whatever their place in the order."""
    storage = locate(dataset, audit.field)
    root, listed = storage.label_root(storage.local(audit.field))
    names = ("label", "review", "reviewed_at", "reviewed_by")
    samples, ids, values = read_labels(storage.documents, [], root, not listed, names)
    row_of = {key: row for row, key in enumerate(pair_keys(audit.sample_ids, audit.ids))}
    judged = Judged(set(), set())
    for key, value in zip(pair_keys(samples, ids), values, strict=True):
        if (row := row_of.get(key)) is None:
            continue
        answer = _answer(audit, row, dict(zip(names, value, strict=True)), None)
        if answer is None:
            continue
        if answer["by"] is None:
            judged.edited.add(key)
        elif answer["wrong"]:
            judged.wrong.add(key)
    return judged


class _Reading:
    """The answers on the first labels of an audit's order, and the labels that wait for one."""

    def __init__(self, dataset: fo.Dataset, audit: Audit, ahead: int) -> None:
        self.wrong: list[float] = []
        self.open: list[int] = []
        self.reviewers: dict[str, int] = {}
        storage = locate(dataset, audit.field)
        root, listed = storage.label_root(storage.local(audit.field))
        kept = kept_answers(dataset, audit)
        fresh: dict[int, dict[str, Any]] = {}
        start, step = 0, max(_READ_AT_ONCE, len(kept) + ahead)
        while start < len(audit.order) and (not self.open or len(self.open) < ahead):
            rows = audit.order[start : start + step]
            samples, ids = hex_ids(audit.sample_ids[rows]), hex_ids(audit.ids[rows])
            pairs = list(zip(samples, ids, strict=True))
            documents = read_documents(storage, root, listed, pairs)
            for row, pair in zip(rows.tolist(), pairs, strict=True):
                answer = _answer(audit, row, documents.get(pair), kept.get(row))
                if answer is None:
                    self.open.append(row)
                    continue
                if answer["by"] is not None and kept.get(row) != answer:
                    fresh[row] = answer
                if not self.open:
                    known = answer["wrong"]
                    self.wrong.append(np.nan if known is None else float(known))
                    if answer["by"] is not None:
                        by = answer["by"]
                        self.reviewers[by] = self.reviewers.get(by, 0) + 1
            start, step = start + step, 2 * step
        self.open = self.open[:ahead]
        if fresh:
            keep_answers(dataset, audit, fresh)


def _answer(
    audit: Audit, row: int, label: dict[str, Any] | None, kept: dict[str, Any] | None
) -> dict[str, Any] | None:
    """Returns what is known of a label: whether it was ``wrong`` when the audit began, None where
    that cannot be known any more, and ``by`` whom; None where it waits for an answer."""
    if label is None:
        return kept or {"wrong": None, "by": None}
    verdict, moment = label.get("review"), label.get("reviewed_at")
    same = label.get("label") == audit.class_of(row)
    if verdict not in VERDICTS or moment is None or moment < audit.at.replace(microsecond=0):
        return None if same else {"wrong": None, "by": None}  # edited by hand
    by = str(label.get("reviewed_by") or "unknown")
    if verdict == SKIPPED:
        return {"wrong": None, "by": by}
    # what was given another class since may well be right by now
    return {"wrong": verdict in FOUND_WRONG or not same, "by": by}


def _of_classes(
    audit: Audit, rows: NDArray[np.int64], wrong: NDArray[np.float64], error: float
) -> Sequence[ClassBounds]:
    codes = audit.codes[rows]
    found = []
    for code, answers in zip(*np.unique(codes, return_counts=True), strict=True):
        if answers < _OF_A_CLASS or code < 0:
            continue
        members = np.flatnonzero(audit.codes == code)
        place = np.searchsorted(members, rows[codes == code])
        drawn = Draws(Population(audit.guesses[members]), place, wrong[codes == code])
        name = audit.classes[code]
        found.append(ClassBounds(name, len(members), int(answers), drawn.bounds(error)))
    return sorted(found, key=lambda one: -one.labels)


def _are(number: int) -> str:
    return "is" if number == 1 else "are"


def _of_target(result: AuditResult, proof: Proof, target: float) -> str:
    goal = f"at least {100 * target:g}%"
    sure = f"({result.confidence:.0%} confidence)"
    after = f"after {count(result.answers, 'answer')}, {result.found:,} of them wrong"
    if proof.size:
        said = (
            f"Proven: {goal} of the {proof.size:,} least suspicious labels are right {sure}, "
            f"{after}."
        )
        if proof.next_size:
            said += f" The next {proof.next_size:,} are {proof.evidence:.0%} of the way there."
        return said
    if not result.answers:
        return (
            f"To prove which labels are {goal} right {sure}, answer a random sample of the least "
            "suspicious ones with the keys of the review; you can stop at any time."
        )
    if not result.waiting:
        return (
            f"No set of these labels is {goal} right {sure}, {after}, and nothing is left to ask: "
            "lower the target, or find label issues again with another field to compare with."
        )
    said = (
        f"Not proven yet, {after}: the first {proof.next_size:,} labels are "
        f"{proof.evidence:.0%} of the way to {goal} right {sure}."
    )
    if result.found > 2 * (1 - target) * result.answers and result.answers >= _OF_A_CLASS:
        said += " So many are wrong that a lower target, or better label issues, would help more."
    return said
