"""*Filter labels*: some labels of a field, as the App's view."""

from __future__ import annotations

from typing import Any

import fiftyone.operators.types as types

from ..core.errors import LabelvetError
from ..core.sentences import count
from ..dataset.label_counts import count_labels, list_classes
from ..dataset.label_views import count_filtered, filter_labels
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
            half = types.FieldView(space=6)
            inputs.float("min_confidence", label="Minimum confidence", min=0, max=1, view=half)
            inputs.float("max_confidence", label="Maximum confidence", min=0, max=1, view=half)
            several(inputs, "classes", list_classes(view, field), "Classes", "Leave empty for all")
            several(inputs, "tags", label_tags(view, field), "Tags", "Leave empty for all")
            _preview(ctx, inputs, view, field)

    def __call__(
        self,
        sample_collection: Any,
        field: str,
        *,
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
        return filter_labels(sample_collection, field, bounds, classes=classes, tags=tags)

    def execute(self, ctx: Any) -> dict[str, Any]:
        field = ctx.params["field"]
        view = filter_labels(app_view(ctx), field, **_which(ctx))
        ctx.ops.set_view(view)
        return {"labels": count_labels(view, field), "samples": view.count()}

    def resolve_output(self, ctx: Any) -> types.Property:
        outputs = types.Object()
        outputs.int("labels", label="Labels")
        outputs.int("samples", label="Images or patches")
        return types.Property(outputs, view=types.View(label="The App shows the result"))


def _which(ctx: Any) -> dict[str, Any]:
    params = ctx.params
    bounds = params.get("min_confidence"), params.get("max_confidence")
    return {"confidence": bounds, "classes": params.get("classes"), "tags": params.get("tags")}


def _preview(ctx: Any, inputs: types.Object, view: Any, field: str) -> None:
    names = ("min_confidence", "max_confidence", "classes", "tags")
    if all(ctx.params.get(name) in (None, []) for name in names):
        hint = types.Notice(label="Enter a confidence range, classes, or tags")
        inputs.view("hint", hint).invalid = True
        return
    try:
        kept = count_filtered(view, field, **_which(ctx))
    except LabelvetError as error:
        problem(inputs, error)
        return
    if kept:
        line = f"{kept:,} of {count(count_labels(view, field), 'label')} will be shown"
        inputs.view("preview", types.Notice(label=line))
    else:
        inputs.view("preview", types.Warning(label="No labels match")).invalid = True
