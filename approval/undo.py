"""Takes back whatever was done in the loop of approval: to the basket, an approval, a removal."""

from __future__ import annotations

from typing import Any

import fiftyone as fo

from ..autolabel.replacing import REPLACEMENT, undo_replacement
from ..dataset.changes import Change, find_change
from ..dataset.tags import undo_tags
from . import approve, finalize
from .rounds import APPROVAL, REMOVAL


def undo(dataset: fo.Dataset, token: Any) -> str:
    """Takes a change back.

    Returns:
        a sentence about it

    Raises:
        UnknownUndo: if the dataset has no such change, or it was taken back or closed before
    """
    return undo_change(find_change(dataset, token))


def undo_change(change: Change) -> str:
    """Takes a change back that was found; see :func:`undo`."""
    if change.kind == APPROVAL:
        return approve.undo_approval(change)
    if change.kind == REMOVAL:
        return finalize.undo_finalize(change)
    if change.kind == REPLACEMENT:
        return undo_replacement(change)
    return undo_tags(change).sentence
