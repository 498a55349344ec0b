"""Delegated operations: the queue that the App fills and workers empty.

This module and ``claims``, the workers' side, alone know how FiftyOne keeps them: in a collection
of its database that its own service reads and writes too; tried with FiftyOne 1.22. What it has no
word for (who runs an operation, when it was last seen, its log) is in each document under
``labelvet``.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import fiftyone as fo
from bson import ObjectId
from bson.errors import InvalidId
from fiftyone.operators.delegated import DelegatedOperationService as DelegatedOperationService
from pymongo.collection import Collection

from ..autolabel.runs import ONLY_NEW, REPLACE, list_runs
from ..core.errors import InvalidParameter
from ..core.user import current_user
from ..core.versions import PLUGIN_NAME
from .database import collection
from .stalls import MEASURED, standstill
from .targets import VERSION

PLUGIN = f"{PLUGIN_NAME}/"

SCHEDULED, QUEUED, RUNNING = "scheduled", "queued", "running"
COMPLETED, FAILED = "completed", "failed"
_LABELING = "/auto_label"
_MAPPING = "/compute_visualization"

OPERATION_STATES = (SCHEDULED, QUEUED, RUNNING, COMPLETED, FAILED)

# what lists need: a log and a trace may have 20 kB each, a view megabytes
_LISTED: dict[str, Any] = {
    **dict.fromkeys(
        (
            *("operator", "label", "delegation_target", "dataset_id", "queued_at", "scheduled_at"),
            *("started_at", "completed_at", "failed_at", "status.progress"),
            *("labelvet.worker", "labelvet.attempts", "labelvet.cancel", "labelvet.canceled"),
            *(f"context.request_params.{name}" for name in ("labelvet", "dataset_name", "params")),
        ),
        1,
    ),
    "error": {"$ifNull": ["$result.error_message", "$result.error"]},
    **MEASURED,
}
_DETAILED = {**_LISTED, "result.error": 1, "labelvet.log": 1}


@dataclass(frozen=True)
class Operation:
    """A delegated operation, of this plugin or another.

    Attributes:
        id: its id, 24 hexadecimal digits
        operator: the URI of its operator
        label: its name
        state: one of ``OPERATION_STATES``
        target: the target that it was scheduled on, None for any
        worker: the worker that has it or had it last
        dataset_id: the id of its dataset
        dataset: the name of its dataset when it was scheduled
        user: who scheduled it
        version: the version of labelvet that scheduled it
        queued: when it was scheduled, in UTC
        started: when a worker took it
        finished: when it completed or failed
        progress: the finished fraction, in [0, 1]
        line: where it is, or, once it completed, what it did
        inputs: what was filled in, by name
        error: why it failed, in one line
        attempts: how many workers took it
        cancelling: whether it was asked to stop, and has not yet
        canceled: whether it stopped, or left something out, because it was asked to
        stalled: a sentence, where it has made no progress for longer than fits its stage
    """

    id: str
    operator: str
    label: str
    state: str
    target: str | None
    worker: str | None
    dataset_id: ObjectId | None
    dataset: str | None
    user: str | None
    version: str | None
    queued: datetime | None
    started: datetime | None
    finished: datetime | None
    progress: float | None
    line: str | None
    inputs: dict[str, Any]
    error: str | None
    attempts: int
    cancelling: bool
    canceled: bool
    stalled: str | None

    def text(self, name: str) -> str | None:
        """Returns an input that is a text; None for any other, as scripts fill in anything."""
        value = self.inputs.get(name)
        return value if isinstance(value, str) else None


@dataclass(frozen=True)
class OperationDetails(Operation):
    """An operation with what is too much for a list.

    Attributes:
        trace: the full error
        log: the end of its log
    """

    trace: str | None
    log: str


def mark_scheduled(request: dict[str, Any], target: str | None) -> None:
    """Notes in the request of an operator, before FiftyOne queues it, what the App loses: the
    chosen target, and who scheduled it with which version."""
    request["delegation_target"] = target
    request["labelvet"] = _scheduler()


def list_operations(
    dataset_id: ObjectId | None = None,
    states: tuple[str, ...] = (),
    limit: int = 50,
    skip: int = 0,
) -> list[Operation]:
    """Returns operations, newest first.

    Args:
        dataset_id: of which dataset, None for all
        states: in which states, () for all
        limit: at most so many
        skip: after so many
    """
    _index()
    documents = queue().find(
        _query(dataset_id, states), _LISTED, sort=[("_id", -1)], skip=skip, limit=limit
    )
    return [Operation(**_facts(document)) for document in documents]


def count_states(dataset_id: ObjectId | None = None) -> dict[str, int]:
    """Returns how many operations there are in each state that has some."""
    _index()
    counts = queue().aggregate(
        [
            {"$match": _query(dataset_id, ())},
            {"$group": {"_id": "$run_state", "count": {"$sum": 1}}},
        ]
    )
    return {document["_id"]: document["count"] for document in counts}


def get_operation(id_: str) -> OperationDetails:
    """Returns an operation with its log.

    Raises:
        InvalidParameter: if there is none
    """
    document = queue().find_one({"_id": _id(id_)}, _DETAILED)
    if document is None:
        raise InvalidParameter(f"There is no run '{id_}'.")
    trace = (document.get("result") or {}).get("error")
    log = (document.get("labelvet") or {}).get("log") or ""
    return OperationDetails(**_facts(document), trace=trace, log=log)


def cancel(id_: str) -> str:
    """Cancels an operation that has not finished, and says what happens to it.

    Raises:
        InvalidParameter: if it has finished, or does not exist
    """
    operations, waiting = queue(), {"$in": [QUEUED, SCHEDULED]}
    if operations.update_one(
        {"_id": _id(id_), "run_state": waiting}, canceled("Canceled before it started.")
    ).matched_count:
        return "Canceled: it had not started."
    if operations.update_one(
        {"_id": _id(id_), "run_state": RUNNING, "labelvet.claim": {"$exists": True}},
        {"$set": {"labelvet.cancel": True}},
    ).matched_count:
        return "Stopping: everything done so far is kept."
    _end(id_, canceled("Canceled."))
    return "Canceled."


def mark_failed(id_: str, reason: str = "Marked as failed.") -> str:
    """Fails an operation that has not finished; a worker that runs it stops.

    Raises:
        InvalidParameter: if it has finished, or does not exist
    """
    _end(id_, failure(reason))
    return reason


def mark_partly_canceled(ctx: Any) -> None:
    """Notes that an operation, which is executed with a context and comes to its end, left out what
    was canceled."""
    which = {"_id": ctx._delegated_operation_id}
    queue().update_one(which, {"$set": {"labelvet.canceled": True}})


def _end(id_: str, update: dict[str, Any]) -> None:
    unfinished = {"_id": _id(id_), "run_state": {"$nin": [COMPLETED, FAILED]}}
    if not queue().update_one(unfinished, update).matched_count:
        state = get_operation(id_).state
        raise InvalidParameter(f"This run has already {state}.")


def rerun(id_: str, replace: bool = False) -> str:
    """Queues an operation once more, with the same inputs and target, and returns the new id.

    A visualization that a completed one made is replaced once it is made again, if ``replace`` says
    so. Labels are not: they may have been reviewed, so whoever wants new ones says what becomes of
    them.

    Raises:
        InvalidParameter: if it does not exist or must not be repeated
    """
    before = get_operation(id_)
    ours = before.operator.startswith(PLUGIN)
    completed = ours and before.state == COMPLETED
    labels = ours and before.operator.endswith(_LABELING)
    existing = before.inputs.get("existing")
    if labels and (
        (completed and existing != ONLY_NEW) or (existing == REPLACE and _labeled_since(before))
    ):
        raise InvalidParameter(
            f"'{before.inputs.get('run_name')}' has finished, and its labels may have been "
            "reviewed: start Auto label again, which asks whether to replace them or to label "
            "only what is new."
        )
    map_ = before.inputs.get("brain_key")
    if completed and before.operator.endswith(_MAPPING) and map_ and not replace:
        raise InvalidParameter(
            f"'{map_}' was made by this run and will be replaced when it runs again: confirm with "
            "--replace, or compute another under a new brain key."
        )
    # it made the runs that have its brain keys now
    consents = ("overwrite_brain_key", "overwrite_similarity_key") if completed else ()
    service = DelegatedOperationService()
    service._repo = _Amended(service._repo, dict.fromkeys(consents, True))
    try:
        again = service.rerun_operation(_id(id_))
    except ValueError as error:
        raise InvalidParameter(f"This run cannot be repeated: {error}.") from error
    return str(again.id)


def _labeled_since(operation: Operation) -> bool:
    """Whether a run of auto labeling of the name that an operation asks for labeled images after it
    was scheduled, and has finished: nobody agreed that its labels go."""
    if operation.queued is None or not fo.dataset_exists(operation.dataset or ""):
        return False
    return any(
        run.name == operation.text("run_name") and run.finished and run.seen > operation.queued
        for run in list_runs(fo.load_dataset(operation.dataset))
    )


class _Amended:
    """FiftyOne's store of operations, which queues one with more inputs, and as of now: a worker
    may take it at once, so that nothing can be added afterwards.

    Args:
        operations: FiftyOne's own
        inputs: what to add to the inputs
    """

    def __init__(self, operations: Any, inputs: dict[str, Any]) -> None:
        self._operations, self._inputs = operations, inputs

    def get(self, **query: Any) -> Any:
        """As FiftyOne's."""
        return self._operations.get(**query)

    def queue_operation(self, **document: Any) -> Any:
        """As FiftyOne's."""
        request = document["context"].request_params
        params = {**(request.get("params") or {}), **self._inputs}
        request = {**request, "params": params, "labelvet": _scheduler()}
        document["context"] = {"request_params": request}
        return self._operations.queue_operation(**document)


