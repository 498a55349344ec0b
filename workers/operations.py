"""Delegated operations: the queue that the App fills and workers empty.

This module alone knows how FiftyOne keeps them, in a collection of its database that FiftyOne's own
service reads and writes too; tried with FiftyOne 1.22. What it has no word for (who runs an
operation, when it was last seen, its log) is kept in each document under ``labelvet``.

Every change of a state is one conditional update of one document, so that of any number of workers
one gets an operation, and one that lost it cannot finish it any more.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from bson import ObjectId
from bson.errors import InvalidId
from fiftyone.operators.delegated import DelegatedOperationService
from pymongo import ReturnDocument
from pymongo.collection import Collection
from pymongo.errors import ConnectionFailure

from ..embeddings.errors import InvalidParameter
from ..embeddings.user import current_user
from .database import collection, older_than, patient
from .targets import VERSION

PLUGIN = "@labelvet/labelvet/"

SCHEDULED, QUEUED, RUNNING = "scheduled", "queued", "running"
COMPLETED, FAILED = "completed", "failed"
STATES = (SCHEDULED, QUEUED, RUNNING, COMPLETED, FAILED)

HEARTBEAT_SECONDS = 2.0
# A worker that was not heard of for so long is suspected, and lost if it stays silent after that:
# where the database itself was away, every worker is heard of again between the two.
_SUSPECTED_AFTER_SECONDS = 15.0
_LOST_AFTER_SECONDS = 8.0
# A run that kills its workers is not handed on for ever.
_MAX_ATTEMPTS = 3

_HEAVY = {
    "metadata": 0,
    "context.request_params.view": 0,
    "context.request_params.extended": 0,
    "context.request_params.filters": 0,
    "context.request_params.spaces": 0,
    "context.request_params.selected": 0,
    "context.request_params.selected_labels": 0,
    "context.request_params.selected_samples": 0,
}


@dataclass(frozen=True)
class Operation:
    """A delegated operation, of this plugin or another.

    Attributes:
        id: its id, 24 hexadecimal digits
        operator: the URI of its operator
        label: its name
        state: one of ``STATES``
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
        trace: the full error
        log: the end of its log
        attempts: how many workers took it
        cancelling: whether it was asked to stop
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
    trace: str | None
    log: str
    attempts: int
    cancelling: bool


class RunStopped(BaseException):
    """A run must stop at once; no ``Exception``, which FiftyOne would only log."""


class RunCancelled(RunStopped):
    """The user cancelled the run."""


class RunLost(RunStopped):
    """The run was deleted, marked as failed, or taken over by another worker."""


class Claim:
    """An operation that a worker has taken, for as long as nobody takes it away.

    Args:
        operation: the operation's id
        claim: the id of the claim
    """

    def __init__(self, operation: ObjectId, claim: ObjectId) -> None:
        self.operation = operation
        self.claim = claim
        self._mine = {"_id": operation, "labelvet.claim": claim, "run_state": RUNNING}

    @patient
    def beat(self, log: str) -> None:
        """Says that the run goes on.

        Args:
            log: the end of its log

        Raises:
            RunCancelled: if the user cancelled it
            RunLost: if the operation is not the worker's any more
        """
        self._raise_if_stopped(
            _operations().find_one_and_update(
                self._mine,
                {
                    "$currentDate": {"labelvet.heartbeat": True, "updated_at": True},
                    "$set": {"labelvet.log": log},
                    "$unset": {"labelvet.suspected": 1},
                },
                {"labelvet.cancel": 1},
            )
        )

    def report(self, fraction: float | None, line: str | None) -> None:
        """Says how far the run is; a database that does not answer is told the next time.

        Raises:
            RunCancelled, RunLost: see :meth:`beat`
        """
        try:
            document = _operations().find_one_and_update(
                self._mine,
                {
                    "$set": {"status.progress": fraction, "status.label": line},
                    "$currentDate": {"status.updated_at": True},
                },
                {"labelvet.cancel": 1},
            )
        except ConnectionFailure:
            return
        self._raise_if_stopped(document)

    @patient
    def complete(self, result: Any) -> bool:
        """Completes the operation with FiftyOne's ``ExecutionResult``; False if it was lost."""
        outcome = result.to_json()
        schema = outcome.pop("outputs_schema", None)
        changes = {"result": outcome, "completed_at": datetime.utcnow()}
        if schema:
            changes["metadata.outputs_schema"] = schema
        return self._finish(COMPLETED, changes)

    @patient
    def fail(self, sentence: str, trace: str | None = None) -> bool:
        """Fails the operation with a sentence and the full error; False if it was lost."""
        return self._finish(FAILED, _failure(sentence, trace))

    @patient
    def release(self) -> bool:
        """Hands the operation back to the queue; False if it was lost."""
        return self._finish(QUEUED, {}, {"labelvet.claim": 1, "labelvet.heartbeat": 1})

    def execute(self) -> Any:
        """Executes the operation in this process and returns FiftyOne's ``ExecutionResult``; the
        names of its stages are printed, as its log.

        Raises:
            RunStopped: see :meth:`beat`
            whatever the operator raises
        """
        claim, stage = self, ""

        class Service(DelegatedOperationService):
            def set_progress(self, doc_id: Any, progress: Any) -> None:
                nonlocal stage
                before, stage = stage, (progress.label or "").partition(" · ")[0]
                if stage != before:
                    print(stage, flush=True)
                claim.report(progress.progress, progress.label)

        service = Service()
        result = asyncio.run(service._execute_operator(service.get(self.operation)))
        result.raise_exceptions()
        return result

    def _finish(self, state: str, changes: dict[str, Any], gone: Any = None) -> bool:
        update: dict[str, Any] = {
            "$set": {"run_state": state, "updated_at": datetime.utcnow(), **changes}
        }
        if gone:
            update["$unset"] = gone
        return bool(_operations().update_one(self._mine, update).matched_count)

    @staticmethod
    def _raise_if_stopped(document: Mapping[str, Any] | None) -> None:
        if document is None:
            raise RunLost
        if document.get("labelvet", {}).get("cancel"):
            raise RunCancelled


