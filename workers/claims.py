"""A worker's side of the queue: it takes an operation, says that it goes on, and finishes it.

Every change of a state is one conditional update of one document, so that of any number of workers
one gets an operation, and one that lost it cannot finish it any more.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any

from bson import ObjectId
from pymongo import ReturnDocument
from pymongo.errors import ConnectionFailure

from ..core.errors import InvalidParameter
from .database import away_from_now, collection, older_than, patient
from .operations import (
    COMPLETED,
    PLUGIN,
    QUEUED,
    RUNNING,
    DelegatedOperationService,
    canceled,
    failure,
    get_operation,
    queue,
)
from .stalls import MEASURED, Standstill, standstill
from .targets import VERSION

# A worker that was not heard of for so long is suspected, and lost if it stays silent after that:
# where the database itself was away, every worker is heard of again between the two.
_SUSPECTED_AFTER_SECONDS = 15.0
_LOST_AFTER_SECONDS = 8.0
# A run that kills its workers is not handed on for ever.
_MAX_ATTEMPTS = 3
_MAY_BE_HANDED_ON = {
    "labelvet.take_over": True,
    "labelvet.attempts": {"$lt": _MAX_ATTEMPTS},
    "labelvet.cancel": {"$ne": True},
}
_HANDED_ON = {
    "$set": {"run_state": QUEUED},
    "$unset": {"labelvet.claim": 1, "labelvet.heartbeat": 1, "labelvet.suspected": 1},
    "$currentDate": {"updated_at": True},
}


class RunStopped(BaseException):
    """A run must stop at once; no ``Exception``, which FiftyOne would only log."""


class RunCancelled(RunStopped):
    """The user cancelled the run.

    Args:
        still: for how long its progress has stood still, where that was asked
    """

    def __init__(self, still: Standstill | None = None) -> None:
        super().__init__()
        self.still = still


class RunLost(RunStopped):
    """The run was deleted, marked as failed, or taken over by another worker."""


class RunEnded(RunStopped):
    """The run's own process has said how it ended."""


