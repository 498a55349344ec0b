"""The App's view of what is reviewed: the patches of a field, narrowed to some candidates.

What the review adds to a view it finds again and takes away, however the view came back from the
App, so that a review counts what a person chose to see, not what it shows itself.
"""

from __future__ import annotations

from typing import Any

from fiftyone import ViewExpression
from fiftyone import ViewField as F

from ..dataset.expressions import is_state
from ..dataset.patches import is_patches_view
from ..dataset.storage import locate, storage_of
from .candidates import Candidates, Selection, view_root

# a variable of the filter's expression, which nothing reads
_MARK = "auto_labeling"
_FILTER = "fiftyone.core.stages.FilterLabels"
_PATCHES = "fiftyone.core.stages.ToPatches"


def candidates_view(
    view: Any,
    candidates: Candidates,
    selection: Selection,
    state: str | None,
    edition: int = 0,
) -> Any:
    """Shows some candidates of a view, as patches.

    Args:
        view: a dataset or view, a patches view too; of videos, their frames are shown
        candidates: the candidates
        selection: which of them
        state: one of ``LOOP_STATES``, None for all
        edition: another number makes another view of the same: the App keeps the page of a view,
            whatever becomes of its labels

    Raises:
        UnknownField: if it is a view of the patches of another field
    """
    home = locate(candidates.dataset, candidates.field)
    if home.frames and not storage_of(view).frames:
        view = view.to_frames()
    view_root(candidates, view)
    patches = view if is_patches_view(view) else view.to_patches(candidates.field)
    condition = {"$and": [candidates.belongs(), selection.has()]}
    if state is not None:
        condition["$and"].append(is_state(state))
    variables = {"l": F(), _MARK: edition}
    marked = ViewExpression({"$let": {"vars": variables, "in": condition}})
    return patches.filter_labels(candidates.field, marked)


def without_candidate_filter(stages: list[dict[str, Any]] | None) -> list[dict[str, Any]]:
    """Returns the stages of the App's view without what :func:`candidates_view` filters by."""
    return [stage for stage in stages or () if not _is_marked(stage)]


def without_patches(stages: list[dict[str, Any]] | None) -> list[dict[str, Any]]:
    """Returns the stages of the App's view before the patches of :func:`candidates_view`."""
    rest = without_candidate_filter(stages)
    for number, stage in enumerate(rest):
        if stage.get("_cls") == _PATCHES:
            return rest[:number]
    return rest


def with_new_patches(stages: list[dict[str, Any]] | None) -> list[dict[str, Any]]:
    """Returns the stages of the App's view with patches that are made anew when it is loaded.

    Labels that came back have none in those that are open. Made anew in place, under their old
    name, these would fail the App's requests meanwhile.
    """
    return [
        {**stage, "kwargs": [[k, v] for k, v in stage["kwargs"] if k != "_state"]}
        if stage.get("_cls") == _PATCHES
        else stage
        for stage in stages or ()
    ]


def _is_marked(stage: dict[str, Any]) -> bool:
    if stage.get("_cls") != _FILTER:
        return False
    let = (dict(stage.get("kwargs") or ()).get("filter") or {}).get("$let") or {}
    return _MARK in (let.get("vars") or {})
