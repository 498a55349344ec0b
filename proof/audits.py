"""Audits: a random sample of the labels is asked for, and says how many of all are wrong.

Its labels, the guess for each and the random order in which they are asked stand in the database
before the first question. What was answered is read from the labels themselves, in that order,
whoever answered and wherever: so an answer that is taken back is open again, two reviewers at once
do no harm, and an audit goes on after a restart. Answers that the queue asked for do not come
forward: they wait for their turn, as nothing but chance may choose.

A label that somebody edits or deletes before its turn, and one that a reviewer skips, is not known:
the bounds hold whatever it was. Answers are kept with the audit too, for labels that are deleted
after they were answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from numbers import Real
from typing import Any

import fiftyone as fo
import numpy as np
from bson import ObjectId
from fiftyone.operators.store import ExecutionStore
from numpy.typing import NDArray

from ..autolabel.runs import RUN_ATTRIBUTE
from ..core.checks import check_number
from ..core.errors import InvalidParameter, UnknownRun
from ..core.sentences import count
from ..core.user import current_user
from ..dataset.brain_runs import run_field
from ..dataset.documents import Ids, byte_keys, collection_named, hex_ids, now, read_labels
from ..dataset.memory import Memory
from ..dataset.records import delete_tensors, read_tensors, write_tensors
from ..dataset.states import state_of
from ..dataset.storage import locate
from ..issues.findings import Findings, load_findings
from ..review.answers import NOT_AN_OBJECT, RIGHT, SKIPPED, VERDICTS, WRONG_CLASS, read_documents
from ..review.queue import Item, read_items
from .bounds import Bounds, Draws, Population
from .targets import NestedSets, Proof

_STORE, _BUCKET = "labelvet_audits", "labelvet_audits"
_KEPT_BYTES = 128 * 2**20
_READ_AT_ONCE = 200
_CONFIDENCE = 0.95
_OF_A_CLASS = 20
_ERRS = 0.05  # of the answers may be wrong, for the sentence that says what that does


@dataclass(frozen=True, eq=False)
class Audit:
    """What is asked, in which order: all of it was fixed before the first question.

    Attributes:
        id: names it
        field: of the labels, as the dataset calls it
        brain_key: the visualization whose label issues guessed what is wrong
        by, at: who began it, and when
        confidence: how sure the bounds are to hold
        sample_ids, ids: (N, 12) the labels that may be wrong, the least suspicious first
        codes: (N,) the class of each at that time
        classes: their names
        guesses: (N,) the probability that each is wrong
        order: (m,) rows in the order in which they are asked
        sure: how many labels of the field were known to be right
        target: the share that should be right, for an audit that looks for the largest such set;
            None for one of all labels
        run: the auto labeling run whose labels are approved to the target, None for all
    """

    id: str
    field: str
    brain_key: str
    by: str
    at: datetime
    confidence: float
    sample_ids: Ids
    ids: Ids
    codes: NDArray[np.int32]
    classes: tuple[str, ...]
    guesses: NDArray[np.float32]
    order: NDArray[np.int32]
    sure: int
    target: float | None
    run: str | None
    population: Population

    @cached_property
    def sets(self) -> NestedSets:
        """The sets that are tested for the target."""
        return NestedSets(self.guesses, self.target if self.target is not None else 0.5)

    def class_of(self, row: int) -> str | None:
        """Returns the class that a label had when the audit began."""
        code = int(self.codes[row])
        return self.classes[code] if code >= 0 else None


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
class Result:
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
        target, confidence: of the audit
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

    @property
    def notes(self) -> list[str]:
        """What else a reviewer may want to know: each class, and what wrong answers would do."""
        if not self.answers or self.proof is not None:
            return []
        low, high = self.widened(_ERRS)
        return [
            *(
                f"{one.label}: {percent(one.bounds.estimate / one.labels)} of "
                f"{count(one.labels, 'label')} are wrong, {percent(one.bounds.low / one.labels)} "
                f"to {percent(one.bounds.high / one.labels)}, after {one.answers:,} answers."
                for one in self.classes
            ),
            f"Answers are taken as the truth. If up to {_ERRS:.0%} of them are wrong, it is "
            f"{percent(low)} to {percent(high)}.",
        ]

    @property
    def sentence(self) -> str:
        """One sentence or two for the reviewer."""
        if self.proof is not None and self.target is not None:
            return _of_target(self, self.proof, self.target)
        n, bounds = self.labels, self.bounds
        if not self.answers:
            return (
                f"Audit of {count(n, 'label')}: a random sample says how many are wrong. Answer "
                "as in the queue, and stop whenever you like."
            )
        said = (
            f"{percent(bounds.estimate / n)} of {count(n, 'label')} are wrong, "
            f"{percent(bounds.low / n)} to {percent(bounds.high / n)} ({self.confidence:.0%}), "
            f"after {count(self.answers, 'answer')}"
        )
        more = f"; {self.more:,} more would halve the interval." if self.more else "."
        rest = (
            f" {count(self.unknown, 'label')} of the sample {'is' if self.unknown == 1 else 'are'} "
            "not known (skipped, edited or deleted before being asked): the interval allows for "
            "both."
            if self.unknown
            else ""
        )
        return said + more + rest

    def widened(self, errs: float) -> tuple[float, float]:
        """Returns the shares between which the truth is if up to a share of the answers, had all
        labels been answered, would be wrong."""
        low, high = (end / max(self.labels, 1) for end in (self.bounds.low, self.bounds.high))
        return max(0.0, low - errs), min(1.0, high + errs)


@dataclass(frozen=True)
class Questions:
    """What an audit asks next.

    Attributes:
        items: the labels, in the order in which they are asked
        result: what it says so far
        classes: the names of all classes
    """

    items: list[Item]
    result: Result
    classes: tuple[str, ...]


def _of_target(result: Result, proof: Proof, target: float) -> str:
    goal = f"{100 * target:g} % right ({result.confidence:.0%} confidence)"
    after = f"after {count(result.answers, 'answer')}, {result.found:,} of them wrong"
    if proof.size:
        said = f"Proven: the {proof.size:,} least suspicious labels are at least {goal}, {after}."
        if proof.next_size:
            said += f" The next {proof.next_size:,} are {proof.evidence:.0%} of the way."
        return said
    if not result.answers:
        return (
            f"To prove which labels are at least {goal}, a random sample of the least suspicious "
            "is asked for. Answer as in the queue; you may look and stop whenever you like."
        )
    if not result.waiting:
        return (
            f"No set of these labels is at least {goal}, {after}, and nothing is left to ask: "
            "lower the target, or find label issues again with another field to ask."
        )
    said = (
        f"Nothing is proven to be at least {goal} yet, {after}: the first {proof.next_size:,} "
        f"labels are {proof.evidence:.0%} of the way."
    )
    if result.found > 2 * (1 - target) * result.answers and result.answers >= _OF_A_CLASS:
        said += " So many are wrong that a lower target, or better label issues, would help more."
    return said


def percent(share: float) -> str:
    """Returns a share as a person reads it."""
    return f"{100 * share:.1f} %"


def begin_audit(
    dataset: fo.Dataset,
    brain_key: str,
    confidence: float = _CONFIDENCE,
    by: str | None = None,
    seed: int | None = None,
    target: float | None = None,
    run: str | None = None,
) -> Audit:
    """Begins an audit of the labels of a visualization, in place of the one before.

    Labels that a reviewer found right, or gave another class, are known to be right and not asked;
    those that are rejected do not count: they are on their way out. With a target those that can be
    approved are asked for, as far as they may belong to a set that meets it.

    Args:
        dataset: the dataset
        brain_key: a visualization whose labels were judged
        confidence: how sure the bounds are to hold, in [0.5, 0.999]
        by: who begins it; by default the user of this process
        seed: of the random order; by default nobody knows it
        target: the share that should be right, in [0.5, 0.999], to look for the largest such set
        run: with a target, the auto labeling run whose labels are approved, None for all

    Raises:
        UnknownRun: if label issues were not looked for yet
        InvalidParameter: if nothing is left to ask, or a number is not valid
    """
    _check_percent("The confidence", confidence)
    if target is not None and target == 1:
        raise InvalidParameter(
            "No sample can prove that all labels are right: choose a target below 100 %, or answer "
            "for every label."
        )
    if target is not None:
        _check_percent("The target", target)
    findings = load_findings(dataset, brain_key)
    if findings is None:
        raise UnknownRun(
            f"Label issues of '{brain_key}' were not looked for yet: run Find label issues first, "
            "an audit uses what they know."
        )
    rows, sure = _left(dataset, findings, target is not None, run)
    if not len(rows):
        raise InvalidParameter(
            "There is nothing to audit: every label of this run has an answer, or was changed "
            "since label issues were found."
        )
    suspicion = findings.found.suspicion[rows]
    rows = rows[np.argsort(suspicion, kind="stable")]
    guesses = findings.found.suspicion[rows]
    asked = len(rows) if target is None else NestedSets(guesses, target).sizes[-1]
    order = np.random.default_rng(seed).permutation(asked).astype(np.int32)
    arrays: dict[str, NDArray[Any]] = {
        "sample_ids": findings.sample_ids[rows],
        "ids": findings.ids[rows],
        "codes": findings.codes[rows],
        "guesses": guesses,
        "order": order,
    }
    _drop_orphans()
    id_ = ObjectId()
    write_tensors(_BUCKET, id_, arrays, {"dataset": dataset._doc.id})
    for old in _records(dataset, {"brain_key": brain_key}):
        _update(dataset, old["id"], {"$set": {"value.closed": True}})
    record: dict[str, Any] = {
        "id": str(id_),
        "field": run_field(dataset, brain_key),
        "brain_key": brain_key,
        "by": by or current_user(),
        "at": now(),
        "confidence": float(confidence),
        "classes": list(findings.classes),
        "sure": sure,
        "target": target,
        "run": run,
        "closed": False,
        "answers": {},
    }
    _store(dataset).set(str(id_), record)
    return _audit(record, arrays)


def judged_run(dataset: fo.Dataset, field: str) -> str:
    """Returns the brain key of a field's newest visualization whose labels were judged.

    Raises:
        UnknownRun: if there is none
    """
    for key in reversed(dataset.list_brain_runs(type="visualization")):
        if run_field(dataset, key) == field and load_findings(dataset, key) is not None:
            return str(key)
    raise UnknownRun(
        f"A target needs label issues of '{field}': compute its visualization, and run Find label "
        "issues."
    )


def current_audit(dataset: fo.Dataset, brain_key: str) -> Audit | None:
    """Returns the audit of a visualization that was begun last, None where there is none."""
    return _load(dataset, {"brain_key": brain_key})


def list_audits(dataset: fo.Dataset, brain_key: str) -> list[Audit]:
    """Lists all audits of a visualization, the newest first, those that others replaced too."""
    records = _records(dataset, {"brain_key": brain_key}, closed=True)
    return [audit for record in records if (audit := _read(dataset, record)) is not None]


def current_target(dataset: fo.Dataset, field: str, run: str | None) -> Audit | None:
    """Returns the audit that looks for a set of some candidates, None where none goes on."""
    return _load(dataset, {"field": field, "run": run, "target": {"$ne": None}})


def _load(dataset: fo.Dataset, which: dict[str, Any]) -> Audit | None:
    record = next(iter(_records(dataset, which)), None)
    return None if record is None else _read(dataset, record)


def _read(dataset: fo.Dataset, record: dict[str, Any]) -> Audit | None:
    kept_as = (dataset._sample_collection_name, record["id"])
    if (known := _kept.find(kept_as)) is not None:
        return known
    content = read_tensors(_BUCKET, ObjectId(record["id"]))
    if content is None:
        return None
    audit = _audit(record, content[0])
    _kept.put(kept_as, audit)
    return audit


def read_result(dataset: fo.Dataset, audit: Audit, ahead: int = 0) -> Result:
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
    return Result(
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
    rows = findings.rows_of(audit.ids[result.open])
    suspicion = findings.found.suspicion
    flagged = np.zeros(len(findings), dtype=bool)
    items, _ = read_items(dataset, findings, rows[rows >= 0], suspicion, flagged, count)
    return Questions(items, result, findings.classes)


@dataclass(frozen=True)
class Judged:
    """What became of an audit's labels since it began, by the bytes of their ids.

    Attributes:
        wrong: those that a reviewer found wrong
        edited: those that have another class without a reviewer's word
    """

    wrong: set[bytes]
    edited: set[bytes]


def read_judged(dataset: fo.Dataset, audit: Audit) -> Judged:
    """Reads what became of all labels of an audit, whatever their place in the order."""
    storage = locate(dataset, audit.field)
    root, listed = storage.label_root(storage.local(audit.field))
    columns = {
        name: read_labels(storage.documents, [], root, not listed, name)
        for name in ("label", "review", "reviewed_at", "reviewed_by")
    }
    row_of = {key: row for row, key in enumerate(byte_keys(audit.ids))}
    judged = Judged(set(), set())
    values = zip(*(columns[name][1] for name in columns), strict=True)
    for key, value in zip(byte_keys(columns["label"][0]), values, strict=True):
        if (row := row_of.get(key)) is None:
            continue
        answer = _answer(audit, row, dict(zip(columns, value, strict=True)), None)
        if answer is None:
            continue
        if answer["by"] is None:
            judged.edited.add(key)
        elif answer["wrong"]:
            judged.wrong.add(key)
    return judged


def keep_basket(dataset: fo.Dataset, audit: Audit, digest: str, sentence: str) -> None:
    """Keeps with an audit which labels it put into the basket, and what is proven of them."""
    basket = {"digest": digest, "sentence": sentence}
    _update(dataset, audit.id, {"$set": {"value.basket": basket}})


def kept_basket(dataset: fo.Dataset, field: str, run: str | None) -> dict[str, str] | None:
    """Returns what :func:`keep_basket` kept last of some candidates, None for nothing."""
    query = {
        "store_name": _STORE,
        "dataset_id": dataset._doc.id,
        "value.field": field,
        "value.run": run,
        "value.basket": {"$exists": True},
    }
    found = collection_named("execution_store").find(query, {"value.basket": 1, "value.at": 1})
    last = next(iter(found.sort([("value.at", -1), ("_id", -1)]).limit(1)), None)
    return None if last is None else dict(last["value"]["basket"])


class _Reading:
    """The answers on the first labels of an audit's order, and the labels that wait for one."""

    def __init__(self, dataset: fo.Dataset, audit: Audit, ahead: int) -> None:
        self.wrong: list[float] = []
        self.open: list[int] = []
        self.reviewers: dict[str, int] = {}
        storage = locate(dataset, audit.field)
        root, listed = storage.label_root(storage.local(audit.field))
        recorded = (_store(dataset).get(audit.id) or {}).get("answers") or {}
        fresh: dict[str, Any] = {}
        start, step = 0, max(_READ_AT_ONCE, len(recorded) + ahead)
        while start < len(audit.order) and (not self.open or len(self.open) < ahead):
            rows = audit.order[start : start + step]
            pairs = zip(hex_ids(audit.sample_ids[rows]), hex_ids(audit.ids[rows]), strict=True)
            labels = list(pairs)
            documents = read_documents(storage, root, listed, labels)
            for row, (_, id_) in zip(rows.tolist(), labels, strict=True):
                answer = _answer(audit, row, documents.get(id_), recorded.get(id_))
                if answer is None:
                    self.open.append(row)
                    continue
                if answer["by"] is not None and recorded.get(id_) != answer:
                    fresh[f"value.answers.{id_}"] = answer
                if not self.open:
                    known = answer["wrong"]
                    self.wrong.append(np.nan if known is None else float(known))
                    if answer["by"] is not None:
                        by = answer["by"]
                        self.reviewers[by] = self.reviewers.get(by, 0) + 1
            start, step = start + step, 2 * step
        self.open = self.open[:ahead]
        if fresh:
            _update(dataset, audit.id, {"$set": fresh})


