"""A worker's side of the queue: it takes an operation, says that it goes on, and finishes it.

Every change of a state is one conditional update of one document, so that of any number of workers
one gets an operation, and one that lost it cannot finish it any more.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bson import ObjectId
from fiftyone.operators.delegated import DelegatedOperationService
from pymongo import ReturnDocument
from pymongo.errors import ConnectionFailure

from ..core.errors import InvalidParameter
from .database import collection, older_than, patient
from .operations import COMPLETED, FAILED, PLUGIN, QUEUED, RUNNING, failure, get_operation, queue
from .targets import VERSION

# A worker that was not heard of for so long is suspected, and lost if it stays silent after that:
# where the database itself was away, every worker is heard of again between the two.
_SUSPECTED_AFTER_SECONDS = 15.0
_LOST_AFTER_SECONDS = 8.0
# A run that kills its workers is not handed on for ever.
_MAX_ATTEMPTS = 3


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
            queue().find_one_and_update(
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
            document = queue().find_one_and_update(
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
        return self._finish(FAILED, failure(sentence, trace))

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
        return bool(queue().update_one(self._mine, update).matched_count)

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
    taken: Mapping[str, Any] | None = queue().find_one(
        {"run_state": RUNNING, "labelvet.claim": claim}, {"_id": 1}
    )
    if taken is not None:
        return taken
    taken = queue().find_one_and_update(
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
    operations = queue()
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
