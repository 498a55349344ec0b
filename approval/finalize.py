"""The end of the loop: what was not approved is removed, and then for good."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime

from ..autolabel.replacing import check_ended
from ..core.errors import InvalidParameter, UnknownUndo
from ..core.sentences import agree, count
from ..dataset import removed
from ..dataset.changes import Change, begin, past_changes, undone_once, unique_moment
from ..dataset.documents import now, samples_of
from ..dataset.expressions import Expression, each, is_state, retagged
from ..dataset.schema import check_fields
from ..dataset.states import NOT_APPROVED_TAG
from .candidates import Candidates
from .label_updates import update_labels
from .rounds import (
    APPROVAL,
    APPROVED_AT,
    LOOP_KINDS,
    REMOVAL,
    loop_changes,
    progress,
    settle_records,
    settle_run,
)

# the states of labels that a person does not want
TURNED_DOWN = ("flagged", "rejected")


@dataclass(frozen=True)
class Finalized:
    """What was removed: how many labels, what brings them back, and a sentence about it."""

    removed: int
    token: str
    sentence: str


def finalize(candidates: Candidates, agreed: int | None = None, by: str | None = None) -> Finalized:
    """Removes the labels that are not approved: they go to the field ``<field>_removed``.

    Args:
        candidates: the candidates
        agreed: how many labels a person agreed to remove, None for however many
        by: who does it; by default the user of this process

    Raises:
        InvalidParameter: if it is another number, all are approved, or the dataset has a field of
            its own of that name
    """
    candidates.dataset.reload()
    there = progress(candidates).not_approved
    if agreed is not None and there != agreed:
        raise InvalidParameter(
            f"{there:,} labels are not approved now, not {agreed:,}: look at them, and confirm "
            "again."
        )
    if not there:
        raise InvalidParameter("There is nothing to remove: every label is approved.")
    leaves = {"$and": [candidates.belongs(), {"$not": [is_state("approved")]}]}
    return _remove(candidates, leaves, "not approved", by)


def remove_turned_down(
    candidates: Candidates,
    states: tuple[str, ...] = TURNED_DOWN,
    agreed: int | None = None,
    by: str | None = None,
) -> Finalized:
    """Removes labels that were flagged or rejected, as :func:`finalize` does.

    Args:
        candidates: the candidates
        states: those of ``TURNED_DOWN`` that go
        agreed: how many labels a person agreed to remove, None for however many
        by: who does it; by default the user of this process

    Raises:
        InvalidParameter: if it is another number, there are none, or a state is another one
    """
    if not states or not set(states) <= set(TURNED_DOWN):
        raise InvalidParameter(f"What can be deleted is {' or '.join(TURNED_DOWN)}.")
    candidates.dataset.reload()
    counted, which = progress(candidates), " or ".join(states)
    there = sum(int(getattr(counted, name)) for name in states)
    if agreed is not None and there != agreed:
        raise InvalidParameter(
            f"{count(there, 'label')} {agree(there, 'is', 'are')} {which} now, not {agreed:,}: "
            "look at them, and confirm again."
        )
    if not there:
        raise InvalidParameter(f"There is nothing to delete: no label is {which}.")
    leaves = {"$and": [candidates.belongs(), {"$or": [is_state(name) for name in states]}]}
    return _remove(candidates, leaves, which, by)


def _remove(candidates: Candidates, leaves: Expression, being: str, by: str | None) -> Finalized:
    """Removes the labels for which an expression holds; ``being`` says what they are."""
    dataset, field = candidates.dataset, candidates.field
    removed.prepare(dataset, field)
    moment = unique_moment(dataset)
    update = removed.move(candidates.of, leaves, moment)
    which = candidates.of.any()
    with begin(
        dataset, REMOVAL, f"Labels of '{field}' removed that were {being}.", by,
        expires=False, field=field, run=candidates.run, moment=moment,
    ) as change:  # fmt: skip
        update_labels(candidates, which, update, leaves, None, removing=field)
        settle_run(candidates)
        number = removed.count_at(dataset, field, moment)
        were = agree(number, "was", "were")
        change.say(f"{count(number, 'label')} removed that {were} {being}.")
    return Finalized(number, change.token, change.sentence)


@undone_once
def undo_finalize(change: Change) -> str:
    """Brings back what was removed.

    Returns:
        a sentence about it

    Raises:
        UnknownUndo: if the field that held it is gone
        FieldGone: if the field that it goes back to is
        InvalidParameter: if that has room for one label, and an image has another by now
    """
    dataset, what = change.dataset, change.what
    candidates = Candidates(dataset, what["field"], what["run"])
    dataset.reload()
    number = return_removed(candidates, what["moment"])
    settle_run(candidates)
    change.close()
    removed.drop_empty(dataset, candidates.field)
    return f"{count(number, 'label')} came back."


def return_removed(candidates: Candidates, moment: datetime) -> int:
    """Brings labels back that were removed at a moment, and returns how many; the field that held
    them is left, which may be empty now, until the change is closed.

    Raises:
        UnknownUndo: if the field that held them is gone
        FieldGone: if the field that they go back to is
        InvalidParameter: if that has room for one label, and an image has another by now
    """
    dataset, field = candidates.dataset, candidates.field
    check_fields(dataset, [field])
    if not removed.exists(dataset, field):
        raise UnknownUndo(
            f"The field '{removed.removed_field(field)}', which held what was removed, is gone: "
            "there is nothing to bring back."
        )
    nothing: Expression = {"$literal": False}
    removed.check_room(dataset, candidates.of, moment, nothing)
    back = removed.of_moment(candidates.of, moment)
    if not _any_approved(candidates):  # what left them behind was undone meanwhile
        back = each(back, retagged([NOT_APPROVED_TAG], []))
    update = {
        field: candidates.of.with_labels({"$concatArrays": [candidates.labels(), back]}),
        removed.removed_field(field): removed.all_but_moment(candidates.of, moment),
        "last_modified_at": now(),
    }
    which = removed.at_moment(candidates.of, moment)
    which |= removed.has_room(candidates.of, moment, nothing)
    number = removed.count_at(dataset, field, moment)
    # copies of them left the open patches views, which show them again once they are loaded anew
    update_labels(candidates, which, update, nothing, "$$l")
    removed.check_room(dataset, candidates.of, moment, nothing)
    return number


def _any_approved(candidates: Candidates) -> bool:
    which = candidates.any_with({APPROVED_AT: {"$type": "date"}})
    return samples_of(candidates.dataset).find_one(which, {"_id": 1}) is not None


def finish(candidates: Candidates) -> str:
    """Closes the loop of a field: what was removed from it is deleted, and no step can be undone.

    Returns:
        a sentence about it

    Raises:
        InvalidParameter: if the run is going on
        UnknownUndo: if somebody makes or undoes one of the steps now, or finishes them
    """
    dataset, number = candidates.dataset, 0
    dataset.reload()
    if candidates.run is not None:
        check_ended(dataset, candidates.run)
    changes = loop_changes(candidates)
    with ExitStack() as held:
        for change in changes:
            if not change.closed:
                held.enter_context(change.claimed())
        # what is about to lose its labels is not undone any more, even if this is cut off
        for change in changes:
            change.close()
        for change in changes:
            where = change.what["into"] if change.kind == APPROVAL else candidates.field
            number += removed.forget(dataset, where, change.what["moment"])
    # what no record can bring back: it came with a clone or an import, whose records stayed behind;
    # a removal writes its record first, so what is there without one now has none
    there = removed.moments(dataset, candidates.field)
    known = {one.what["moment"] for one in past_changes(dataset, LOOP_KINDS) if not one.closed}
    unknown = [moment for moment in there if moment not in known]
    number += removed.forget_moments(dataset, candidates.field, candidates.attributes, unknown)
    settle_run(candidates)
    settle_records(dataset)
    return f"Finished: {count(number, 'removed label')} deleted for good."
