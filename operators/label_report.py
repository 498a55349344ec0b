"""*Label report*: a page that can be shown to somebody without FiftyOne."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import fiftyone.operators.types as types

from .form_operator import FormOperator
from .forms import run_input


class LabelReport(FormOperator):
    """Writes what is known of the labels of a visualization as a page of HTML, and as JSON."""

    name = "label_report"
    label = "Label report"
    description = "Write how good the labels are, with the evidence, as a page and as JSON"
    icon = "summarize"

    def fill(self, ctx: Any, inputs: types.Object) -> None:
        if run_input(ctx, inputs, "Its labels are reported on", "is reported on") is None:
            return
        inputs.bool(
            "json",
            default=False,
            label="As JSON",
            description="For scripts; the default is a page for people that needs no server",
        )

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
        from ..proof.report import label_report, report_json, report_page

        report = label_report(ctx.dataset, ctx.params["brain_key"])
        as_json = bool(ctx.params.get("json"))
        text = report_json(report) if as_json else report_page(report)
        kind, ending = ("application/json", "json") if as_json else ("text/html", "html")
        name = f"{ctx.dataset.name}-{ctx.params['brain_key']}.{ending}"
        # the browser saves it: nobody names a file of the server's in a form
        content = b64encode(text.encode()).decode()
        ctx.ops.browser_download(f"data:{kind};charset=utf-8;base64,{content}", name)
        return {"summary": f"Downloaded: `{name}`."}
