"""*Merge classes*: all labels of a class become labels of another, after a question."""

from __future__ import annotations

from typing import Any

import fiftyone as fo
import fiftyone.operators.types as types

from ..core.errors import LabelvetError
from ..core.sentences import agree, count
from ..core.user import user_of
from ..dataset.storage import stored_name
from ..review.merging import Merged, check_merge, count_classes, merge_classes
from .form_operator import FormOperator
from .forms import MOST_CHOICES, field_input, nothing, problem


class MergeClasses(FormOperator):
    """Gives all labels of a class the name of another class."""

    name = "merge_classes"
    label = "Merge classes"
    description = "Rename all labels of a class to another class; it can be undone"
    icon = "merge"

    def fill(self, ctx: Any, inputs: types.Object) -> None:
        field = field_input(ctx, inputs, ctx.dataset, "The labels to rename", frames=True)
        if field is None:
            return
        counts = count_classes(ctx.dataset, field)
        if len(counts) < 2:
            nothing(inputs, "few", f"'{field}' has fewer than two classes: nothing to merge")
            return
        rarest = sorted(counts, key=lambda name: (counts[name], name))
        _class_input(inputs, "label", "Merge", rarest, counts)
        _class_input(inputs, "into", "Into", rarest[::-1], counts)
        label, into = ctx.params.get("label"), ctx.params.get("into")
        if not label or not into:
            return
        try:
            number, approved = check_merge(ctx.dataset, field, label, into, counts)
        except LabelvetError as error:
            problem(inputs, error)
            return
        what = f"{count(number, 'label')} of '{label}', in the whole dataset, will be '{into}'"
        if approved:
            what += f"; {count(approved, 'approved label')} {agree(approved, 'stays', 'stay')}"
        inputs.view("preview", types.Notice(label=what))

    def __call__(
        self, sample_collection: fo.core.collections.SampleCollection, field: str, label: str,
        into: str,
    ) -> Merged:  # fmt: skip
        """Merges a class into another, in all of the dataset.

        Example::

            merge_classes = foo.get_operator("@labelvet/labelvet/merge_classes")
            done = merge_classes(dataset, "predictions", "cat", "dog")

        Args:
            sample_collection: the dataset, or any view of it
            field: the field of the labels
            label: the class that goes
            into: the class that it becomes, which has labels already

        Raises:
            LabelvetError: if an argument cannot be used; nothing was written then
        """
        name = stored_name(sample_collection, field)
        return merge_classes(sample_collection._root_dataset, name, label, into)

    def execute(self, ctx: Any) -> dict[str, Any]:
        params = ctx.params
        done = merge_classes(
            ctx.dataset, params["field"], params["label"], params["into"],
            by=user_of(ctx),
        )  # fmt: skip
        if not ctx.delegated:
            ctx.ops.reload_dataset()
        return {"summary": done.sentence, "changed": done.changed, "undo": done.token}


def _class_input(
    inputs: types.Object, name: str, label: str, classes: list[str], counts: dict[str, int]
) -> None:
    choices = types.AutocompleteView(allow_user_input=len(classes) > MOST_CHOICES)
    for each in classes[:MOST_CHOICES]:
        choices.add_choice(each, label=each, description=count(counts[each], "label"))
    inputs.str(name, required=True, label=label, view=choices)