def _answer(
    audit: Audit, row: int, label: dict[str, Any] | None, recorded: dict[str, Any] | None
) -> dict[str, Any] | None:
    """Returns what is known of a label: whether it was ``wrong`` when the audit began, None where
    that cannot be known any more, and ``by`` whom; None where it waits for an answer."""
    if label is None:
        return recorded or {"wrong": None, "by": None}
    verdict, moment = label.get("review"), label.get("reviewed_at")
    same = label.get("label") == audit.class_of(row)
    if verdict not in VERDICTS or moment is None or moment < audit.at.replace(microsecond=0):
        return None if same else {"wrong": None, "by": None}  # edited by hand
    by = str(label.get("reviewed_by") or "unknown")
    if verdict == SKIPPED:
        return {"wrong": None, "by": by}
    # what was given another class since may well be right by now
    return {"wrong": verdict in (WRONG_CLASS, NOT_AN_OBJECT) or not same, "by": by}


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


def _check_percent(what: str, share: Any) -> None:
    number = isinstance(share, Real) and not isinstance(share, bool)
    check_number(
        f"{what}, in percent,", round(100 * float(share), 6) if number else share, 50, 99.9
    )


def _left(
    dataset: fo.Dataset, findings: Findings, approvable: bool, run: str | None
) -> tuple[NDArray[np.int64], int]:
    """Returns the rows of the labels that may be wrong, and how many are known to be right.

    Args:
        dataset: the dataset
        findings: what was found of its labels
        approvable: whether none but those that can be approved
        run: none but those of an auto labeling run, None for all
    """
    storage = locate(dataset, findings.patches_field)
    root, listed = storage.label_root(storage.local(findings.patches_field))
    columns = {
        name: read_labels(storage.documents, [], root, not listed, name)
        for name in ("label", "review", "tags", RUN_ATTRIBUTE)
    }
    ids = columns["label"][0]
    there = findings.rows_of(ids)
    rows, sure = [], 0
    values = zip(there.tolist(), *(columns[name][1] for name in columns), strict=True)
    for row, label, verdict, tags, run_name in values:
        state = state_of(tags)
        if row < 0 or state == "rejected" or (run is not None and run_name != run):
            continue
        if approvable and state in ("approved", "flagged"):
            continue
        if verdict in (RIGHT, WRONG_CLASS) and state != "flagged":
            sure += 1
        elif label == findings.class_named(int(findings.codes[row])):
            rows.append(row)
    return np.array(rows, dtype=np.int64), sure


