"""The basket: labels that were chosen for approval, which have the tag ``for-approval``.

It is a tag, so the sidebar shows it, it survives the App, and it is everybody's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import InvalidParameter
from ..core.sentences import count
from ..dataset.documents import Ids, LabelIds, pair_keys
from ..dataset.states import BASKET_TAG
from ..dataset.tags import move_tag, tag_labels
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
    labels = read_candidates(candidates, selection, "open", view)
    if not len(labels[1]):
        raise InvalidParameter(
            "No labels in the current view match: widen the confidence range, choose more "
            "classes, or clear the view. Flagged, rejected and approved labels are left out."
        )
    done = tag_labels(candidates.dataset, candidates.field, labels, BASKET_TAG, all_differ=True)
    return Chosen(done.changed, done.token, f"{count(done.changed, 'label')} added for approval.")


def remove_labels(candidates: Candidates, selection: Selection | None = None) -> Chosen:
    """Takes labels out of the basket: all, or those of a selection.

    Raises:
        InvalidParameter: if none is in it
    """
    labels = read_candidates(candidates, selection or Selection(), "basket")
    if not len(labels[1]):
        raise InvalidParameter("No labels in the basket match.")
    done = tag_labels(
        candidates.dataset, candidates.field, labels, BASKET_TAG, remove=True, all_differ=True
    )
    return Chosen(
        done.changed, done.token, f"{count(done.changed, 'label')} removed from the basket."
    )


def replace_basket(candidates: Candidates, sample_ids: Ids, ids: Ids) -> Chosen:
    """Makes the basket some labels and no others, as one change.

    Args:
        candidates: the candidates
        sample_ids: (n, 12) the labels' samples
        ids: (n, 12) labels that are open, or in the basket
    """
    there = read_candidates(candidates, Selection(), "basket")
    gain, lose = _without((sample_ids, ids), there), _without(there, (sample_ids, ids))
    done = move_tag(candidates.dataset, candidates.field, gain, lose, BASKET_TAG)
    return Chosen(done.changed, done.token, f"The basket holds {count(len(ids), 'label')}.")


def _without(some: LabelIds, others: LabelIds) -> LabelIds:
    """Those of some labels that are not among others."""
    out = set(pair_keys(*others))
    stay: NDArray[np.bool_] = np.array([pair not in out for pair in pair_keys(*some)], bool)
    return some[0][stay], some[1][stay]
