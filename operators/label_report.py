"""*Label report*: a page that can be shown to somebody without FiftyOne."""

from __future__ import annotations

from typing import Any

import fiftyone.operators.types as types

from .audit_labels import run_input
from .form_operator import FormOperator


class LabelReport(FormOperator):
    """Writes what is known of the labels of a visualization as a page of HTML, and as JSON."""

    name = "label_report"
    label = "Label report"
    description = "Write how good the labels are, with the evidence, as a page and as JSON"
    icon = "summarize"

    def fill(self, ctx: Any, inputs: types.Object) -> None:
        if run_input(ctx, inputs, "Its labels are reported on") is None:
            return
        inputs.str(
            "path",
            required=True,
            label="File",
            description="On the machine of the App's server: /folder/labels.html. The same as JSON "
            "is written beside it",
        )
        inputs.bool("overwrite", default=False, label="Replace files that exist")

    def __call__(
        self, dataset: Any, brain_key: str, path: str, overwrite: bool = False
    ) -> tuple[Any, Any]:
        """Writes the report.

        Args:
            dataset: the dataset
            brain_key: a visualization of a field's labels
            path: of the page, which ends in ``.html``
            overwrite: whether files that exist are replaced

        Returns:
            the paths of the page and of the JSON

        Raises:
            LabelvetError: if it cannot be written there, or there is no such visualization
        """
        from ..proof.report import write_report

        return write_report(dataset, brain_key, path, overwrite)

    def execute(self, ctx: Any) -> dict[str, Any]:
        params = ctx.params
        page, data = self(
            ctx.dataset, params["brain_key"], params.get("path"), bool(params.get("overwrite"))
        )
        return {"summary": f"Written: `{page}` and `{data}`."}
