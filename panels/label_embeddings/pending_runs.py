"""The runs that are still being computed, as the queue of delegated operations has them."""

from __future__ import annotations

from typing import Any

from bson import ObjectId

from ...workers.operations import QUEUED, RUNNING, SCHEDULED, Operation, list_operations
from .messages import Run

_OPERATOR = "compute_visualization"
_UNFINISHED = (SCHEDULED, QUEUED, RUNNING)


def pending_runs(dataset_id: ObjectId) -> list[Run]:
    """Lists the visualization runs of a dataset that wait or run, as the panel's list has them."""
    return [
        _run(key, operation)
        for operation in list_operations(dataset_id, _UNFINISHED)
        if operation.operator.rsplit("/", 1)[-1] == _OPERATOR
        and (key := operation.text("brain_key")) is not None
    ]


def _run(key: str, operation: Operation) -> Run:
    dims, field = operation.inputs.get("num_dims"), operation.text("patches_field")
    waiting = "Running" if operation.state == RUNNING else "Waiting for a worker"
    return Run(
        key=key,
        run=None,
        method=operation.text("method") or "umap",
        model=operation.text("model"),
        patches_field=field,
        fields=[] if field is None else [field, *_texts(operation.inputs.get("other_fields"))],
        num_points=None,
        num_dims=dims if dims in (2, 3) else 2,
        created=None,
        state="computing",
        progress=operation.progress,
        progress_label=operation.line or waiting,
    )


def _texts(given: Any) -> list[str]:
    return [one for one in given if isinstance(one, str)] if isinstance(given, list) else []
