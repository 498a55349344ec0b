"""*Tag labels or samples*: of what the App shows, all at once."""

from __future__ import annotations

from typing import Any

import fiftyone.operators.types as types

from ..core.errors import LabelvetError
from ..core.sentences import count
from ..dataset.label_counts import count_labels
from ..dataset.patches import count_images, whole_groups
from ..dataset.states import FLAGGED_TAG
from ..dataset.tags import Tagged, check_tag, describe, tag_view
from .form_operator import FormOperator
from .forms import field_input, label_tags, one_of, problem, tag_input

_TARGETS = {"labels": "Labels", "samples": "Samples"}


class TagLabels(FormOperator):
    """Adds a tag to the labels or samples of the target view, or removes it."""

    name = "tag_labels"
    label = "Tag labels or samples"
    description = "Add or remove a tag on everything that is shown or selected"
    icon = "sell"

    def fill(self, ctx: Any, inputs: types.Object) -> None:
        inputs.view_target(ctx, action_description="Tag")
        samples = ctx.target_view()
        target = one_of(ctx, inputs, "target", _TARGETS, "What to tag")
        field = None
        if target == "labels":
            field = field_input(ctx, inputs, samples, "The field whose labels are tagged")
            if field is None:
                return
        tag_input(inputs, label_tags(samples, field), "For example, needs-review")
        inputs.bool("remove", default=False, label="Remove the tag", view=types.SwitchView())
        _preview(ctx, inputs, samples, field)

    def __call__(
        self,
        sample_collection: Any,
        tag: str,
        field: str | None = None,
        remove: bool = False,
    ) -> Tagged:
        """Tags all labels of a field in a collection, or its samples.

        Example::

            tag_labels = foo.get_operator("@labelvet/labelvet/tag_labels")
            done = tag_labels(view, "needs-review", field="predictions")
            labelvet.dataset.tags.undo(dataset, done.token)

        Args:
            sample_collection: a dataset or view, a patches view too
            tag: the tag
            field: the field of the labels, None to tag the samples
            remove: whether to remove the tag instead

        Raises:
            LabelvetError: if an argument cannot be used; nothing was written then
        """
        return tag_view(sample_collection, field, tag, remove)

    def execute(self, ctx: Any) -> dict[str, Any]:
        target = ctx.params.get("target", "labels")
        field = ctx.params["field"] if target == "labels" else None
        remove = bool(ctx.params.get("remove"))
        done = tag_view(ctx.target_view(), field, ctx.params["tag"], remove)
        if not ctx.delegated:
            ctx.ops.reload_samples()
        what = "label" if field else "sample"
        return {
            "summary": describe(done, ctx.params["tag"], what, remove),
            "changed": done.changed,
            "undo": done.token,
        }


def _preview(ctx: Any, inputs: types.Object, samples: Any, field: str | None) -> None:
    try:
        check_tag(ctx.params.get("tag", FLAGGED_TAG))
    except LabelvetError as error:
        problem(inputs, error)
        return
    samples = whole_groups(samples)
    number = count_labels(samples, field) if field else count_images(samples)
    of = f" of '{field}'" if field else ""
    if number:
        verb = "lose" if ctx.params.get("remove") else "get"
        line = f"{count(number, 'label' if field else 'sample')}{of} will {verb} the tag"
        inputs.view("preview", types.Notice(label=line))
    else:
        what = f"labels{of}" if field else "samples"
        inputs.view("preview", types.Warning(label=f"There are no {what} here")).invalid = True
