"""The Python half of *Auto Labeling*.

It checks what the browser asks, calls the engine once, and encodes the answer."""

from __future__ import annotations

from typing import Any

from ...approval.approve import approve, count_twice
from ...approval.basket import Chosen, add_labels, remove_labels
from ...approval.candidates import Candidates, Selection, find_candidates, list_candidate_fields
from ...approval.candidates_view import (
    are_patches,
    candidates_view,
    shows_candidates,
    with_new_patches,
    without_candidate_filter,
    without_patches,
)
from ...approval.counts import count_candidates
from ...approval.finalize import finalize, finish
from ...approval.rounds import progress
from ...core.errors import InvalidParameter
from ...core.sentences import count
from ...dataset.app_view import view_of, view_without_selection
from ...dataset.documents import Ids, parse_ids
from ...dataset.patches import is_patches_view, read_label_ids
from ...dataset.states import FLAGGED_TAG
from ...dataset.tags import tag_view
from ...proof.audits import begin_audit, current_target, judged_run
from ...proof.proven_basket import VOID, field_of, fill_basket, proof_of_basket
from ...proof.results import AuditResult, read_result
from ..message import Nothing
from ..undoing import Undoing
from ..web_panel import WebPanel, exposed
from . import messages
from .run_list import run_list


class AutoLabeling(Undoing, WebPanel):
    """Labels that a model found are reviewed, approved in rounds, and become ground truth."""

    name = "auto_labeling"
    label = "Auto Labeling"
    icon = "auto_awesome"
    help = "Review what a model found and approve it as ground truth."
    component = "AutoLabeling"

    @exposed
    def overview(self, ctx: Any) -> messages.Overview:
        """The runs of auto labeling, and the fields whose labels can be approved."""
        fields = list_candidate_fields(ctx.dataset)
        return messages.Overview(runs=run_list(ctx.dataset), fields=fields)

    @exposed
    def review(self, ctx: Any, request: messages.SourceRequest) -> messages.Counted:
        """What there is to review in the App's view, and how far the loop is."""
        candidates = _candidates(ctx, request)
        loop = progress(candidates)
        return messages.Counted(
            review=messages.Review.of(count_candidates(candidates, _view(ctx))),
            progress=messages.LoopProgress.of(
                loop,
                count_twice(candidates) if loop.basket else 0,
                proof_of_basket(candidates),
                _target(ctx, candidates),
            ),
        )

    @exposed
    def show(self, ctx: Any, request: messages.ShowRequest) -> messages.ShownLabels:
        """Makes the grid show some labels as patches."""
        view = candidates_view(
            _view(ctx, anew=request.anew),
            _candidates(ctx, request),
            _selection(ctx, request),
            None if request.state == "all" else request.state,
            request.edition,
        )
        if ctx.request_params.get("filters"):
            ctx.ops.clear_sidebar_filters()  # the view has them now
        ctx.ops.set_view(view)
        return messages.ShownLabels(shown=len(view))

    @exposed
    def show_images(self, ctx: Any) -> Nothing:
        """Makes the grid show the images again, of the view that the review began with."""
        stages = without_patches(ctx.request_params.get("view"))
        if stages:
            ctx.ops.set_view(view_of(ctx.dataset, stages))
        else:
            ctx.ops.clear_view()
        return Nothing()

    @exposed
    def add(self, ctx: Any, request: messages.SelectionRequest) -> messages.Done:
        """Adds labels for approval: of the App's view, by confidence and class."""
        candidates, selection = _candidates(ctx, request), _selection(ctx, request)
        return _changed(ctx, add_labels(candidates, selection, _view(ctx)))

    @exposed
    def begin_target(self, ctx: Any, request: messages.TargetRequest) -> messages.Done:
        """Begins to ask for the answers that prove a set of the labels; they are asked for in the
        review of *Label embeddings*."""
        candidates = _candidates(ctx, request)
        audit = begin_audit(
            ctx.dataset, judged_run(ctx.dataset, field_of(candidates)), request.confidence / 100,
            target=request.target / 100, run=candidates.run, per_class=request.per_class,
        )  # fmt: skip
        return messages.Done(sentence=read_result(ctx.dataset, audit).sentence)

    @exposed
    def fill_basket(self, ctx: Any, request: messages.SourceRequest) -> messages.Done:
        """Makes the basket the set that is proven to meet the target."""
        candidates = _candidates(ctx, request)
        audit = current_target(ctx.dataset, field_of(candidates), candidates.run)
        return _changed(ctx, fill_basket(ctx.dataset, audit))

    @exposed
    def remove(self, ctx: Any, request: messages.SelectionRequest) -> messages.Done:
        """Takes labels out of the basket: those selected in the grid, of some classes, or all."""
        return _changed(ctx, remove_labels(_candidates(ctx, request), _selection(ctx, request)))

    @exposed
    def flag(self, ctx: Any, request: messages.SourceRequest) -> messages.Done:
        """Tags the labels that are selected in the grid."""
        candidates = _candidates(ctx, request)
        done = tag_view(_selected(ctx, candidates), candidates.field, FLAGGED_TAG)
        sentence = f"{count(done.changed, 'label')} flagged '{FLAGGED_TAG}'."
        return _changed(ctx, Chosen(done.changed, done.token, sentence))

    @exposed
    def approve(self, ctx: Any, request: messages.ApproveRequest) -> messages.Done:
        """Makes ground truth of the basket."""
        candidates = _candidates(ctx, request)
        proof, holds = proof_of_basket(candidates)
        done = approve(
            candidates, request.into, request.rule, proof_sentence=proof if holds else None
        )
        ctx.ops.reload_dataset()  # it may have a new field
        sentence = done.sentence if holds or proof is None else f"{done.sentence} {VOID}"
        return messages.Done(sentence=sentence, undo=done.token, changed=done.approved)

    @exposed
    def finalize(self, ctx: Any, request: messages.FinalizeRequest) -> messages.Done:
        """Removes what was not approved, if that is as many as a person agreed to."""
        done = finalize(_candidates(ctx, request), request.count)
        ctx.ops.reload_dataset()
        return messages.Done(sentence=done.sentence, undo=done.token, changed=done.removed)

    @exposed
    def finish(self, ctx: Any, request: messages.SourceRequest) -> messages.Done:
        """Closes the loop: removed labels are deleted for good."""
        sentence = finish(_candidates(ctx, request))
        ctx.ops.reload_dataset()
        return messages.Done(sentence=sentence)


