"""*Save tagged view*: what has a tag, as a saved view that stays up to date."""

from __future__ import annotations

from typing import Any

import fiftyone.operators.types as types

from ..core.errors import LabelvetError
from ..core.sentences import count
from ..dataset.label_counts import count_labels
from ..dataset.label_views import SavedView, all_tagged, save_tagged_view
from ..dataset.states import FLAGGED_TAG
from .form_operator import FormOperator
from .forms import field_input, label_tags, one_of, problem, tag_input

_TARGETS = {"labels": "Labels that have the tag", "samples": "Samples that have the tag"}


class SaveTaggedView(FormOperator):
    """Saves the view of what has a tag, as a query and not as a list."""

    name = "save_tagged_view"
    label = "Save tagged view"
    description = "Save a view of everything that has a tag; it stays up to date"
    icon = "bookmark_add"

    def fill(self, ctx: Any, inputs: types.Object) -> None:
        target = one_of(ctx, inputs, "target", _TARGETS, "What the view shows")
        field = None
        if target == "labels":
            field = field_input(
                ctx, inputs, ctx.dataset, "The field whose labels the view shows", frames=True
            )
            if field is None:
                return
        tag_input(inputs, label_tags(ctx.dataset, field), "The view shows what has this tag")
        inputs.str(
            "name", label="Name", description="The name of the saved view; the tag by default"
        )
        _preview(ctx, inputs, field)

    def __call__(
        self, dataset: Any, tag: str, field: str | None = None, name: str | None = None
    ) -> SavedView:
        """Saves the view.

        Args:
            dataset: the dataset
            tag: the tag
            field: the field of the labels, None for samples
            name: the name of the view, by default the tag

        Raises:
            LabelvetError: if an argument cannot be used, or the name belongs to another view
        """
        return save_tagged_view(dataset, tag, field, name)

    def execute(self, ctx: Any) -> dict[str, Any]:
        field = ctx.params["field"] if ctx.params.get("target", "labels") == "labels" else None
        saved = save_tagged_view(ctx.dataset, ctx.params["tag"], field, ctx.params.get("name"))
        ctx.ops.reload_dataset()  # the App reads its list of saved views with the dataset
        return {"summary": saved.sentence, "name": saved.name}


def _preview(ctx: Any, inputs: types.Object, field: str | None) -> None:
    try:
        view = all_tagged(ctx.dataset, ctx.params.get("tag", FLAGGED_TAG), field)
    except LabelvetError as error:
        problem(inputs, error)
        return
    number = count_labels(view, field) if field else view.count()
    what = "label" if field else "sample"
    line = f"{count(number, f'{what} has', f'{what}s have')} the tag now"
    inputs.view("preview", types.Notice(label=line))
