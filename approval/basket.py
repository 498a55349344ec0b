"""The basket: labels that were chosen for approval, which have the tag ``for-approval``.

It is a tag, so the sidebar shows it, it survives the App, and it is everybody's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..core.errors import InvalidParameter
from ..core.sentences import count
from ..dataset.states import BASKET_TAG
from ..dataset.tags import tag_labels
from .candidates import Candidates, Selection, read_candidates


@dataclass(frozen=True)
class Chosen:
    """What came into the basket, or out of it.

    Attributes:
        changed: how many labels
        token: what :func:`labelvet.approval.undo.undo` takes; None where nothing changed
        sentence: about it
    """

    changed: int
    token: str | None
    sentence: str


def add_labels(candidates: Candidates, selection: Selection, view: Any = None) -> Chosen:
    """Adds labels for approval.

    Labels that are flagged, rejected or approved, or that the view does not show, never get in.

    Args:
        candidates: the candidates
        selection: which of them
        view: only those that a view shows, a patches view too; None for all

    Raises:
        InvalidParameter: if no labels match
    """
    samples, ids = read_candidates(candidates, selection, "open", view)
    if not len(ids):
        raise InvalidParameter(
            "No labels in the current view match: widen the confidence range, choose more "
            "classes, or clear the view. Flagged, rejected and approved labels are left out."
        )
    done = tag_labels(
        candidates.dataset, candidates.field, samples, ids, BASKET_TAG, all_differ=True
    )
    return Chosen(done.changed, done.token, f"{count(done.changed, 'label')} added for approval.")


def remove_labels(candidates: Candidates, selection: Selection | None = None) -> Chosen:
    """Takes labels out of the basket: all, or those of a selection.

    Raises:
        InvalidParameter: if none is in it
    """
    samples, ids = read_candidates(candidates, selection or Selection(), "basket")
    if not len(ids):
        raise InvalidParameter("No labels in the basket match.")
    done = tag_labels(
        candidates.dataset, candidates.field, samples, ids, BASKET_TAG, remove=True, all_differ=True
    )
    return Chosen(
        done.changed, done.token, f"{count(done.changed, 'label')} removed from the basket."
    )
