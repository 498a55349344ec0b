"""*Bring back*: what was corrected in an annotation tool, merged into the labels that were sent."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event
from typing import Any

import fiftyone as fo
import fiftyone.operators as foo
import fiftyone.operators.types as types

from ..core.progress import Report
from ..core.sentences import count
from ..core.user import user_of
from ..handover.bringing import bring_back
from ..handover.records import list_handovers
from ..handover.tools import LABEL_STUDIO, title
from .forms import drop_down, nothing, one_of
from .long_operator import LongOperator, schedule_on
from .summary import show_lines

_CONFLICTS = {
    "list": "Leave them as they are, and list them",
    "ours": "Keep what they are here",
    "theirs": "Take what came back",
}

# how many conflicts are listed
_LISTED = 100


class BringBack(LongOperator):
    """Merges what was corrected in an annotation tool into the labels that were sent."""

    name = "bring_back"
    label = "Bring back"
    description = "Bring back labels that were sent for correction; it can be undone"
    icon = "move_to_inbox"

    def fill(self, ctx: Any, inputs: types.Object) -> None:
        runs = ctx.dataset.list_annotation_runs()
        sent = {one.anno_key: one for one in list_handovers(ctx.dataset) if one.anno_key in runs}
        if not sent:
            nothing(inputs, "none", "Nothing was sent yet: use Send for correction first")
            return
        keys = list(sent)
        key = drop_down(
            ctx, inputs, "anno_key", keys,
            label="Annotation key", about="What was sent", default=keys[0],
        )  # fmt: skip
        if key is None:
            return
        one = sent[key]
        line = (
            f"{count(one.labels, 'label')} of '{one.field}', sent to {title(one.backend)} by "
            f"{one.by} on {one.at:%Y-%m-%d}"
        )
        inputs.view("sent", types.Notice(label=line))
        inputs.bool(
            "remove", default=False, label="Remove what was deleted there",
            description=f"To '{one.field}_removed', from where it can come back until Finish",
            view=types.SwitchView(),
        )  # fmt: skip
        one_of(ctx, inputs, "conflicts", _CONFLICTS, "Labels that were changed here, too")
        if one.backend != LABEL_STUDIO:
            inputs.bool(
                "finished", default=False, label="All of it was looked at",
                description="Labels that nobody changed are then reviewed, and their suggestions "
                "taken",
                view=types.SwitchView(),
            )  # fmt: skip
        schedule_on(ctx, inputs)

    def __call__(
        self,
        sample_collection: fo.core.collections.SampleCollection,
        anno_key: str,
        *,
        remove: bool = False,
        conflicts: str = "list",
        finished: bool = False,
        delegate: bool = False,
    ) -> Any:
        """Runs the operator from Python, as the App would.

        Args:
            sample_collection: the dataset, or any view of it
            anno_key: names what was sent
            remove: whether labels that were deleted there are removed
            conflicts: of labels that both sides changed, `list` them, keep `ours` or take `theirs`
            finished: whether all of it was looked at, where the tool does not say so itself
            delegate: whether to queue the run for a worker

        Raises:
            fiftyone.operators.executor.ExecutionError: if an input is wrong or the run fails
        """
        ctx = {"view": sample_collection.view(), "request_delegation": delegate}
        params = {
            "anno_key": anno_key, "remove": remove, "conflicts": conflicts, "finished": finished,
        }  # fmt: skip
        return foo.execute_operator(self.uri, ctx, params=params)

    def call(self, ctx: Any, progress: Report, cancelled: Event) -> Any:
        params = ctx.params
        return bring_back(
            ctx.dataset,
            params["anno_key"],
            remove=bool(params.get("remove")),
            conflicts=params.get("conflicts", "list"),
            finished=bool(params.get("finished")),
            by=user_of(ctx),
            progress=progress,
            cancelled=cancelled,
        )

    def show(self, ctx: Any, result: Any) -> Iterator[Any]:
        lines = [result.summary(), ""]
        lines += [f"- {conflict}" for conflict in result.conflicts[:_LISTED]]
        if len(result.conflicts) > _LISTED:
            lines.append(f"- and {len(result.conflicts) - _LISTED:,} more")
        yield ctx.ops.show_output(*show_lines(self.label, lines))