def delete(id_: str) -> None:
    """Deletes an operation; a worker that runs it stops.

    Raises:
        InvalidParameter: if it does not exist
    """
    if not queue().delete_one({"_id": _id(id_)}).deleted_count:
        raise InvalidParameter(f"There is no run '{id_}'.")


def queue() -> Collection[Any]:
    """Returns FiftyOne's collection of delegated operations."""
    return collection("delegated_ops")


def _index() -> None:
    # the newest page, and the counts, of a dataset with many operations
    queue().create_index([("dataset_id", 1), ("run_state", 1), ("_id", -1)])


def _query(dataset_id: ObjectId | None, states: tuple[str, ...]) -> dict[str, Any]:
    query: dict[str, Any] = {"archived": {"$ne": True}}
    if dataset_id is not None:
        query["dataset_id"] = dataset_id
    if states:
        query["run_state"] = {"$in": list(states)}
    return query


def _id(id_: str) -> ObjectId:
    try:
        return ObjectId(id_)
    except InvalidId:
        raise InvalidParameter(f"There is no run '{id_}'.") from None


def _scheduler() -> dict[str, Any]:
    return {"version": VERSION, "user": f"{current_user()}@{socket.gethostname()}"}


def failure(sentence: str, trace: str | None = None) -> dict[str, Any]:
    """Returns the update that fails an operation, with a sentence and the full error."""
    error = sentence if trace is None else f"{sentence}\n\n{trace}"
    return {
        "$set": {
            "run_state": FAILED,
            "result": {"result": None, "error": error, "error_message": sentence},
        },
        "$currentDate": {"failed_at": True, "updated_at": True},
    }


