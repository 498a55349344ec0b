"""*Update visualization*: what has changed since a run, one call into the engine, the report."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from threading import Event, Thread
from typing import Any

import fiftyone as fo
import fiftyone.operators as foo
import fiftyone.operators.types as types

from ..core.errors import LabelvetError
from ..core.progress import Report
from ..dataset.brain_runs import find_run
from ..visualization.update import recent_changes
from .forms import advanced_switch, batch_inputs, device_input, filled, nothing, refuse
from .long_operator import LongOperator, schedule_on
from .summary import report

COMPARING = "labelvet compares ahead"

_PARAMETERS = ("brain_key", "weights", "device", "batch_size", "num_workers")


class UpdateVisualization(LongOperator):
    """Places the labels that are new since a visualization was computed on its map."""

    name = "update_visualization"
    label = "Update visualization"
    description = "Add new labels to a visualization and drop deleted ones"
    icon = "update"

    def fill(self, ctx: Any, inputs: types.Object) -> None:
        keys = ctx.dataset.list_brain_runs(type="visualization")
        if not keys:
            nothing(inputs, "none", "This dataset has no visualization: compute one first")
            return
        choices = types.DropdownView()
        for key in keys:
            choices.add_choice(key, label=key)
        chosen = inputs.enum(
            "brain_key",
            choices.values(),
            required=True,
            label="Brain key",
            description="The visualization to update; its other points stay in place",
            view=choices,
        )
        if key := ctx.params.get("brain_key"):
            try:
                _changes(inputs, recent_changes(ctx.dataset, key))
            except LabelvetError as error:
                refuse(chosen, str(error))
        else:
            _compare_ahead(ctx.dataset, keys)
        if advanced_switch(ctx, inputs, "Checkpoint, device"):
            _advanced(inputs)
        schedule_on(ctx, inputs)

    def __call__(
        self,
        sample_collection: fo.core.collections.SampleCollection,
        brain_key: str,
        delegate: bool = False,
        **params: Any,
    ) -> Any:
        """Runs the operator from Python, as the App would.

        Args:
            sample_collection: the dataset of the run
            brain_key: the key of the run
            delegate: whether to queue the update for a worker
            **params: other inputs of the form, by name

        Raises:
            fiftyone.operators.executor.ExecutionError: if an input is wrong or the update fails
        """
        ctx = {"view": sample_collection.view(), "request_delegation": delegate}
        return foo.execute_operator(self.uri, ctx, params=params | {"brain_key": brain_key})

    def call(self, ctx: Any, progress: Report, cancelled: Event) -> Any:
        from ..visualization.update import update_visualization

        arguments = filled(ctx.params, _PARAMETERS)
        return update_visualization(
            ctx.dataset, **arguments, progress=progress, cancelled=cancelled
        )

    def show(self, ctx: Any, result: Any) -> Iterator[Any]:
        yield ctx.ops.show_output(*report(self.label, result))


def _compare_ahead(dataset: fo.Dataset, keys: list[str]) -> None:
    """Compares the newest run while somebody chooses one: of many labels that takes seconds."""

    def compare() -> None:
        with suppress(Exception):  # whoever chooses it is told
            newest = max(keys, key=lambda key: str(find_run(dataset, key)))
            recent_changes(dataset, newest)

    Thread(target=compare, name=COMPARING, daemon=True).start()


def _changes(inputs: types.Object, changes: Any) -> None:
    view = types.Warning if changes.recompute else types.Notice
    prop = inputs.view("changes", view(label=changes.sentence()))
    prop.invalid = not changes


def _advanced(inputs: types.Object) -> None:
    inputs.str(
        "weights",
        label="Checkpoint file",
        description="If the run was made with one that is elsewhere by now: its path on the "
        "machine that runs this",
    )
    device_input(inputs)
    batch_inputs(inputs, "Leave empty to choose automatically")
