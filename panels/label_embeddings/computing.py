"""The runs that are still being computed, as the queue of delegated operations has them."""

from __future__ import annotations

from bson import ObjectId

from ...workers.operations import QUEUED, RUNNING, SCHEDULED, Operation, list_operations
from .messages import Run

_OPERATOR = "compute_visualization"
_UNFINISHED = (SCHEDULED, QUEUED, RUNNING)


def computing_runs(dataset_id: ObjectId) -> list[Run]:
    """Lists the visualization runs of a dataset that wait or run, as the panel's list has them."""
    return [
        _run(operation)
        for operation in list_operations(dataset_id, _UNFINISHED)
        if operation.operator.rsplit("/", 1)[-1] == _OPERATOR
        and isinstance(operation.inputs.get("brain_key"), str)
    ]


def _run(operation: Operation) -> Run:
    inputs = operation.inputs
    waiting = "Running" if operation.state == RUNNING else "Waiting for a worker"
    return Run(
        key=inputs["brain_key"],
        run=None,
        method=inputs.get("method") or "umap",
        model=inputs.get("model"),
        patches_field=inputs.get("patches_field"),
        num_points=None,
        num_dims=inputs.get("num_dims") or 2,
        created=None,
        state="computing",
        progress=operation.progress,
        progress_label=operation.line or waiting,
    )
