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
from ..core.checks import check_number
from ..core.errors import InvalidParameter, UnknownRun
from ..core.user import current_user
from ..dataset.brain_runs import run_field
from ..dataset.documents import Ids, collection_named, now, read_labels
from ..dataset.memory import Memory
from ..dataset.records import delete_tensors, read_tensors, write_tensors
from ..dataset.states import state_of
from ..dataset.storage import locate
from ..dataset.stores import open_store
from ..issues.findings import Findings, load_findings
from ..review.answers import CORRECTED, RIGHT
from .bounds import Population
from .nested_sets import NestedSets

DEFAULT_CONFIDENCE = 0.95

_STORE, _BUCKET = "labelvet_audits", "labelvet_audits"
_KEPT_BYTES = 128 * 2**20


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


def begin_audit(
    dataset: fo.Dataset,
    brain_key: str,
    confidence: float = DEFAULT_CONFIDENCE,
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


def kept_answers(dataset: fo.Dataset, audit: Audit) -> dict[int, dict[str, Any]]:
    """Returns what :func:`keep_answers` kept with an audit, by row."""
    kept = (open_store(dataset, _STORE).get(audit.id) or {}).get("answers") or {}
    return {int(row): answer for row, answer in kept.items()}


def keep_answers(dataset: fo.Dataset, audit: Audit, answers: dict[int, dict[str, Any]]) -> None:
    """Keeps answers with an audit, by row, for labels that may be deleted later."""
    _update(dataset, audit.id, {"$set": {f"value.answers.{row}": answers[row] for row in answers}})


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


def _drop_orphans() -> None:
    """Drops what is kept of datasets that do not exist any more."""
    files = collection_named(f"{_BUCKET}.files")
    alive = set(collection_named("datasets").distinct("_id"))
    gone = [dataset for dataset in files.distinct("metadata.dataset") if dataset not in alive]
    for file in files.find({"metadata.dataset": {"$in": gone}}):
        delete_tensors(_BUCKET, ObjectId(file["filename"]))


_kept: Memory[Audit] = Memory(_KEPT_BYTES, lambda audit: 44 * len(audit.ids))