def _candidates(ctx: Any, request: messages.SourceRequest) -> Candidates:
    return find_candidates(ctx.dataset, request.field, request.run)


def _target(ctx: Any, candidates: Candidates) -> AuditResult | None:
    """What is proven of the target that was said last, None where there is none."""
    audit = current_target(ctx.dataset, field_of(candidates), candidates.run)
    return None if audit is None else read_result(ctx.dataset, audit)


def _view(ctx: Any, anew: bool = False) -> Any:
    """The App's view under the sidebar's filters, without what the review shows of it."""
    stages = without_candidate_filter(ctx.request_params.get("view"))
    if anew:
        stages = with_new_patches(stages)
    return view_without_selection(ctx.dataset, {**ctx.request_params, "view": stages})


def _selection(ctx: Any, request: messages.SelectionRequest) -> Selection:
    ids: Ids | None = None
    if request.selected:
        candidates = _candidates(ctx, request)
        ids = read_label_ids(_selected(ctx, candidates), candidates.field)[1]
    return Selection((request.low, request.high), request.classes, ids)


def _selected(ctx: Any, candidates: Candidates) -> Any:
    """The view of what is selected in the grid: patches, or the images of labels without any."""
    view = view_without_selection(ctx.dataset, ctx.request_params)
    have_patches = are_patches(candidates)
    if have_patches and not is_patches_view(view):
        raise InvalidParameter("Show the labels as patches first, and select some of them.")
    if not have_patches and not shows_candidates(ctx.request_params.get("view")):
        raise InvalidParameter("Show the labels first, and select some of their images.")
    ids = [id_ for id_ in ctx.selected if isinstance(id_, str)]
    try:
        parse_ids(ids)
    except ValueError:
        ids = []
    if not ids:
        raise InvalidParameter(
            f"Select {'patches' if have_patches else 'images'} in the grid first."
        )
    return view.select(ids)


def _changed(ctx: Any, done: Chosen) -> messages.Done:
    ctx.ops.clear_selected_samples()
    ctx.ops.reload_samples()
    return messages.Done.like(done, undo=done.token)
