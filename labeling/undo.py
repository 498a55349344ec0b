"""Takes back whatever was done in the loop of approval: to the basket, an approval, a removal."""

from __future__ import annotations

from typing import Any

import fiftyone as fo

from ..labels import tagging
from ..labels.changes import find_change
from . import approval, finalizing


def undo(dataset: fo.Dataset, token: Any) -> str:
    """Takes a change back.

    Returns:
        a sentence about it

    Raises:
        UnknownUndo: if the dataset has no such change, or it was taken back or closed before
    """
    change = find_change(dataset, token)
    if change.kind == approval.KIND:
        return approval.undo_approval(change)
    if change.kind == finalizing.KIND:
        return finalizing.undo_finalize(change)
    return tagging.undo(dataset, token).sentence
