"""Audits: a random sample of the labels is asked for, and says how many of all are wrong.

Its labels, the guess for each and the random order in which they are asked stand in the database
before the first question. What they say is read by :mod:`labelvet.proof.results`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from numbers import Real
from typing import Any

import fiftyone as fo
import numpy as np
from bson import ObjectId
from numpy.typing import NDArray

from ..approval.candidates import find_candidates
from ..autolabel.runs import RUN_ATTRIBUTE
from ..core.checks import check_number, check_whole
from ..core.errors import InvalidParameter, UnknownRun
from ..core.user import current_user
from ..dataset.brain_runs import run_field
from ..dataset.changes import unique_moment
from ..dataset.documents import Ids, read_labels
from ..dataset.memory import Memory
from ..dataset.records import delete_tensors, read_tensors, write_tensors
from ..dataset.states import state_of
from ..dataset.storage import collection_named, locate
from ..dataset.stores import open_store
from ..issues.findings import Findings, load_findings
from ..review.verdicts import CORRECTED, RIGHT
from .bounds import Population
from .nested_sets import NestedSets

DEFAULT_CONFIDENCE = 0.95
DEFAULT_TWICE = 0.1
DEFAULT_PLANNED = 140
# of a class, so that something can be said of it alone
OF_A_CLASS = 20

_STORE, _BUCKET = "labelvet_audits", "labelvet_audits"
_KEPT_BYTES = 128 * 2**20


@dataclass(frozen=True, eq=False)
class Part:
    """Labels of which a set is to be proven: all of an audit, or those of a class.

    Attributes:
        label: the class, where it is one; None for labels without a class
        rows: (n,) of the audit, the least suspicious first
        sets: those that are tested
    """

    label: str | None
    rows: NDArray[np.int64]
    sets: NestedSets


@dataclass(frozen=True, eq=False)
class Audit:
    """What is asked, in which order: all of it was fixed before the first question.

    Attributes:
        id: names it
        field: of the labels, as the dataset calls it
        brain_key: the visualization whose label issues guessed what is wrong
        by, at: who began it, and when, by the clock of the database
        confidence: how sure the bounds are to hold
        sample_ids, ids: (N, 12) the labels that may be wrong, the least suspicious first
        codes: (N,) the class of each at that time
        classes: their names
        guesses: (N,) the probability that each is wrong
        order: (m,) rows in the order in which they are asked
        twice: (m,) which of these are asked a second time
        sure: how many labels of the field were known to be right
        target: the share that should be right, for an audit that looks for the largest such set;
            None for one of all labels
        run: the auto labeling run whose labels are approved to the target, None for all
        per_class: whether each class is to meet the target by itself
        planned: after how many answers the interval is narrowest
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
    twice: NDArray[np.uint8]
    sure: int
    target: float | None
    run: str | None
    per_class: bool
    planned: int
    population: Population

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """What is tested for the target: all labels, or each class that has labels enough."""
        if self.target is None:
            return ()
        return _parts(self.guesses, self.codes, self.classes, self.target, self.per_class)

    @property
    def left_out(self) -> list[str | None]:
        """The classes of which nothing can be proven alone, as they have too few labels."""
        if not self.per_class:
            return []
        codes, counts = np.unique(self.codes, return_counts=True)
        return [_named(self.classes, int(code)) for code in codes[counts < OF_A_CLASS]]

    def of_class(self, code: int) -> tuple[NDArray[np.int64], Population]:
        """Returns the rows of a class, and the population that they are."""
        if code not in self._of_class:
            rows = np.flatnonzero(self.codes == code)
            self._of_class[code] = rows, Population(self.guesses[rows])
        return self._of_class[code]

    @cached_property
    def _of_class(self) -> dict[int, tuple[NDArray[np.int64], Population]]:
        return {}

    def class_of(self, row: int) -> str | None:
        """Returns the class that a label had when the audit began."""
        return _named(self.classes, int(self.codes[row]))