def claim_next(target: str, worker: str, take_over: bool = False) -> Claim | None:
    """Takes the oldest queued operation of this plugin that was scheduled on a target, or on none.

    Args:
        target: the name of the target
        worker: who takes it
        take_over: whether another worker may go on with it should this one be lost; otherwise it
            fails then

    Returns:
        the :class:`Claim`, or None if nothing is queued
    """
    claim = ObjectId()
    document = _take(claim, target, worker, take_over)
    return None if document is None else Claim(document["_id"], claim)


@patient
def _take(claim: ObjectId, target: str, worker: str, take_over: bool) -> Mapping[str, Any] | None:
    # where the answer to an earlier attempt was lost, the operation is taken already
    taken: Mapping[str, Any] | None = _operations().find_one(
        {"run_state": RUNNING, "labelvet.claim": claim}, {"_id": 1}
    )
    if taken is not None:
        return taken
    taken = _operations().find_one_and_update(
        {
            "run_state": QUEUED,
            "operator": {"$regex": f"^{re.escape(PLUGIN)}"},
            "delegation_target": {"$in": [target, None]},
        },
        {
            "$set": {
                "run_state": RUNNING,
                "started_at": datetime.utcnow(),
                "monitored": True,
                "labelvet.claim": claim,
                "labelvet.worker": worker,
                "labelvet.take_over": take_over,
                "labelvet.log": "",
            },
            "$unset": {"labelvet.suspected": 1, "status": 1},
            "$inc": {"labelvet.attempts": 1},
            "$currentDate": {"labelvet.heartbeat": True, "updated_at": True},
        },
        {"_id": 1},
        sort=[("queued_at", 1), ("_id", 1)],
        return_document=ReturnDocument.AFTER,
    )
    return taken


@patient
def find_obstacle(claim: Claim, target: str) -> str | None:
    """Returns a sentence on why an operation cannot be run at all, None if nothing is in the way.

    Args:
        claim: the operation
        target: the name of the target that would run it
    """
    try:
        operation = get_operation(str(claim.operation))
    except InvalidParameter as deleted:
        return str(deleted)
    if operation.version not in (None, VERSION):
        return (
            f"It was scheduled by labelvet {operation.version}, but '{target}' runs {VERSION}: "
            "install the same version for both, restart them, and re-run it."
        )
    dataset = {"_id": operation.dataset_id}
    if not collection("datasets").count_documents(dataset, limit=1):
        return (
            f"The dataset '{operation.dataset}' was deleted before the run started: nothing was "
            "done."
        )
    return None


def settle_lost() -> None:
    """Settles the runs whose workers are not heard of any more: each fails, or goes back to the
    queue if it may be taken over. Every worker and every panel does this now and then."""
    operations = _operations()
    running = {"run_state": RUNNING, "labelvet.claim": {"$exists": True}}
    operations.update_many(
        {
            **running,
            "labelvet.suspected": None,
            "$expr": older_than("labelvet.heartbeat", _SUSPECTED_AFTER_SECONDS),
        },
        {"$currentDate": {"labelvet.suspected": True}},
    )
    lost = {**running, "$expr": older_than("labelvet.suspected", _LOST_AFTER_SECONDS)}
    lost["labelvet.suspected"] = {"$type": "date"}
    handed_on = {
        "labelvet.take_over": True,
        "labelvet.attempts": {"$lt": _MAX_ATTEMPTS},
        "labelvet.cancel": {"$ne": True},
    }
    gone = {"labelvet.claim": 1, "labelvet.heartbeat": 1, "labelvet.suspected": 1}
    operations.update_many({**lost, **handed_on}, {"$set": {"run_state": QUEUED}, "$unset": gone})
    for document in operations.find(lost, {"labelvet.worker": 1, "labelvet.claim": 1}):
        claim = Claim(document["_id"], document["labelvet"]["claim"])
        claim.fail(
            f"Its worker ({document['labelvet'].get('worker')}) was killed or lost its connection. "
            "What was done is kept: re-run it, and it goes on from there."
        )


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
    documents = _operations().find(
        _query(dataset_id, states), _HEAVY, sort=[("_id", -1)], skip=skip, limit=limit
    )
    return [_operation(document) for document in documents]


