"""What can be undone in a dataset, whichever panel did it, and undoing it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field

from ..approval.rounds import CORRECTION, LOOP_KINDS, REMOVAL
from ..approval.undo import undo_change
from ..autolabel.replacing import REPLACEMENT
from ..core.errors import UnknownUndo
from ..dataset.changes import Change, find_change, list_changes
from ..dataset.tags import TAGGING, undo_tags
from ..handover.bringing import undo_correction
from ..proof.second_answers import SECOND, take_back_second_answers
from ..review.answers import REVIEW, take_back_change
from ..review.merging import MERGE, undo_merge
from .message import Moment, Reply, Request, Text
from .web_panel import exposed

# kind of change → what takes it back and says so
_UNDO: dict[str, Callable[[Change], str]] = {
    TAGGING: lambda change: undo_tags(change).sentence,
    REVIEW: lambda change: take_back_change(change).sentence,
    MERGE: undo_merge,
    SECOND: take_back_second_answers,
    **dict.fromkeys(LOOP_KINDS, undo_change),
    CORRECTION: undo_correction,
}

# of the many tags and answers
_LISTED = 200


def undo(dataset: Any, token: Any) -> tuple[Change, str]:
    """Takes a change of any kind back; :func:`labelvet.dataset.changes.list_changes` lists them.

    Returns:
        the change, and a sentence about it

    Raises:
        UnknownUndo: if the dataset has no such change, or it was taken back or closed before
    """
    change = find_change(dataset, token)
    if change.kind not in _UNDO:
        raise UnknownUndo(
            "This cannot be undone here: another version of labelvet made the change."
        )
    return change, _UNDO[change.kind](change)


def undoable(dataset: Any, most: int = _LISTED) -> tuple[list[Change], bool]:
    """Lists what can be undone, the newest first: all that Finish has not closed, and of the many
    tags and answers the last ones.

    Args:
        dataset: the dataset
        most: how many tags and answers

    Returns:
        the changes, and whether there are more
    """
    of_loop = list_changes(dataset, LOOP_KINDS, limit=0)
    rest = tuple(kind for kind in _UNDO if kind not in LOOP_KINDS)
    others = list_changes(dataset, rest, limit=most + 1)
    changes = sorted(of_loop + others[:most], key=lambda change: change.at, reverse=True)
    return changes, len(others) > most


class ChangesRequest(Request):
    """What is listed.

    Attributes:
        most: how many of the many tags and answers, the last ones
    """

    most: Annotated[int, Field(ge=1, le=1_000_000)] = _LISTED


class UndoRequest(Request):
    """What is taken back.

    Attributes:
        token: the `undo` of what was done, or the `token` of a listed change or a round
    """

    token: Text


class Undone(Reply):
    """A change was taken back.

    Attributes:
        sentence: says so
        undo: null, since there is no redo
        anew: whether labels came back that have no patch
    """

    sentence: str
    undo: None = None
    anew: bool = False


class UndoableChange(Reply):
    """A change of the dataset that can be undone.

    Attributes:
        token: what undoes it
        sentence: what it did
        by: who did it
        at: when, in ISO 8601
    """

    token: str
    sentence: str
    by: str
    at: Moment


class Changes(Reply):
    """What can be undone, the newest first.

    Attributes:
        changes: the changes
        more: whether there are earlier tags or answers
    """

    changes: list[UndoableChange]
    more: bool


class Undoing:
    """The part of a panel that lists what can be undone in the dataset, and undoes it."""

    @exposed
    def changes(self, ctx: Any, request: ChangesRequest) -> Changes:
        """What can be undone, whoever did it in whichever panel."""
        changes, more = undoable(ctx.dataset, request.most)
        return Changes(changes=[UndoableChange.like(each) for each in changes], more=more)

    @exposed
    def undo(self, ctx: Any, request: UndoRequest) -> Undone:
        """Takes a change back."""
        change, sentence = undo(ctx.dataset, request.token)
        if change.kind in LOOP_KINDS:
            ctx.ops.reload_dataset()  # a field may have come or gone
        else:
            ctx.ops.reload_samples()
        anew = change.kind in (REMOVAL, REPLACEMENT, CORRECTION)
        return Undone(sentence=sentence, anew=anew)
