"""*Filter labels*: some labels of a field, as the App's view."""

from __future__ import annotations

from typing import Any

import fiftyone.operators.types as types

from ..core.errors import LabelvetError
from ..dataset.label_views import filter_labels
from ..dataset.patches import label_root
from .form_operator import FormOperator
from .forms import app_view, field_input, label_tags, problem, several


class FilterLabels(FormOperator):
    """Keeps the labels of a field that have some confidence, classes or tags."""

    name = "filter_labels"
    label = "Filter labels"
    description = "Show labels by confidence, class and tag"
    icon = "filter_alt"

    def fill(self, ctx: Any, inputs: types.Object) -> None:
        view = app_view(ctx)
        field = field_input(
            ctx, inputs, view, "The labels to filter; other fields stay as they are"
        )
        if field is not None:
            root, _ = label_root(view, field)
            half = types.FieldView(space=6)
            inputs.float("min_confidence", label="Minimum confidence", min=0, max=1, view=half)
            inputs.float("max_confidence", label="Maximum confidence", min=0, max=1, view=half)
            classes = sorted(str(c) for c in view.distinct(f"{root}.label") if c is not None)
            several(inputs, "classes", classes, "Classes", "Leave empty for all")
            several(inputs, "tags", label_tags(view, field), "Tags", "Leave empty for all")
            _preview(ctx, inputs, view, field, root)

    def __call__(
        self,
        sample_collection: Any,
        field: str,
        min_confidence: float | None = None,
        max_confidence: float | None = None,
        classes: list[str] | None = None,
        tags: list[str] | None = None,
    ) -> Any:
        """Returns the view, as the App would show it.

        Example::

            filter_labels = foo.get_operator("@labelvet/labelvet/filter_labels")
            doubtful = filter_labels(dataset, "predictions", max_confidence=0.4)

        Args:
            sample_collection: a dataset or view
            field: a label field
            min_confidence: the lowest confidence, None for any
            max_confidence: the highest confidence, None for any
            classes: the classes to keep, None for all
            tags: labels with any of these tags are kept, None for all

        Raises:
            LabelvetError: if an argument cannot be used
        """
        bounds = min_confidence, max_confidence
        return filter_labels(sample_collection, field, bounds, classes, tags)

    def execute(self, ctx: Any) -> dict[str, Any]:
        view = _filtered(ctx, app_view(ctx), ctx.params["field"])
        ctx.ops.set_view(view)
        root, _ = label_root(view, ctx.params["field"])
        return {"labels": view.count(root), "samples": view.count()}

    def resolve_output(self, ctx: Any) -> types.Property:
        outputs = types.Object()
        outputs.int("labels", label="Labels")
        outputs.int("samples", label="Images or patches")
        return types.Property(outputs, view=types.View(label="The App shows the result"))


def _filtered(ctx: Any, view: Any, field: str) -> Any:
    params = ctx.params
    bounds = params.get("min_confidence"), params.get("max_confidence")
    return filter_labels(view, field, bounds, params.get("classes"), params.get("tags"))


def _preview(ctx: Any, inputs: types.Object, view: Any, field: str, root: str) -> None:
    names = ("min_confidence", "max_confidence", "classes", "tags")
    if all(ctx.params.get(name) in (None, []) for name in names):
        hint = types.Notice(label="Enter a confidence range, classes, or tags")
        inputs.view("hint", hint).invalid = True
        return
    try:
        kept = _filtered(ctx, view, field).count(root)
    except LabelvetError as error:
        problem(inputs, error)
        return
    line = f"{kept:,} of {view.count(root):,} labels will be shown"
    if kept:
        inputs.view("preview", types.Notice(label=line))
    else:
        inputs.view("preview", types.Warning(label="No labels match")).invalid = True