def count_states(dataset_id: ObjectId | None = None) -> dict[str, int]:
    """Returns how many operations there are in each state that has some."""
    _index()
    counts = _operations().aggregate(
        [
            {"$match": _query(dataset_id, ())},
            {"$group": {"_id": "$run_state", "count": {"$sum": 1}}},
        ]
    )
    return {document["_id"]: document["count"] for document in counts}


def get_operation(id_: str) -> Operation:
    """Returns an operation.

    Raises:
        InvalidParameter: if there is none
    """
    document = _operations().find_one({"_id": _id(id_)}, _HEAVY)
    if document is None:
        raise InvalidParameter(f"There is no run '{id_}' any more.")
    return _operation(document)


def cancel(id_: str) -> str:
    """Cancels an operation that has not finished, and says what happens to it.

    Raises:
        InvalidParameter: if it has finished, or does not exist
    """
    operations, waiting = _operations(), {"$in": [QUEUED, SCHEDULED]}
    failure = _failure("Cancelled before it started.")
    if operations.update_one(
        {"_id": _id(id_), "run_state": waiting}, {"$set": {"run_state": FAILED, **failure}}
    ).matched_count:
        return "Cancelled: it had not started."
    if operations.update_one(
        {"_id": _id(id_), "run_state": RUNNING, "labelvet.claim": {"$exists": True}},
        {"$set": {"labelvet.cancel": True}},
    ).matched_count:
        return "Stopping: what was done is kept."
    return mark_failed(id_, "Cancelled.")


def mark_failed(id_: str, reason: str = "Marked as failed by hand.") -> str:
    """Fails an operation that has not finished; a worker that runs it stops.

    Raises:
        InvalidParameter: if it has finished, or does not exist
    """
    changed = _operations().update_one(
        {"_id": _id(id_), "run_state": {"$nin": [COMPLETED, FAILED]}},
        {"$set": {"run_state": FAILED, **_failure(reason)}},
    )
    if not changed.matched_count:
        state = get_operation(id_).state
        raise InvalidParameter(f"This run has {state} already.")
    return reason


def rerun(id_: str) -> str:
    """Queues an operation once more, with the same inputs and target, and returns the new id.

    What a completed one made is replaced once it is made again.

    Raises:
        InvalidParameter: if it does not exist or must not be repeated
    """
    try:
        again = DelegatedOperationService().rerun_operation(_id(id_))
    except ValueError as error:
        raise InvalidParameter(f"This run cannot be repeated: {error}.") from error
    request: dict[str, Any] = {"labelvet": _scheduler()}
    if get_operation(id_).state == COMPLETED and again.operator.startswith(PLUGIN):
        # it made the run that has its brain key, or its name, now
        request["params.overwrite_brain_key"] = True
        request["params.existing"] = "replace"
    changes = {f"context.request_params.{name}": value for name, value in request.items()}
    _operations().update_one({"_id": again.id}, {"$set": changes})
    return str(again.id)


def delete(id_: str) -> None:
    """Deletes an operation; a worker that runs it stops.

    Raises:
        InvalidParameter: if it does not exist
    """
    if not _operations().delete_one({"_id": _id(id_)}).deleted_count:
        raise InvalidParameter(f"There is no run '{id_}' any more.")


def _operations() -> Collection[Any]:
    return collection("delegated_ops")


def _index() -> None:
    # the newest page, and the counts, of a dataset with many operations
    _operations().create_index([("dataset_id", 1), ("run_state", 1), ("_id", -1)])


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


def _failure(sentence: str, trace: str | None = None) -> dict[str, Any]:
    error = sentence if trace is None else f"{sentence}\n\n{trace}"
    return {
        "result": {"result": None, "error": error, "error_message": sentence},
        "failed_at": datetime.utcnow(),
        "updated_at": datetime.utcnow(),
    }


def _operation(document: Mapping[str, Any]) -> Operation:
    request = (document.get("context") or {}).get("request_params") or {}
    ours, scheduler = document.get("labelvet") or {}, request.get("labelvet") or {}
    status, result = document.get("status") or {}, document.get("result") or {}
    error = result.get("error")
    return Operation(
        id=str(document["_id"]),
        operator=document["operator"],
        label=document.get("label") or document["operator"],
        state=document["run_state"],
        target=document.get("delegation_target"),
        worker=ours.get("worker"),
        dataset_id=document.get("dataset_id"),
        dataset=request.get("dataset_name"),
        user=scheduler.get("user"),
        version=scheduler.get("version"),
        queued=_utc(document.get("queued_at") or document.get("scheduled_at")),
        started=_utc(document.get("started_at")),
        finished=_utc(document.get("completed_at") or document.get("failed_at")),
        progress=status.get("progress"),
        line=status.get("label"),
        inputs=request.get("params") or {},
        error=result.get("error_message") or _sentence(error),
        trace=error,
        log=ours.get("log") or "",
        attempts=ours.get("attempts") or 0,
        cancelling=bool(ours.get("cancel")),
    )


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
