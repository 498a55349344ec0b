"""How far the loop of approval is: found, approved, flagged and left, round by round."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import fiftyone as fo
from fiftyone.operators.store import ExecutionStore

from ..autolabel.runs import APPROVED, IN_REVIEW, get_run, save_run
from ..core.errors import UnknownRun
from ..dataset.documents import samples_of
from .candidates import Candidates
from .expressions import STATES, each, in_list, keep, state

APPROVED_AT = "approved_at"

_STORE = "labelvet_approval"


@dataclass(frozen=True)
class Round:
    """One approval.

    Attributes:
        at: when, in UTC
        by: who
        into: the field of ground truth
        approved: how many labels
        turned_down: how many were flagged or rejected since the round before
        token: what undoes it
    """

    at: datetime
    by: str
    into: str
    approved: int
    turned_down: int
    token: str

    @property
    def rate(self) -> float | None:
        """The part that was approved of what was reviewed."""
        reviewed = self.approved + self.turned_down
        return self.approved / reviewed if reviewed else None


@dataclass(frozen=True)
class Progress:
    """How many candidates are in each state, in the whole dataset.

    Attributes:
        in_basket: how many labels of each class the basket holds
        rounds: the approvals that were not undone
    """

    approved: int
    rejected: int
    flagged: int
    basket: int
    open: int
    in_basket: dict[str | None, int]
    rounds: tuple[Round, ...]

    @property
    def found(self) -> int:
        """All labels that are there."""
        return self.approved + self.not_approved

    @property
    def not_approved(self) -> int:
        """What *Finalize* would remove."""
        return self.rejected + self.flagged + self.left

    @property
    def left(self) -> int:
        """Labels that nobody decided on."""
        return self.basket + self.open


def progress(candidates: Candidates) -> Progress:
    """Counts the candidates of the whole dataset, in one query."""
    in_basket = {"$eq": [state(), STATES.index("basket")]}
    label = {"$cond": [in_basket, {"$ifNull": ["$$l.label", None]}, None]}
    slim = {"s": state(), "a": f"$$l.{APPROVED_AT}", "c": label}
    of_label = each(keep(in_list(candidates.root), candidates.belongs()), slim)
    pipeline: list[dict[str, Any]] = [
        {"$project": {"_id": 0, "l": of_label}},
        {"$unwind": "$l"},
        {"$group": {"_id": "$l", "n": {"$sum": 1}}},
    ]
    states = dict.fromkeys(STATES, 0)
    approved_at: dict[datetime, int] = {}
    basket: dict[str | None, int] = {}
    for group in samples_of(candidates.dataset).aggregate(pipeline):
        name, moment = STATES[group["_id"]["s"]], group["_id"].get("a")
        states[name] += group["n"]
        if name == "approved" and moment is not None:
            approved_at[moment] = approved_at.get(moment, 0) + group["n"]
        if name == "basket":
            basket[group["_id"]["c"]] = basket.get(group["_id"]["c"], 0) + group["n"]
    rounds = tuple(_rounds(candidates, approved_at))
    return Progress(**states, in_basket=basket, rounds=rounds)


def begin_round(
    candidates: Candidates, token: str, moment: datetime, by: str, into: str, before: Progress
) -> None:
    """Writes down a round before it is approved; what it approved is counted, whenever asked."""
    record = {
        "kind": "round",
        "at": moment,
        "by": by,
        "into": into,
        "turned_down": before.flagged + before.rejected,
    }
    _remember(candidates, token, record)


def begin_removal(candidates: Candidates, token: str) -> None:
    """Writes down that labels are removed, for *Finish* to find."""
    _remember(candidates, token, {"kind": "removal"})


def open_changes(candidates: Candidates) -> list[str]:
    """Returns the tokens of what *Finish* closes: rounds and removals."""
    return [token for token, record in _records(candidates) if not record["closed"]]


def close_changes(candidates: Candidates) -> None:
    """Says that nothing so far can be undone."""
    for token, record in _records(candidates):
        _store(candidates.dataset).set(token, {**record, "closed": True})


def settle_run(candidates: Candidates) -> None:
    """Says in the record of the run whether anything is left to review."""
    if candidates.run is None:
        return
    try:
        run = get_run(candidates.dataset, candidates.run)
    except UnknownRun:  # its labels can be approved without it
        return
    if run.state not in (APPROVED, IN_REVIEW):
        return
    now = progress(candidates)
    state = APPROVED if now.approved and not now.left else IN_REVIEW
    if run.state != state:
        save_run(candidates.dataset, replace(run, state=state))


def _rounds(candidates: Candidates, approved_at: dict[datetime, int]) -> Iterator[Round]:
    turned_down = 0
    records = [(token, its) for token, its in _records(candidates) if its["kind"] == "round"]
    for token, its in sorted(records, key=lambda item: item[1]["at"]):
        approved = approved_at.get(its["at"], 0)
        if not approved:  # it was undone, or nothing was left for it
            continue
        since = max(0, its["turned_down"] - turned_down)
        turned_down = its["turned_down"]
        yield Round(its["at"], its["by"], its["into"], approved, since, token)


def _remember(candidates: Candidates, token: str, record: dict[str, Any]) -> None:
    of = {"field": candidates.field, "run": candidates.run, "closed": False}
    _store(candidates.dataset).set(token, {**record, **of})


def _records(candidates: Candidates) -> list[tuple[str, dict[str, Any]]]:
    store = _store(candidates.dataset)
    records = ((key, store.get(key)) for key in store.list_keys())
    return [
        (key, its)
        for key, its in records
        if its is not None and (its["field"], its["run"]) == (candidates.field, candidates.run)
    ]


def _store(dataset: fo.Dataset) -> ExecutionStore:
    return ExecutionStore.create(_STORE, dataset_id=dataset._doc.id)
