"""The Python half of *Auto Labeling*.

It checks what the browser asks, calls the engine once, and encodes the answer."""

from __future__ import annotations

from typing import Any

import fiftyone.server.view as fosv

from ...approval.approve import IOU, RULES, approve
from ...approval.basket import Chosen, add_labels, remove_labels
from ...approval.candidates import (
    Candidates,
    Selection,
    find_candidates,
    list_candidate_fields,
)
from ...approval.counts import review
from ...approval.expressions import FLAGGED, STATES
from ...approval.finalize import finalize, finish
from ...approval.removed import is_ours
from ...approval.rounds import REMOVAL, progress
from ...approval.shown_view import (
    shown_view,
    with_new_patches,
    without_patches,
    without_review,
)
from ...approval.undo import undo_change
from ...autolabel.runs import list_runs
from ...core.errors import InvalidParameter
from ...core.sentences import count
from ...dataset.app_view import base_view, view_without_selection
from ...dataset.changes import find_change
from ...dataset.documents import Ids, parse_ids
from ...dataset.patches import is_patches_view
from ...dataset.tags import tag_view
from .. import arguments
from ..web_panel import Answer, WebPanel, answers
from . import wire
from .generating import newest_operations

_SHOWN = (*STATES, "all")
_RULES = tuple(RULES)


class AutoLabeling(WebPanel):
    """Labels that a model found are reviewed, approved in rounds, and become ground truth."""

    name = "auto_labeling"
    label = "Auto Labeling"
    icon = "auto_awesome"
    help = "Review what a model found, approve it, make it ground truth."
    component = "AutoLabeling"

    @answers
    def overview(self, ctx: Any) -> Answer:
        """The runs of auto labeling, and the fields whose labels can be approved."""
        operations = newest_operations(ctx.dataset._doc.id)
        runs = [wire.run(one, operations.pop(one.name, None)) for one in list_runs(ctx.dataset)]
        waiting = [wire.waiting_run(one) for one in operations.values() if one.state != "completed"]
        fields = [
            name
            for name in list_candidate_fields(ctx.dataset)
            if not is_ours(ctx.dataset.get_field(name))
        ]
        return {"runs": [*waiting, *runs], "fields": fields}

    @answers
    def review(self, ctx: Any) -> Answer:
        """What there is to review in the App's view, and how far the loop is."""
        candidates = _candidates(ctx)
        return {
            "review": wire.review(review(candidates, _view(ctx))),
            "progress": wire.progress(progress(candidates)),
        }

    @answers
    def show(self, ctx: Any) -> Answer:
        """Makes the grid show some labels as patches."""
        state = arguments.choice(ctx.params, "state", _SHOWN, "open")
        edition = arguments.whole_number(ctx.params, "edition", 0, 10**15, 0)
        view = shown_view(
            _view(ctx, anew=arguments.flag(ctx.params, "anew")),
            _candidates(ctx),
            _selection(ctx),
            None if state == "all" else state,
            edition,
        )
        if ctx.request_params.get("filters"):
            ctx.ops.clear_sidebar_filters()  # the view has them now
        ctx.ops.set_view(view)
        return {"shown": len(view)}

    @answers
    def show_images(self, ctx: Any) -> Answer:
        """Makes the grid show the images again, of the view that the review began with."""
        stages = without_patches(ctx.request_params.get("view"))
        if stages:
            ctx.ops.set_view(fosv.get_view(ctx.dataset, stages=stages))
        else:
            ctx.ops.clear_view()
        return {}

    @answers
    def add(self, ctx: Any) -> Answer:
        """Adds labels for approval: of the App's view, by confidence and class."""
        return _changed(ctx, add_labels(_candidates(ctx), _selection(ctx), _view(ctx)))

    @answers
    def remove(self, ctx: Any) -> Answer:
        """Takes labels out of the basket: those selected in the grid, of some classes, or all."""
        return _changed(ctx, remove_labels(_candidates(ctx), _selection(ctx)))

    @answers
    def flag(self, ctx: Any) -> Answer:
        """Tags the patches that are selected in the grid."""
        candidates, view = _candidates(ctx), base_view(ctx.dataset, ctx.request_params)
        ids = _selected(ctx)
        done = tag_view(view.select(ids), candidates.field, FLAGGED)
        sentence = f"{count(done.changed, 'label')} flagged '{FLAGGED}'."
        return _changed(ctx, Chosen(done.changed, done.token, sentence))

    @answers
    def approve(self, ctx: Any) -> Answer:
        """Makes ground truth of the basket."""
        done = approve(
            _candidates(ctx),
            arguments.text(ctx.params, "into"),
            arguments.choice(ctx.params, "rule", _RULES, "keep"),
            arguments.number(ctx.params, "iou", 0.01, 1, IOU),
        )
        ctx.ops.reload_dataset()  # it may have a new field
        return {"undo": done.token, "sentence": done.sentence, "approved": done.approved}

    @answers
    def finalize(self, ctx: Any) -> Answer:
        """Removes what was not approved, if that is as many as a person agreed to."""
        agreed = arguments.whole_number(ctx.params, "count", 0, 10**12, -1)
        done = finalize(_candidates(ctx), agreed)
        ctx.ops.reload_dataset()
        return {"undo": done.token, "sentence": done.sentence}

    @answers
    def finish(self, ctx: Any) -> Answer:
        """Closes the loop: removed labels are deleted for good."""
        sentence = finish(_candidates(ctx))
        ctx.ops.reload_dataset()
        return {"sentence": sentence}

    @answers
    def undo(self, ctx: Any) -> Answer:
        """Takes a change back."""
        change = find_change(ctx.dataset, ctx.params.get("token"))
        sentence = undo_change(change)
        ctx.ops.reload_dataset()
        return {"sentence": sentence, "anew": change.kind == REMOVAL}


def _candidates(ctx: Any) -> Candidates:
    field, run = arguments.text(ctx.params, "field"), arguments.optional_text(ctx.params, "run")
    return find_candidates(ctx.dataset, field, run)


def _view(ctx: Any, anew: bool = False) -> Any:
    """The App's view under the sidebar's filters, without what the review shows of it."""
    stages = without_review(ctx.request_params.get("view"))
    if anew:
        stages = with_new_patches(stages)
    return view_without_selection(ctx.dataset, {**ctx.request_params, "view": stages})


def _selection(ctx: Any) -> Selection:
    bounds = [arguments.optional_number(ctx.params, name) for name in ("low", "high")]
    classes = arguments.optional_texts(ctx.params, "classes")
    ids: Ids | None = None
    if arguments.flag(ctx.params, "selected"):
        ids = parse_ids(_selected(ctx))
    return Selection((bounds[0], bounds[1]), classes, ids)


def _selected(ctx: Any) -> list[str]:
    """The ids of the patches that are selected in the grid, which are those of their labels."""
    if not is_patches_view(base_view(ctx.dataset, ctx.request_params)):
        raise InvalidParameter("Show the labels as patches first, and select some of them.")
    ids = [id_ for id_ in ctx.selected if isinstance(id_, str)]
    try:
        parse_ids(ids)
    except ValueError:
        ids = []
    if not ids:
        raise InvalidParameter("Select patches in the grid first.")
    return ids


def _changed(ctx: Any, done: Chosen) -> Answer:
    ctx.ops.clear_selected_samples()
    ctx.ops.reload_samples()
    return {"undo": done.token, "sentence": done.sentence, "changed": done.changed}
