"""What travels between *Runs* and its web half."""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import Field

from ...workers import operations
from ..message import Moment, OneOf, Reply, Request, Text

# operators after which there is a map, or labels, to look at
_MAPS = ("compute_visualization", "update_visualization", "find_label_issues")
_LABELS = ("auto_label",)

OperationState = Annotated[str, OneOf(operations.OPERATION_STATES)]


class ListRequest(Request):
    """A page of the operations, newest first.

    Attributes:
        state: those in one state, null for all
        limit: how many
        skip: after how many
    """

    state: OperationState | None = None
    limit: int = Field(ge=1, le=200)
    skip: int = Field(0, ge=0, le=2**31)


class OperationRequest(Request):
    """One operation."""

    id: Text


class RerunRequest(OperationRequest):
    """An operation that is to run again.

    Attributes:
        replace: whether a person agreed that the map is replaced which it made before
    """

    replace: bool = False


class Source(Reply):
    """Labels that an operation found.

    Attributes:
        run: the name of the run of auto labeling
    """

    field: str
    run: str | None


class Operation(Reply):
    """An operation as a row of the list; moments are in ISO 8601.

    Attributes:
        target: the target that it was scheduled on, null for any
        worker: the worker that has it or had it last
        cancelling: whether it was asked to stop
        progress: the finished part, in [0, 1]
        line: where it is, or, once it completed, what it did
        stalled: a warning, where it has made no progress for too long
        error: why it failed, in one line
        brain_key: of the map that it made or changed
        source: the labels that it found
    """

    id: str
    operator: str
    label: str
    target: str | None
    worker: str | None
    state: OperationState
    cancelling: bool
    user: str | None
    queued: Moment | None
    started: Moment | None
    finished: Moment | None
    progress: float | None
    line: str | None
    stalled: str | None
    error: str | None
    brain_key: str | None
    source: Source | None

    @classmethod
    def of(cls, one: operations.Operation) -> Operation:
        """Makes one of an operation of the queue."""
        return cls.like(one, **_opens(one))


class Details(Operation):
    """An operation with all that is shown when its row is unfolded.

    Attributes:
        inputs: what was filled in, by name
        trace: the full error, where it says more than `error`
        log: the end of its log
        attempts: how many workers took it
        version: the version of labelvet that scheduled it
    """

    inputs: dict[str, str]
    trace: str | None
    log: str
    attempts: int
    version: str | None

    @classmethod
    def of_details(cls, one: operations.OperationDetails) -> Details:
        """Makes one of an operation of the queue, with its log."""
        inputs = {
            name: value if isinstance(value, str) else json.dumps(value, default=str)
            for name, value in one.inputs.items()
            if value not in (None, "", False)
        }
        trace = one.trace if one.trace != one.error else None
        return cls.like(one, inputs=inputs, trace=trace, **_opens(one))


class Target(Reply):
    """A compute target."""

    name: str
    description: str


class Listing(Reply):
    """The newest operations, how many there are in each state, and the targets.

    Attributes:
        counts: by state, of those that have some
        command: what to type for `labelvet` on the server
    """

    operations: list[Operation]
    counts: dict[str, int]
    targets: list[Target]
    command: str


class UnfoldedOperation(Reply):
    """All that is known of one operation."""

    operation: Details


class Done(Reply):
    """What was done, in a sentence."""

    sentence: str


def _opens(one: operations.Operation) -> dict[str, Any]:
    """What can be opened once it has completed."""
    name = one.operator.removeprefix(operations.PLUGIN) if _is_ours(one) else ""
    field = one.text("label_field")
    return {
        "brain_key": one.text("brain_key") if name in _MAPS else None,
        "source": Source(field=field, run=one.text("run_name"))
        if name in _LABELS and field is not None
        else None,
    }


def _is_ours(one: operations.Operation) -> bool:
    return one.operator.startswith(operations.PLUGIN)
