"""*Check boxes*: what is conspicuous about boxes by themselves, without a visualization."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event
from typing import Any

import fiftyone as fo
import fiftyone.operators as foo
import fiftyone.operators.types as types

from ..core.progress import Report
from ..dataset.patches import is_of_whole_images, list_stored_fields
from ..dataset.removed import without_removed
from .forms import drop_down, nothing
from .long_operator import LongOperator, schedule_on


class CheckBoxes(LongOperator):
    """Writes what is conspicuous about the boxes and masks of a field into its labels."""

    name = "check_boxes"
    label = "Check boxes"
    description = "Find slivers, tiny, nested and odd boxes, and masks with holes or islands"
    icon = "crop_free"

    def fill(self, ctx: Any, inputs: types.Object) -> None:
        fields = [
            name
            for name in without_removed(ctx.dataset, list_stored_fields(ctx.dataset))
            if not is_of_whole_images(ctx.dataset, name)
        ]
        if not fields:
            nothing(inputs, "none", "This dataset has no labels with boxes: add some first")
        about = (
            "All its labels are checked, and no visualization is needed. What is unusual about "
            "boxes and masks is listed in the attribute 'geometry', which the sidebar can filter by"
        )
        drop_down(ctx, inputs, "field", fields, label="Label field", about=about)
        schedule_on(ctx, inputs)

    def __call__(
        self,
        sample_collection: fo.core.collections.SampleCollection,
        field: str,
        delegate: bool = False,
    ) -> Any:
        """Runs the operator from Python, as the App would.

        Args:
            sample_collection: the dataset, or any view of it
            field: a field whose labels have boxes
            delegate: whether to queue the run for a worker

        Raises:
            fiftyone.operators.executor.ExecutionError: if an input is wrong or the run fails
        """
        ctx = {"view": sample_collection.view(), "request_delegation": delegate}
        return foo.execute_operator(self.uri, ctx, params={"field": field})

    def call(self, ctx: Any, progress: Report, cancelled: Event) -> Any:
        from ..issues.box_checks import check_boxes

        return check_boxes(ctx.dataset, ctx.params["field"], progress=progress, cancelled=cancelled)

    def show(self, ctx: Any, result: Any) -> Iterator[Any]:
        yield ctx.ops.notify(result.summary(), variant="success")
