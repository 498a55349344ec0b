"""*Exclude tagged*: the App's view without what has a tag."""

from __future__ import annotations

from typing import Any

import fiftyone.operators.types as types

from ..core.errors import LabelvetError
from ..dataset.label_views import exclude_tagged
from ..dataset.states import FLAGGED_TAG
from .form_operator import FormOperator
from .forms import app_view, field_input, label_tags, one_of, problem, tag_input

_LEVELS = {
    "labels": "Hide labels with the tag and keep their images",
    "images": "Hide images that have the tag or a label with it",
}


class ExcludeTagged(FormOperator):
    """Leaves labels or images that have a tag out of the App's view."""

    name = "exclude_tagged"
    label = "Exclude tagged"
    description = "Hide what was flagged"
    icon = "label_off"

    def fill(self, ctx: Any, inputs: types.Object) -> None:
        view = app_view(ctx)
        field = field_input(ctx, inputs, view, "The field whose labels are tagged")
        if field is not None:
            tag_input(inputs, label_tags(view, field), "The tag to leave out")
            level = one_of(ctx, inputs, "level", _LEVELS, "How")
            try:
                tag = ctx.params.get("tag", FLAGGED_TAG)
                _, sentence = exclude_tagged(view, tag, field, level)
                inputs.view("preview", types.Notice(label=sentence))
            except LabelvetError as error:
                problem(inputs, error)

    def __call__(self, sample_collection: Any, tag: str, field: str, level: str = "labels") -> Any:
        """Returns the view without what has the tag.

        Args:
            sample_collection: a dataset or view, a patches view too
            tag: the tag
            field: the field of the labels
            level: "labels" or "images", see the form

        Raises:
            LabelvetError: if an argument cannot be used
        """
        return exclude_tagged(sample_collection, tag, field, level)[0]

    def execute(self, ctx: Any) -> dict[str, Any]:
        level = ctx.params.get("level", "labels")
        view, sentence = exclude_tagged(
            app_view(ctx), ctx.params["tag"], ctx.params["field"], level
        )
        ctx.ops.set_view(view)
        return {"summary": sentence}
