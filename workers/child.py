"""The process that executes one run, so that a run can be killed and cannot harm its worker.

``python -m labelvet.workers.child OPERATION CLAIM [CLUSTER]``. Its standard input is a pipe from
the worker: when that closes, the worker is gone, and so is the right to go on.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import traceback
from contextlib import AbstractContextManager, nullcontext

from bson import ObjectId
from fiftyone.operators.executor import ExecutionError

from ..core.errors import LabelvetError
from ..core.sentences import first_line
from .claims import Claim, RunCancelled, RunLost

CANCELLED = "Canceled. Everything done so far is kept."


def main() -> None:
    """Executes the run; its outcome is in the database when this returns."""
    operation, claim_id, *cluster = sys.argv[1:]
    threading.Thread(target=_end_with_worker, daemon=True).start()
    claim = Claim(ObjectId(operation), ObjectId(claim_id))
    try:
        with _cluster(*cluster):
            result = claim.execute()
        claim.complete(result)
        print("Completed.", flush=True)
    except RunCancelled:
        claim.fail_canceled(CANCELLED)
        print(CANCELLED, flush=True)
    except RunLost:
        print("Stopped: the run was deleted, marked as failed or taken over.", flush=True)
    except LabelvetError as error:
        _fail(claim, str(error))
    except ExecutionError as error:
        # what the form refuses, as "Validation error. Path: ... Reason: ..."
        _fail(claim, str(error).rpartition("Reason: ")[2])
    except Exception as error:
        _fail(claim, f"{type(error).__name__}: {first_line(error)}", traceback.format_exc())


def _fail(claim: Claim, sentence: str, trace: str | None = None) -> None:
    claim.fail(sentence, trace)
    print(trace or sentence, flush=True)


def _cluster(settings: str | None = None) -> AbstractContextManager[None]:
    if settings is None:
        return nullcontext()
    from .cluster import ClusterSettings, embedding_on_ray

    return embedding_on_ray(ClusterSettings(**json.loads(settings)))


def _end_with_worker() -> None:
    # not by sys.stdin, whose lock this thread would hold when the interpreter shuts down
    while os.read(0, 1024):
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
