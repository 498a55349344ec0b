"""The review queue's methods of the panel: what to look at next, and answers."""

from __future__ import annotations

from typing import Any

from ...core.errors import InvalidParameter
from ...core.packed import unpack_rows
from ...core.sentences import listed
from ...core.user import user_of
from ...dataset.documents import LabelIds
from ...proof.audits import begin_audit, current_audit
from ...proof.results import next_questions, read_result
from ...proof.second_answers import give_second_answers
from ...review.answers import give_answers
from ...review.many import answer_many, plan_answers
from ...review.queue import next_issues
from ...review.tracks import with_tracks
from ...review.verdicts import Answer
from ..web_panel import exposed
from . import messages
from .open_map import labels_of, open_map


class ReviewMethods:
    """The part of *Label embeddings* that asks a reviewer about the most suspicious labels."""

    @exposed
    def next_issues(self, ctx: Any, request: messages.NextIssuesRequest) -> messages.NextIssues:
        """The labels to look at next, ranked by all that is known now, or as an audit drew them."""
        shown = open_map(ctx, request)
        if request.audit:
            asked = next_questions(ctx.dataset, shown.info.key, request.count, user_of(ctx))
            audit = None if asked is None else messages.Queue.of_audit(asked, shown)
            return messages.NextIssues(queue=audit)
        queue = next_issues(ctx.dataset, shown.info.key, request.count)
        return messages.NextIssues(queue=None if queue is None else messages.Queue.of(queue, shown))

    @exposed
    def begin_audit(self, ctx: Any, request: messages.BeginAuditRequest) -> messages.Done:
        """Begins an audit of the run's labels, or goes on with the one that there is."""
        key = open_map(ctx, request).info.key
        audit = None if request.anew else current_audit(ctx.dataset, key)
        if audit is None:
            audit = begin_audit(ctx.dataset, key, by=user_of(ctx))
        return messages.Done(sentence=read_result(ctx.dataset, audit).sentence)

    @exposed
    def answer(self, ctx: Any, request: messages.AnswerRequest) -> messages.Answered:
        """Writes answers into labels; second ones stay with the audit that asked for them."""
        info = open_map(ctx, request).info
        field = info.field
        if field is None:
            raise InvalidParameter("Whole images have no labels to review.")
        given = [
            Answer(one.sample_id, one.id, one.seen, one.verdict, one.label, one.box, one.seen_box)
            for one in request.answers
        ]
        if request.again:
            audit = current_audit(ctx.dataset, info.key)
            done = give_second_answers(ctx.dataset, audit, given, user_of(ctx))
            return messages.Answered.like(done, undo=done.token)
        if request.along:
            given = with_tracks(ctx.dataset, info.key, given)
        done = give_answers(ctx.dataset, field, given, user_of(ctx))
        ctx.ops.reload_samples()
        return messages.Answered.like(done, undo=done.token)

    @exposed
    def plan_many(self, ctx: Any, request: messages.AnswerManyRequest) -> messages.Plan:
        """What one answer for the selected labels would do."""
        plan = plan_answers(ctx.dataset, *_labels(ctx, request), request.way, request.label)
        return messages.Plan(count=len(plan.answers), sentence=plan.sentence)

    @exposed
    def answer_many(self, ctx: Any, request: messages.AnswerManyRequest) -> messages.Answered:
        """Gives one answer for the selected labels."""
        done = answer_many(
            ctx.dataset, *_labels(ctx, request), request.way, request.label, user=user_of(ctx)
        )
        ctx.ops.reload_samples()
        return messages.Answered.like(done, undo=done.token)


def _labels(ctx: Any, request: messages.AnswerManyRequest) -> tuple[str, LabelIds]:
    """The selected labels, and their field."""
    shown = open_map(ctx, request)
    if shown.info.field is None:
        raise InvalidParameter("Whole images have no labels to review.")
    rows = unpack_rows(request.rows, len(shown))
    if not len(rows):
        raise InvalidParameter("Select labels first: lasso them, or click a cluster.")
    (field, of_field), *others = labels_of(shown, rows).items()
    if others:
        names = listed([f"'{field}'", *(f"'{name}'" for name, _ in others)])
        raise InvalidParameter(
            f"The selection has labels of {names}, and one answer is for those of one field: click "
            "a field in the selection to keep its labels alone."
        )
    return field, of_field