class Claim:
    """An operation that a worker has taken, for as long as nobody takes it away.

    Args:
        operation: the operation's id
        claim: the id of the claim
    """

    def __init__(self, operation: ObjectId, claim: ObjectId) -> None:
        self.operation = operation
        self.claim = claim
        self._taken = {"_id": operation, "labelvet.claim": claim}
        self._mine = {**self._taken, "run_state": RUNNING}
        self._position: tuple[float | None, str] | None = None

    @patient
    def beat(self, log: str, busy: bool = True) -> Standstill | None:
        """Says that the run goes on, and returns for how long its progress has stood still.

        Args:
            log: the end of its log
            busy: whether its process has computed anything since the last beat

        Raises:
            RunCancelled: if the user cancelled it
            RunEnded: if its process completed or failed it
            RunLost: if the operation is not the worker's any more
        """
        dates = ["labelvet.heartbeat", "updated_at", *(["labelvet.busy"] if busy else [])]
        document = queue().find_one_and_update(
            self._mine,
            {
                "$currentDate": dict.fromkeys(dates, True),
                "$set": {"labelvet.log": log},
                "$unset": {"labelvet.suspected": 1},
            },
            {"labelvet.cancel": 1, **MEASURED},
        )
        if document is None and queue().find_one({**self._taken, "labelvet.ended": True}):
            raise RunEnded
        still = None if document is None else standstill(document)
        self._raise_if_stopped(document, still)
        return still

    def report(self, fraction: float | None, line: str | None) -> None:
        """Says how far the run is; a database that does not answer is told the next time.

        Raises:
            RunCancelled, RunLost: see :meth:`beat`
        """
        # the line also holds a rate, which changes while nothing moves
        position = (fraction, (line or "").partition(" · ")[0])
        dates = ["status.updated_at", *(["labelvet.moved"] if position != self._position else [])]
        try:
            document = queue().find_one_and_update(
                self._mine,
                {
                    "$set": {"status.progress": fraction, "status.label": line},
                    "$currentDate": dict.fromkeys(dates, True),
                },
                {"labelvet.cancel": 1},
            )
        except ConnectionFailure:
            return
        self._position = position
        self._raise_if_stopped(document)

    @patient
    def keep_log(self, log: str) -> None:
        """Keeps the end of the log, whatever has become of the run, unless another took it."""
        queue().update_one(self._taken, {"$set": {"labelvet.log": log}})

    @patient
    def complete(self, result: Any) -> bool:
        """Completes the operation with FiftyOne's ``ExecutionResult``; False if it was lost."""
        document = result.to_json()
        schema = document.pop("outputs_schema", None)
        changes = {"run_state": COMPLETED, "result": document}
        if schema:
            changes["metadata.outputs_schema"] = schema
        return self._end(
            {"$set": changes, "$currentDate": {"completed_at": True, "updated_at": True}}
        )

    @patient
    def fail(self, sentence: str, trace: str | None = None) -> bool:
        """Fails the operation with a sentence and the full error; False if it was lost."""
        return self._end(failure(sentence, trace))

    @patient
    def fail_canceled(self, sentence: str) -> bool:
        """Ends the operation, as it was canceled, with a sentence; False if it was lost."""
        return self._end(canceled(sentence))

    @patient
    def release(self) -> bool:
        """Hands the operation back to the queue; False if it was lost."""
        return bool(queue().update_one(self._mine, _HANDED_ON).matched_count)

    @patient
    def hand_on(self) -> bool:
        """Hands the operation to the next worker; False if it may not be taken over, or not once
        more, or was lost."""
        return bool(
            queue().update_one({**self._mine, **_MAY_BE_HANDED_ON}, _HANDED_ON).matched_count
        )

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

    def _end(self, update: dict[str, Any]) -> bool:
        update = {**update, "$set": {**update["$set"], "labelvet.ended": True}}
        return bool(queue().update_one(self._mine, update).matched_count)

    @staticmethod
    def _raise_if_stopped(
        document: Mapping[str, Any] | None, still: Standstill | None = None
    ) -> None:
        if document is None:
            raise RunLost
        if document.get("labelvet", {}).get("cancel"):
            raise RunCancelled(still)


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
                "monitored": True,
                "labelvet.claim": claim,
                "labelvet.worker": worker,
                "labelvet.take_over": take_over,
                "labelvet.log": "",
            },
            "$unset": {
                **dict.fromkeys(("labelvet.suspected", "labelvet.busy", "labelvet.canceled"), 1),
                "status": 1,
            },
            "$inc": {"labelvet.attempts": 1},
            "$currentDate": {
                "labelvet.heartbeat": True,
                "labelvet.moved": True,
                "started_at": True,
                "updated_at": True,
            },
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
    except InvalidParameter:
        return "The run was deleted before it started: nothing was done."
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
    # a suspicion that lies ahead was raised before the clock was set back: it starts again
    unsuspected = {
        "$or": [{"$not": ["$labelvet.suspected"]}, {"$gt": ["$labelvet.suspected", "$$NOW"]}]
    }
    silent = away_from_now("labelvet.heartbeat", _SUSPECTED_AFTER_SECONDS)
    operations.update_many(
        {**running, "$expr": {"$and": [silent, unsuspected]}},
        {"$currentDate": {"labelvet.suspected": True}},
    )
    lost = {
        **running,
        "labelvet.suspected": {"$type": "date"},
        "$expr": older_than("labelvet.suspected", _LOST_AFTER_SECONDS),
    }
    operations.update_many({**lost, **_MAY_BE_HANDED_ON}, _HANDED_ON)
    for document in operations.find(lost, {"labelvet.worker": 1, "labelvet.claim": 1}):
        claim = {"_id": document["_id"], "labelvet.claim": document["labelvet"]["claim"]}
        operations.update_one(
            {**lost, **claim},
            failure(
                f"Its worker ({document['labelvet'].get('worker')}) was killed or lost its "
                "connection. What was done is kept: re-run it, and it goes on from there."
            ),
        )
