"""*Find label issues* and *Remove label issues*: the forms, and one call into the engine each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from threading import Event
from typing import Any

import fiftyone as fo
import fiftyone.operators as foo
import fiftyone.operators.types as types

from ..core.errors import LabelvetError
from ..core.progress import Report
from ..core.sentences import count
from ..dataset.brain_runs import run_field
from ..dataset.patches import list_comparable_fields
from .forms import NO_RUNS, drop_down, nothing, problem, say_first_field
from .long_operator import LongOperator, schedule_on


class FindLabelIssues(LongOperator):
    """Judges the labels of a visualization and writes what is suspected into them."""

    name = "find_label_issues"
    label = "Find label issues"
    description = "Find labels that are probably wrong, say why, and suggest the class"
    icon = "troubleshoot"

    def fill(self, ctx: Any, inputs: types.Object) -> None:
        keys = ctx.dataset.list_brain_runs(type="visualization")
        if not keys:
            nothing(inputs, "none", NO_RUNS)
        about = "The labels of this visualization are checked"
        drop_down(ctx, inputs, "brain_key", keys, label="Visualization", about=about)
        key = ctx.params.get("brain_key")
        own = run_field(ctx.dataset, key) if key in keys else None
        if own:
            say_first_field(ctx, inputs, key, "is checked")
        fields = types.DropdownView(multiple=True)
        try:
            for field in list_comparable_fields(ctx.dataset, own) if own else ():
                fields.add_choice(field, label=field)
        except LabelvetError as error:  # the labels of the visualization are gone
            problem(inputs, error)
        inputs.list(
            "second_fields",
            types.String(),
            label="Other fields to compare with",
            description="Labels of other models, ground truth or another annotator, on the same "
            "images. A second detector is the strongest evidence about a detector's boxes: Auto "
            "label can make one. Objects that these fields have and the labels lack are reported "
            "as missed",
            view=fields,
        )
        schedule_on(ctx, inputs)

    def __call__(
        self,
        sample_collection: fo.core.collections.SampleCollection,
        brain_key: str,
        second_fields: str | Sequence[str] | None = None,
        delegate: bool = False,
    ) -> Any:
        """Runs the operator from Python, as the App would.

        Args:
            sample_collection: the dataset, or any view of it
            brain_key: a visualization of a patches field
            second_fields: other label fields of the same images, one or several, to be asked about
                each label, and to find missed objects by
            delegate: whether to queue the run for a worker

        Raises:
            fiftyone.operators.executor.ExecutionError: if an input is wrong or the run fails
        """
        ctx = {"view": sample_collection.view(), "request_delegation": delegate}
        names = [second_fields] if isinstance(second_fields, str) else list(second_fields or ())
        params = {"brain_key": brain_key, "second_fields": names}
        return foo.execute_operator(self.uri, ctx, params=params)

    def call(self, ctx: Any, progress: Report, cancelled: Event) -> Any:
        from ..issues.find import find_label_issues

        return find_label_issues(
            ctx.dataset,
            ctx.params["brain_key"],
            second_fields=ctx.params.get("second_fields"),
            progress=progress,
            cancelled=cancelled,
        )

    def show(self, ctx: Any, result: Any) -> Iterator[Any]:
        yield ctx.ops.notify(result.summary(), variant="success")


class RemoveLabelIssues(foo.Operator):
    """Removes what *Find label issues* wrote."""

    @property
    def config(self) -> foo.OperatorConfig:
        return foo.OperatorConfig(
            name="remove_label_issues",
            label="Remove label issues",
            description="Remove the attributes that Find label issues wrote",
            icon="layers_clear",
        )

    def __call__(self, sample_collection: fo.core.collections.SampleCollection) -> Any:
        """Runs the operator from Python, as the App would."""
        return foo.execute_operator(self.uri, {"view": sample_collection.view()}, params={})

    def execute(self, ctx: Any) -> None:
        from ..issues.writing import remove_label_issues

        try:
            removed = remove_label_issues(ctx.dataset)
        except LabelvetError as error:
            ctx.ops.notify(str(error), variant="error")
            raise
        ctx.ops.reload_dataset()
        line = (
            f"{count(len(removed), 'attribute was', 'attributes were')} removed."
            if removed
            else "There were no label issues to remove."
        )
        ctx.ops.notify(line, variant="success")
