"""*Send for correction*: boxes go to an annotation tool, with what they are or should be."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event
from typing import Any

import fiftyone as fo
import fiftyone.operators as foo
import fiftyone.operators.types as types

from ..core.errors import LabelvetError
from ..core.progress import Report
from ..core.sentences import count
from ..core.user import user_of
from ..dataset.patches import whole_groups
from ..dataset.removed import without_removed
from ..handover.sending import check_key, count_sendable, list_sendable_fields, send_for_correction
from ..handover.tools import check_tool, list_tools
from .forms import drop_down, nothing, problem
from .long_operator import LongOperator, schedule_on


class SendForCorrection(LongOperator):
    """Sends boxes to Label Studio or CVAT through FiftyOne's own annotation."""

    name = "send_for_correction"
    label = "Send for correction"
    description = "Send flagged or shown boxes to Label Studio or CVAT"
    icon = "outbox"

    def fill(self, ctx: Any, inputs: types.Object) -> None:
        inputs.view_target(ctx, action_description="Send")
        samples = whole_groups(ctx.target_view())
        fields = without_removed(samples, list_sendable_fields(samples))
        if not fields:
            nothing(inputs, "no_fields", "There are no boxes here: add a field of them first")
            return
        field = drop_down(
            ctx, inputs, "field", fields, label="Label field", about="The boxes to correct"
        )
        tools = list_tools()
        if not tools:
            nothing(inputs, "no_tools", "FiftyOne's annotation config names no tool to send to")
            return
        about = "Its server and credentials are those of FiftyOne's annotation config"
        backend = drop_down(
            ctx,
            inputs,
            "backend",
            list(tools),
            label="Annotation tool",
            about=about,
            default=next(iter(tools)),
            titles=tools,
        )
        inputs.str(
            "anno_key", required=True, label="Annotation key",
            description="Names what is sent, to bring it back by: for example, round_1",
        )  # fmt: skip
        for name, default, label, said in _SWITCHES:
            inputs.bool(
                name, default=default, label=label, description=said, view=types.SwitchView()
            )
        if field is None or backend is None:
            return
        try:
            check_tool(backend)
            if ctx.params.get("anno_key"):
                check_key(ctx.dataset, ctx.params["anno_key"])
        except LabelvetError as error:
            problem(inputs, error)
            return
        flagged = bool(ctx.params.get("flagged", True))
        whole_images = bool(ctx.params.get("whole_images"))
        number = count_sendable(samples, field, flagged, whole_images)
        if number:
            what = f"{count(number, 'label')} of '{field}'"
            if whole_images:
                line = f"{what} will be sent, with the others of their images"
            else:
                line = f"{what} will be sent; approved ones stay here"
            inputs.view("preview", types.Notice(label=line))
        else:
            tagged = " that are tagged needs-review" if flagged else ""
            nothing(inputs, "preview", f"There are no labels of '{field}'{tagged} here")
        schedule_on(ctx, inputs)

    def __call__(
        self,
        sample_collection: fo.core.collections.SampleCollection,
        field: str,
        anno_key: str,
        backend: str | None = None,
        *,
        flagged: bool = True,
        whole_images: bool = False,
        suggestions: bool = True,
        delegate: bool = False,
    ) -> Any:
        """Runs the operator from Python, as the App would.

        Args:
            sample_collection: the dataset or a view, a patches view too
            field: a field of Detections
            anno_key: names what is sent, and FiftyOne's annotation run
            backend: `labelstudio` or `cvat`; None for the default of FiftyOne's annotation config
            flagged: whether only labels that are tagged `needs-review` are sent
            whole_images: whether the other labels of their images are sent, too
            suggestions: whether a label goes with the class or box that Find label issues suggests
            delegate: whether to queue the run for a worker

        Raises:
            fiftyone.operators.executor.ExecutionError: if an input is wrong or the run fails
        """
        ctx = {"view": sample_collection.view(), "request_delegation": delegate}
        params = {
            "field": field, "anno_key": anno_key, "backend": backend, "flagged": flagged,
            "whole_images": whole_images, "suggestions": suggestions,
        }  # fmt: skip
        return foo.execute_operator(self.uri, ctx, params=params)

    def call(self, ctx: Any, progress: Report, cancelled: Event) -> Any:
        params = ctx.params
        return send_for_correction(
            ctx.target_view(),
            params["field"],
            params["anno_key"],
            params.get("backend"),
            **{name: bool(params.get(name, default)) for name, default, *_ in _SWITCHES},
            by=user_of(ctx),
            progress=progress,
            cancelled=cancelled,
        )

    def show(self, ctx: Any, result: Any) -> Iterator[Any]:
        yield ctx.ops.notify(result.summary(), variant="success")


# name, default, label, description
_SWITCHES = (
    ("flagged", True, "Only flagged labels", "Those tagged needs-review; off sends all of them"),
    (
        "whole_images", False, "With the other labels of their images",
        "So that nobody draws again what has a label",
    ),
    (
        "suggestions", True, "As suggested",
        "With the class or box that Find label issues suggests, where it does",
    ),
)  # fmt: skip
