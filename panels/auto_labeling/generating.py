"""What FiftyOne's queue of delegated operations says of runs of auto labeling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bson import ObjectId

from ...workers.operations import list_operations

_OPERATOR = "auto_label"
_NEWEST = 200


@dataclass(frozen=True)
class Operation:
    """The newest operation of a run.

    Attributes:
        run: the name of the run
        state: of the operation: "scheduled", "queued", "running", "completed" or "failed"
        progress: the finished part, None where it is not known
        line: what happens, in a line
        error: why it failed
        params: what was asked for
    """

    run: str
    state: str
    progress: float | None
    line: str | None
    error: str | None
    params: dict[str, Any]


def newest_operations(dataset_id: ObjectId) -> dict[str, Operation]:
    """Returns ``{run name: operation}`` of a dataset."""
    found: dict[str, Operation] = {}
    for one in list_operations(dataset_id, (), _NEWEST, 0):
        run = one.inputs.get("run_name")
        if one.operator.rsplit("/", 1)[-1] == _OPERATOR and isinstance(run, str):
            newest = Operation(run, one.state, one.progress, one.line, one.error, one.inputs)
            found.setdefault(run, newest)
    return found
