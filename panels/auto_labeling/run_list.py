"""The runs of auto labeling, with what FiftyOne's queue of delegated operations says of them."""

from __future__ import annotations

import fiftyone as fo
from bson import ObjectId

from ...autolabel.runs import RUN_CANCELED, RUN_FAILED, RUN_GENERATING, AutoLabelRun, list_runs
from ...workers.operations import COMPLETED, FAILED, Operation, list_operations
from .messages import Run

_OPERATOR = "auto_label"
_NEWEST = 200
_CUT_OFF = "It was interrupted: start it again with the same name to continue."


def run_list(dataset: fo.Dataset) -> list[Run]:
    """Lists the runs of a dataset, those that no worker began yet first."""
    operations = _newest_operations(dataset._doc.id)
    runs = [_run(one, operations.pop(one.name, None)) for one in list_runs(dataset)]
    waiting = [_waiting(*item) for item in operations.items() if item[1].state != COMPLETED]
    return [*waiting, *runs]


def _newest_operations(dataset_id: ObjectId) -> dict[str, Operation]:
    """Returns ``{run name: its newest operation}`` of a dataset."""
    found: dict[str, Operation] = {}
    for one in list_operations(dataset_id, limit=_NEWEST):
        run = one.text("run_name")
        if one.operator.rsplit("/", 1)[-1] == _OPERATOR and run is not None:
            found.setdefault(run, one)
    return found


def _run(one: AutoLabelRun, operation: Operation | None) -> Run:
    """A run; where a worker has or had it, with what the queue says."""
    state, error, progress, line = one.state, one.error, None, None
    if operation is not None and operation.state not in (COMPLETED, FAILED):
        state, progress, line = RUN_GENERATING, operation.progress, operation.line
    elif state == RUN_GENERATING and operation is not None and operation.state == FAILED:
        state, error = _ended(operation), operation.error
    elif state == RUN_GENERATING and one.cut_off:
        state, error = RUN_FAILED, _CUT_OFF
    return Run.like(
        one, field=one.label_field, state=state, error=error, progress=progress, line=line
    )


def _ended(operation: Operation) -> str:
    return RUN_CANCELED if operation.canceled else RUN_FAILED


def _waiting(name: str, operation: Operation) -> Run:
    """A run that no worker began yet, or that failed before it did."""
    failed = operation.state == FAILED
    return Run(
        name=name,
        field=operation.text("label_field"),
        model=operation.text("model"),
        state=_ended(operation) if failed else RUN_GENERATING,
        error=operation.error if failed else None,
        progress=operation.progress,
        line=operation.line or ("" if failed else "Waiting for a worker"),
    )
