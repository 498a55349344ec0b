"""The runs that are still being computed, as the queue of delegated operations has them."""

from __future__ import annotations

from typing import Any

from bson import ObjectId

from ...workers.operations import QUEUED, RUNNING, SCHEDULED, Operation, list_operations

_OPERATOR = "compute_visualization"
_UNFINISHED = (SCHEDULED, QUEUED, RUNNING)


def computing_runs(dataset_id: ObjectId) -> list[dict[str, Any]]:
    """Lists the visualization runs of a dataset that wait or run, as the panel's list has them."""
    return [
        _run(operation)
        for operation in list_operations(dataset_id, _UNFINISHED)
        if operation.operator.rsplit("/", 1)[-1] == _OPERATOR
        and isinstance(operation.inputs.get("brain_key"), str)
    ]


def _run(operation: Operation) -> dict[str, Any]:
    inputs = operation.inputs
    return {
        "key": inputs["brain_key"],
        "run": None,
        "method": inputs.get("method") or "umap",
        "model": inputs.get("model"),
        "patchesField": inputs.get("patches_field"),
        "numPoints": None,
        "numDims": inputs.get("num_dims") or 2,
        "created": None,
        "state": "computing",
        "progress": operation.progress,
        "progressLabel": operation.line
        or ("Running" if operation.state == RUNNING else "Waiting for a worker"),
    }