def begin_audit(
    dataset: fo.Dataset,
    brain_key: str,
    confidence: float = DEFAULT_CONFIDENCE,
    *,
    by: str | None = None,
    seed: int | None = None,
    twice: float = DEFAULT_TWICE,
    target: float | None = None,
    run: str | None = None,
    per_class: bool = False,
    planned: int | None = None,
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
        twice: the share of the labels that are asked a second time, in [0, 0.5]: of another
            reviewer where there is one, else of the same one later
        target: the share that should be right, in [0.5, 0.999], to look for the largest such set
        run: with a target, the auto labeling run whose labels are approved, None for all
        per_class: with a target, whether each class is to meet it by itself
        planned: without a target, about how many answers there will be: the interval is narrowest
            then, and holds at any other time, too. By default 140, or a quarter of the labels

    Raises:
        UnknownRun: if label issues were not looked for yet
        InvalidParameter: if nothing is left to ask, a number is not valid, or, with a target, the
            labels are of a type that cannot be approved
    """
    _check_percent("The confidence", confidence)
    if target is not None and target == 1:
        raise InvalidParameter(
            "No sample can prove that all labels are right: choose a target below 100%, or answer "
            "for every label."
        )
    if target is not None:
        _check_percent("The target", target)
    _check_percent("The share of labels that are asked twice", twice, 0, 50)
    if planned is not None:
        check_whole("The number of answers that are planned", planned, 1)
    findings = load_findings(dataset, brain_key)
    if findings is None:
        raise UnknownRun(
            f"Label issues of '{brain_key}' have not been found yet: run Find label issues first; "
            "an audit uses them."
        )
    if target is not None:
        find_candidates(dataset, run_field(dataset, brain_key), run)
    rows, sure = _left(dataset, findings, target is not None, run)
    if not len(rows):
        raise InvalidParameter(
            "There is nothing to audit: every label of this run has an answer, or was changed "
            "since label issues were found."
        )
    suspicion = findings.found.suspicion[rows]
    rows = rows[np.argsort(suspicion, kind="stable")]
    guesses = findings.found.suspicion[rows]
    codes, rng = findings.codes[rows], np.random.default_rng(seed)
    if target is None:
        order = _order(len(rows), rng)
    else:
        order = _order_of(_parts(guesses, codes, findings.classes, target, per_class), rng)
    arrays: dict[str, NDArray[Any]] = {
        "sample_ids": findings.sample_ids[rows],
        "ids": findings.ids[rows],
        "codes": codes,
        "guesses": guesses,
        "order": order,
        "twice": _some(len(order), twice, rng),
    }
    _drop_orphans()
    id_ = ObjectId()
    write_tensors(_BUCKET, id_, arrays, {"dataset": dataset._doc.id})
    record: dict[str, Any] = {
        "id": str(id_),
        "field": run_field(dataset, brain_key),
        "brain_key": brain_key,
        "by": by or current_user(),
        "at": unique_moment(dataset),
        "confidence": float(confidence),
        "classes": list(findings.classes),
        "sure": sure,
        "target": target,
        "run": run,
        "per_class": target is not None and per_class,
        "planned": planned,
        "closed": False,
        "answers": {},
    }
    # the newest one counts, so that at no moment there is none
    open_store(dataset, _STORE).set(str(id_), record)
    for old in _records(dataset, {"brain_key": brain_key}):
        if old["at"] <= record["at"] and old["id"] != record["id"]:
            _update(dataset, old["id"], {"$set": {"value.closed": True}})
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


def kept_answers(
    dataset: fo.Dataset, audit: str
) -> tuple[dict[int, dict[str, Any]], dict[int, dict[str, Any]]]:
    """Returns the first and the second answers that :func:`keep_answers` kept with an audit of this
    id, each by row."""
    kept = open_store(dataset, _STORE).get(audit) or {}
    first, second = (kept.get(name) or {} for name in ("answers", "seconds"))
    return (
        {int(row): answer for row, answer in first.items()},
        {int(row): answer for row, answer in second.items()},
    )


def keep_answers(
    dataset: fo.Dataset, audit: str, answers: dict[int, dict[str, Any] | None], second: bool = False
) -> None:
    """Keeps answers with an audit of this id, by row, or second ones; None takes one away. The
    labels may be deleted later."""
    name = f"value.{'seconds' if second else 'answers'}"
    kept = {f"{name}.{row}": answer for row, answer in answers.items() if answer}
    gone = {f"{name}.{row}": "" for row, answer in answers.items() if not answer}
    parts = {"$set": kept, "$unset": gone}
    if answers:
        _update(dataset, audit, {name: part for name, part in parts.items() if part})


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


def _named(classes: tuple[str, ...], code: int) -> str | None:
    return classes[code] if code >= 0 else None


def _parts(
    guesses: NDArray[np.float32],
    codes: NDArray[np.int32],
    classes: tuple[str, ...],
    target: float,
    per_class: bool,
) -> tuple[Part, ...]:
    """Returns what is tested for a target, the class of the most labels first."""
    if not per_class:
        return (Part(None, np.arange(len(guesses)), NestedSets(guesses, target)),)
    found = [(code, np.flatnonzero(codes == code)) for code in np.unique(codes)]
    enough = [(code, rows) for code, rows in found if len(rows) >= OF_A_CLASS]
    if not enough:
        raise InvalidParameter(
            f"No class has {OF_A_CLASS} labels or more that can be approved: ask for the target "
            "over all classes."
        )
    return tuple(
        Part(_named(classes, int(code)), rows, NestedSets(guesses[rows], target))
        for code, rows in sorted(enough, key=lambda one: -len(one[1]))
    )


def _order(size: int, rng: np.random.Generator) -> NDArray[np.int32]:
    return rng.permutation(size).astype(np.int32)


def _order_of(parts: tuple[Part, ...], rng: np.random.Generator) -> NDArray[np.int32]:
    """Returns a random order of each part, and of each the next one in turn."""
    orders = [part.rows[_order(part.sets.sizes[-1], rng)] for part in parts]
    turns = np.concatenate([np.arange(len(order)) for order in orders])
    return np.concatenate(orders)[np.argsort(turns, kind="stable")].astype(np.int32)


def _some(size: int, share: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Chooses one at random of each so many places."""
    chosen = np.zeros(size, dtype=np.uint8)
    if share > 0:
        starts = np.arange(0, size, 1 / share)
        places = (starts + rng.random(len(starts)) / share).astype(np.int64)
        chosen[places[places < size]] = 1
    return chosen


def _check_percent(what: str, share: Any, least: float = 50, most: float = 99.9) -> None:
    number = isinstance(share, Real) and not isinstance(share, bool)
    percent = round(100 * float(share), 6) if number else share
    check_number(f"{what}, in percent,", percent, least, most)


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
    names = ("label", "review", "tags", RUN_ATTRIBUTE)
    samples, ids, values = read_labels(storage.documents, [], root, not listed, names)
    rows, sure = [], 0
    there = findings.rows_of(samples, ids).tolist()
    for row, (label, verdict, tags, run_name) in zip(there, values, strict=True):
        state = state_of(tags)
        if row < 0 or state == "rejected" or (run is not None and run_name != run):
            continue
        if approvable and state in ("approved", "flagged"):
            continue
        if verdict in (RIGHT, *CORRECTED) and state != "flagged":
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
        per_class=record.get("per_class", False),
        planned=record.get("planned") or min(DEFAULT_PLANNED, max(1, len(arrays["ids"]) // 4)),
        population=Population(arrays["guesses"]),
        **{"twice": np.zeros(len(arrays["order"]), dtype=np.uint8), **arrays},
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
    found = collection_named("execution_store").find(
        query, {"value.answers": 0, "value.seconds": 0}
    )
    return [document["value"] for document in found.sort([("value.at", -1), ("_id", -1)])]


def _update(dataset: fo.Dataset, audit: str, update: dict[str, Any]) -> None:
    record = {"store_name": _STORE, "dataset_id": dataset._doc.id, "key": audit}
    collection_named("execution_store").update_one(record, update)


def _drop_orphans() -> None:
    """Drops what is kept of datasets that do not exist any more."""
    files = collection_named(f"{_BUCKET}.files")
    alive = set(collection_named("datasets").distinct("_id"))
    gone = [dataset for dataset in files.distinct("metadata.dataset") if dataset not in alive]
    for file in files.find({"metadata.dataset": {"$in": gone}}):
        delete_tensors(_BUCKET, ObjectId(file["filename"]))


_kept: Memory[Audit] = Memory(_KEPT_BYTES, lambda audit: 60 * len(audit.ids))