def canceled(sentence: str) -> dict[str, Any]:
    """Returns the update that ends an operation because it was asked to, with a sentence; FiftyOne
    has no other state for it than failed."""
    update = failure(sentence)
    return {**update, "$set": {**update["$set"], "labelvet.canceled": True}}


def _facts(document: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the attributes of an :class:`Operation`, of a document as ``_LISTED`` says."""
    request = (document.get("context") or {}).get("request_params") or {}
    ours, scheduler = document.get("labelvet") or {}, request.get("labelvet") or {}
    status, still = document.get("status") or {}, standstill(document)
    state, line, cancel = document["run_state"], status.get("label"), bool(ours.get("cancel"))
    heeded = bool(ours.get("canceled"))
    if state == COMPLETED and cancel and not heeded:
        line = f"{line or ''} It finished before it could be canceled.".lstrip()
    return {
        "id": str(document["_id"]),
        "operator": document["operator"],
        "label": document.get("label") or document["operator"],
        "state": state,
        "target": document.get("delegation_target"),
        "worker": ours.get("worker"),
        "dataset_id": document.get("dataset_id"),
        "dataset": request.get("dataset_name"),
        "user": scheduler.get("user"),
        "version": scheduler.get("version"),
        "queued": _utc(document.get("queued_at") or document.get("scheduled_at")),
        "started": _utc(document.get("started_at")),
        "finished": _utc(document.get("completed_at") or document.get("failed_at")),
        "progress": status.get("progress"),
        "line": line,
        "inputs": request.get("params") or {},
        "error": _sentence(document.get("error")),
        "attempts": ours.get("attempts") or 0,
        "cancelling": cancel and state == RUNNING,
        "canceled": heeded,
        "stalled": still.warning if still is not None and still.stalled else None,
    }


def _sentence(trace: str | None) -> str | None:
    """Returns the line of a trace that says what went wrong: Python's traces end with it."""
    lines = [line for line in (trace or "").strip().splitlines() if line.strip()]
    if not lines:
        return None
    if not lines[0].startswith("Traceback"):
        return lines[0]
    ends = [line for line in lines if not line.startswith((" ", "Traceback"))]
    return ends[-1] if ends else lines[-1]


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=timezone.utc)
