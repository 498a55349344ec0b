"""What can be undone in a dataset, whichever panel did it, and undoing it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..approval.rounds import APPROVAL, REMOVAL
from ..approval.undo import undo_change
from ..core.errors import UnknownUndo
from ..dataset.changes import Change, find_change
from ..dataset.tags import KIND as TAGS
from ..dataset.tags import undo_tags
from ..review.answers import KIND as REVIEW
from ..review.answers import take_back_change

# kind of change → what takes it back and says so
_UNDO: dict[str, Callable[[Change], str]] = {
    TAGS: lambda change: undo_tags(change).sentence,
    REVIEW: lambda change: take_back_change(change).sentence,
    APPROVAL: undo_change,
    REMOVAL: undo_change,
}


def undo(dataset: Any, token: Any) -> tuple[Change, str]:
    """Takes a change of any kind back; :func:`labelvet.dataset.changes.list_changes` lists them.

    Returns:
        the change, and a sentence about it

    Raises:
        UnknownUndo: if the dataset has no such change, or it was taken back or closed before
    """
    change = find_change(dataset, token)
    if change.kind not in _UNDO:
        raise UnknownUndo("There is nothing to undo: another version of labelvet did this.")
    return change, _UNDO[change.kind](change)
