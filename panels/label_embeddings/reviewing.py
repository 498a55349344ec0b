"""The review queue's methods of the panel: what to look at next, answers, and taking them back."""

from __future__ import annotations

from typing import Any

from ...core.errors import InvalidParameter
from ...core.user import current_user
from ...review.answers import VERDICTS, Answer, give_answers, take_back
from ...review.queue import next_issues
from .. import arguments
from ..web_panel import Answer as Reply
from ..web_panel import answers
from . import wire

_MAX_ITEMS = 200
_MAX_ANSWERS = 100


class Reviewing:
    """The part of *Label embeddings* that asks a reviewer about the most suspicious labels."""

    @answers
    def next_issues(self, ctx: Any) -> Reply:
        """The labels to look at next, ranked by all that is known now."""
        shown = arguments.shown_map(ctx)
        count = arguments.whole_number(ctx.params, "count", 1, _MAX_ITEMS, 40)
        queue = next_issues(ctx.dataset, shown.info.key, count)
        return {"queue": None if queue is None else wire.queue(queue, shown)}

    @answers
    def answer(self, ctx: Any) -> Reply:
        """Writes answers into labels."""
        shown = arguments.shown_map(ctx)
        given = ctx.params.get("answers")
        if not isinstance(given, list) or not 0 < len(given) <= _MAX_ANSWERS:
            raise InvalidParameter(f"Between 1 and {_MAX_ANSWERS} labels are answered at a time.")
        field = shown.info.patches_field
        if field is None:
            raise InvalidParameter("Whole images have no labels to review.")
        done = give_answers(ctx.dataset, field, [_answer(one) for one in given], _user(ctx))
        ctx.ops.reload_samples()
        return {
            "changed": done.changed,
            "refused": done.refused,
            "undo": done.token,
            "sentence": done.sentence,
        }

    @answers
    def undo_answer(self, ctx: Any) -> Reply:
        """Takes answers back."""
        done = take_back(ctx.dataset, ctx.params.get("token"))
        ctx.ops.reload_samples()
        return {"changed": done.changed, "sentence": done.sentence}


def _answer(given: Any) -> Answer:
    if not isinstance(given, dict):
        raise InvalidParameter("An answer names a label and says what it is.")
    return Answer(
        sample_id=arguments.object_id(given, "sampleId"),
        label_id=arguments.object_id(given, "id"),
        seen=arguments.optional_text(given, "seen"),
        verdict=arguments.choice(given, "verdict", VERDICTS, ""),
        label=arguments.optional_text(given, "label"),
    )


def _user(ctx: Any) -> str:
    """Who answers: FiftyOne Enterprise knows, elsewhere it is who runs the App."""
    return str(ctx.user_id or current_user())
