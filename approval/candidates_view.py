"""The App's view of what is reviewed: the patches of a field, narrowed to some candidates.

What the review adds to a view it finds again and takes away, however the view came back from the
App, so that a review counts what a person chose to see, not what it shows itself.
"""

from __future__ import annotations

from typing import Any

import fiftyone as fo
import fiftyone.core.media as fom
from fiftyone import ViewExpression
from fiftyone import ViewField as F

from ..core.errors import InvalidParameter
from ..core.sentences import agree, count
from ..dataset.documents import byte_keys, read_labels, samples_of
from ..dataset.expressions import is_state
from ..dataset.label_types import LABEL_TYPES
from ..dataset.patches import is_patches_view
from ..dataset.storage import locate, storage_of
from .candidates import Candidates, Selection, view_root

# a variable of the filter's expression, which nothing reads
_MARK = "auto_labeling"
_FILTER = "fiftyone.core.stages.FilterLabels"
_PATCHES = "fiftyone.core.stages.ToPatches"
# what tells the stages that open groups from those of a person: an argument that changes nothing
_OPENS_GROUPS = {
    "fiftyone.core.stages.Flatten": ("stages", []),
    "fiftyone.core.stages.SelectGroupSlices": ("_allow_mixed", True),
}


def candidates_view(
    view: Any,
    candidates: Candidates,
    selection: Selection,
    state: str | None,
    edition: int = 0,
) -> Any:
    """Shows some candidates of a view, as patches where :func:`are_patches`, and otherwise as the
    images that have them: those that are counted of it. Of dynamic groups these are of all images,
    of a view of groups of its active slice, of a whole dataset of every slice.

    Args:
        view: a dataset or view, a patches view too; of videos, their frames are shown
        candidates: the candidates
        selection: which of them
        state: one of ``LOOP_STATES``, None for all
        edition: another number makes another view of the same: the App keeps the page of a view,
            whatever becomes of its labels

    Raises:
        UnknownField: if it is a view of the patches of another field
        InvalidParameter: if no patches can be made of what it shows
    """
    home = locate(candidates.dataset, candidates.field)
    of = fom.VIDEO if home.frames else fom.IMAGE
    view = _without_groups(view, of)
    are_frames = storage_of(view).frames
    if are_patches(candidates) and not are_frames and view.media_type not in (of, None):
        raise InvalidParameter(
            f"The labels are on {of}s, and the grid shows none: switch to a view of {of}s."
        )
    if home.frames and not are_frames:
        if not home.have_files:
            raise InvalidParameter(
                "Labels can only be shown on images, and these frames have none: make them with "
                "to_frames(sample_frames=True)."
            )
        view = view.to_frames()
    root, is_list = view_root(candidates, view)
    if not is_patches_view(view) and are_patches(candidates):
        _check_ids(candidates, view, root, is_list)
        view = view.to_patches(candidates.field)
    condition = {"$and": [candidates.belongs(), selection.has()]}
    if state is not None:
        condition["$and"].append(is_state(state))
    variables = {"l": F(), _MARK: edition}
    marked = ViewExpression({"$let": {"vars": variables, "in": condition}})
    return view.filter_labels(candidates.field, marked)


def are_patches(candidates: Candidates) -> bool:
    """Whether the grid can show candidates as patches: FiftyOne makes none of some types, and
    draws none of keypoints where a point is missing. Tried with fiftyone 1.22."""
    type_ = candidates.of.type
    if type_ != LABEL_TYPES[fo.Keypoints]:
        return type_.has_patches
    missing = {"$elemMatch": {"$elemMatch": {"$in": [float("nan"), None]}}}
    which = candidates.any_with({"points": missing})
    return samples_of(candidates.dataset).find_one(which, {"_id": 1}) is None


def _without_groups(view: Any, media: str) -> Any:
    """Returns a view with the samples of a media type that its groups hold, as far as they are
    counted; others as they are."""
    if view._is_dynamic_groups:
        view = view.flatten([])
    if view.media_type != fom.GROUP:
        return view
    slices = [name for name, type_ in view.group_media_types.items() if type_ == media]
    if not isinstance(view, fo.Dataset):
        slices = [name for name in slices if name == view.group_slice]
    if not slices:
        raise InvalidParameter(
            f"The labels are on {media}s, and this slice has none: switch to a slice of {media}s."
        )
    return view.select_group_slices(slices, _allow_mixed=True)


def _check_ids(candidates: Candidates, view: Any, root: str, is_list: bool) -> None:
    """Checks that every label has an id of its own, as patches need it."""
    collection = samples_of(view._dataset)
    ids = byte_keys(read_labels(collection, view._pipeline(), root, not is_list)[1])
    if shared := len(ids) - len(set(ids)):
        has = agree(shared, "has", "have")
        raise InvalidParameter(
            f"{count(shared, 'label')} of '{candidates.field}' {has} the id of another one in this "
            "view, so they cannot be shown as patches: add those samples with new ids, or choose a "
            "view without them."
        )


def shows_candidates(stages: list[dict[str, Any]] | None) -> bool:
    """Whether the stages of the App's view are those of :func:`candidates_view`."""
    return any(_is_marked(stage) for stage in stages or ())


def without_candidate_filter(stages: list[dict[str, Any]] | None) -> list[dict[str, Any]]:
    """Returns the stages of the App's view without what :func:`candidates_view` filters by."""
    return [stage for stage in stages or () if not _is_marked(stage)]


def without_patches(stages: list[dict[str, Any]] | None) -> list[dict[str, Any]]:
    """Returns the stages of the App's view before the patches of :func:`candidates_view`, and
    before what opened its groups for them."""
    rest = without_candidate_filter(stages)
    for number, stage in enumerate(rest):
        if stage.get("_cls") == _PATCHES or _opens_groups(stage):
            return rest[:number]
    return rest


def _opens_groups(stage: dict[str, Any]) -> bool:
    if (cls := stage.get("_cls")) not in _OPENS_GROUPS:
        return False
    name, value = _OPENS_GROUPS[cls]
    return bool(dict(stage.get("kwargs") or ()).get(name) == value)


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