def _audit(record: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Audit:
    return Audit(
        record["id"],
        record["field"],
        record["brain_key"],
        record["by"],
        record["at"],
        record["confidence"],
        classes=tuple(record["classes"]),
        sure=record["sure"],
        target=record["target"],
        run=record["run"],
        population=Population(arrays["guesses"]),
        **arrays,
    )


def _records(
    dataset: fo.Dataset, which: dict[str, Any], closed: bool = False
) -> list[dict[str, Any]]:
    """The records of audits that are like that, the newest first: of those that go on, or all."""
    query = {
        "store_name": _STORE,
        "dataset_id": dataset._doc.id,
        **({} if closed else {"value.closed": False}),
        **{f"value.{name}": value for name, value in which.items()},
    }
    found = collection_named("execution_store").find(query, {"value.answers": 0})
    return [document["value"] for document in found.sort([("value.at", -1), ("_id", -1)])]


def _update(dataset: fo.Dataset, audit: str, update: dict[str, Any]) -> None:
    record = {"store_name": _STORE, "dataset_id": dataset._doc.id, "key": audit}
    collection_named("execution_store").update_one(record, update)


def _store(dataset: fo.Dataset) -> ExecutionStore:
    return ExecutionStore.create(_STORE, dataset_id=dataset._doc.id)


def _drop_orphans() -> None:
    """Drops what is kept of datasets that do not exist any more."""
    files = collection_named(f"{_BUCKET}.files")
    alive = set(collection_named("datasets").distinct("_id"))
    gone = [dataset for dataset in files.distinct("metadata.dataset") if dataset not in alive]
    for file in files.find({"metadata.dataset": {"$in": gone}}):
        delete_tensors(_BUCKET, ObjectId(file["filename"]))


_kept: Memory[Audit] = Memory(_KEPT_BYTES, lambda audit: 44 * len(audit.ids))
