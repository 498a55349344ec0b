"""How far the loop of approval is: found, approved, flagged and left, round by round."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain
from typing import Any

import fiftyone as fo

from ..autolabel.replacing import REPLACEMENT
from ..autolabel.runs import RUN_APPROVED, RUN_IN_REVIEW, get_run, settle_state
from ..core.errors import UnknownRun
from ..dataset.changes import Change, past_changes
from ..dataset.documents import samples_of
from ..dataset.expressions import each, keep, state
from ..dataset.label_fields import LabelField
from ..dataset.label_types import label_type_of
from ..dataset.removed import removed_field
from ..dataset.schema import missing_fields
from ..dataset.states import LOOP_STATES
from .candidates import Candidates

APPROVED_AT = "approved_at"

# the kinds of changes that the loop consists of, until Finish closes them
APPROVAL, REMOVAL, CORRECTION = "approval", "removal", "correction"
LOOP_KINDS = (APPROVAL, REMOVAL, REPLACEMENT, CORRECTION)


@dataclass(frozen=True)
class Round:
    """One approval.

    Attributes:
        at: when, in UTC, by the clock of the database
        by: who
        into: the field of ground truth
        approved: how many labels
        turned_down: how many were flagged or rejected since the round before
        token: what undoes it
        proof: what was proven of its labels, None for nothing
    """

    at: datetime
    by: str
    into: str
    approved: int
    turned_down: int
    token: str
    proof: str | None = None

    @property
    def rate(self) -> float | None:
        """The part that was approved of what was approved or turned down."""
        decided = self.approved + self.turned_down
        return self.approved / decided if decided else None


@dataclass(frozen=True)
class ApprovalProgress:
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


def progress(candidates: Candidates) -> ApprovalProgress:
    """Counts the candidates of the whole dataset, in one query."""
    in_basket = {"$eq": [state(), LOOP_STATES.index("basket")]}
    label = {"$cond": [in_basket, {"$ifNull": ["$$l.label", None]}, None]}
    slim = {"s": state(), "a": f"$$l.{APPROVED_AT}", "c": label}
    of_label = each(keep(candidates.labels(), candidates.belongs()), slim)
    pipeline: list[dict[str, Any]] = [
        {"$project": {"_id": 0, "l": of_label}},
        {"$unwind": "$l"},
        {"$group": {"_id": "$l", "n": {"$sum": 1}}},
    ]
    states = dict.fromkeys(LOOP_STATES, 0)
    approved_at: dict[datetime, int] = {}
    basket: dict[str | None, int] = {}
    for group in samples_of(candidates.dataset).aggregate(pipeline):
        name, moment = LOOP_STATES[group["_id"]["s"]], group["_id"].get("a")
        states[name] += group["n"]
        if name == "approved" and moment is not None:
            approved_at[moment] = approved_at.get(moment, 0) + group["n"]
        if name == "basket":
            basket[group["_id"]["c"]] = basket.get(group["_id"]["c"], 0) + group["n"]
    rounds = tuple(_rounds(candidates, approved_at))
    return ApprovalProgress(**states, in_basket=basket, rounds=rounds)


def rounds_of_field(candidates: Candidates) -> list[Round]:
    """Returns the rounds of a field's labels, of whatever run these are, the first one first."""
    changes = past_changes(candidates.dataset, (APPROVAL,))
    runs = {one.what["run"] for one in changes if one.what["field"] == candidates.field}
    of_runs = (progress(replace(candidates, run=run)).rounds for run in runs)
    return sorted(chain.from_iterable(of_runs), key=lambda one: one.at)


def loop_changes(candidates: Candidates) -> list[Change]:
    """Returns the approvals, removals, replacements and corrections of the candidates, the newest
    first, closed ones too."""
    of = (candidates.field, candidates.run, bool(getattr(candidates.dataset, "frames", False)))
    changes = past_changes(candidates.dataset, LOOP_KINDS)
    return [
        one
        for one in changes
        if (one.what["field"], one.what["run"], bool(one.what.get("frames"))) == of
    ]


def settle_records(dataset: fo.Dataset) -> None:
    """Has the records of the loop live as long as what they can restore, or tell of.

    Fields may be deleted or renamed, and get their names back: so a record that is about nothing
    any more is forgotten after 30 days, and not at once.

    Args:
        dataset: the dataset, or the storage of its frames
    """
    for change in past_changes(dataset, LOOP_KINDS):
        change.keep(_is_of_use(change))


def _is_of_use(change: Change) -> bool:
    """Whether a change can be undone, or is a round whose labels are there."""
    what = change.what
    if change.closed:
        of = label_type_of(change.dataset.get_field(what["field"]))
        if change.kind != APPROVAL or of is None:
            return False
        labels = {f"{LabelField(what['field'], of).root}.{APPROVED_AT}": what["moment"]}
        return samples_of(change.dataset).find_one(labels, {"_id": 1}) is not None
    held = what["into"] if change.kind == APPROVAL else removed_field(what["field"])
    return not missing_fields(change.dataset, [what["field"], held])


def settle_run(candidates: Candidates) -> None:
    """Says in the record of the run whether anything is left to review."""
    if candidates.run is None:
        return
    try:
        run = get_run(candidates.dataset, candidates.run)
    except UnknownRun:  # its labels can be approved without it
        return
    if not run.finished:
        return
    now = progress(candidates)
    state = RUN_APPROVED if now.approved and not now.left else RUN_IN_REVIEW
    if run.state != state:
        settle_state(candidates.dataset, run, state)


def _rounds(candidates: Candidates, approved_at: dict[datetime, int]) -> Iterator[Round]:
    turned_down = 0
    for change in reversed(loop_changes(candidates)):
        approved = approved_at.get(change.what["moment"], 0)
        if change.kind != APPROVAL or not approved:  # it was undone, or nothing was left for it
            continue
        before = change.what["turned_down"]
        since, turned_down = max(0, before - turned_down), before
        yield Round(
            change.what["moment"], change.by, change.what["into"], approved, since, change.token,
            change.what.get("proof"),
        )  # fmt: skip
