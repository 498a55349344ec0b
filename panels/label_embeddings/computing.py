"""The runs that are still being computed, of FiftyOne's queue of delegated operations."""

from __future__ import annotations

from typing import Any

from bson import ObjectId
from fiftyone.operators.delegated import DelegatedOperationService
from fiftyone.operators.executor import ExecutionRunState

_OPERATOR = "compute_visualization"
_STATES = (ExecutionRunState.SCHEDULED, ExecutionRunState.QUEUED, ExecutionRunState.RUNNING)


def computing_runs(dataset_id: ObjectId) -> list[dict[str, Any]]:
    """Lists the visualization runs of a dataset that wait or run, as the panel's list has them."""
    service = DelegatedOperationService()
    operations = [
        operation
        for state in _STATES
        for operation in service.list_operations(dataset_id=dataset_id, run_state=state)
        if str(operation.operator).rsplit("/", 1)[-1] == _OPERATOR
    ]
    return [run for operation in operations if (run := _run(operation)) is not None]


def _run(operation: Any) -> dict[str, Any] | None:
    request = getattr(operation.context, "request_params", None) or {}
    params = request.get("params") or {}
    key = params.get("brain_key")
    if not isinstance(key, str):
        return None
    progress = getattr(operation, "status", None)
    running = operation.run_state == ExecutionRunState.RUNNING
    return {
        "key": key,
        "run": None,
        "method": params.get("method") or "umap",
        "model": params.get("model"),
        "patchesField": params.get("patches_field"),
        "numPoints": None,
        "numDims": params.get("num_dims") or 2,
        "created": None,
        "state": "computing",
        "progress": getattr(progress, "progress", None),
        "progressLabel": getattr(progress, "label", None)
        or ("Running" if running else "Waiting for a worker"),
    }
