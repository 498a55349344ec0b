"""The loop of a worker: takes operations from the queue, runs each in a process of its own and
watches over it."""

from __future__ import annotations

import ctypes
import itertools
import os
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

from pymongo.errors import PyMongoError

from ..core.errors import InvalidParameter
from .child import CANCELLED
from .claims import Claim, RunCancelled, RunEnded, RunLost, claim_next, find_obstacle, settle_lost
from .process import RunProcess
from .stalls import Standstill
from .targets import HEARTBEAT_SECONDS, Registration, Worker

_ROOT = Path(__file__).resolve().parents[1]

_POLL_SECONDS = 1.0
# after so many heartbeats a worker looks for runs whose workers are lost
_HEARTBEATS_PER_LOOK = 2
# A run that was cancelled has so long to stop by itself, and to free what it holds on a cluster,
# unless it is writing already.
_GRACE_SECONDS = 10.0


def serve(
    worker: Worker,
    stop: Event,
    *,
    cluster: str | None = None,
    take_over: bool = False,
    stall_limit: float | None = None,
    say: Callable[[str], None] = print,
) -> None:
    """Serves a target until told to stop.

    A run that is going on then goes back to the queue, with what it embedded kept.

    Args:
        worker: how the App shows this worker
        stop: ends it, once set
        cluster: the settings of a Ray cluster as JSON, see :mod:`labelvet.workers.cluster`
        take_over: whether another worker goes on with a run of this one should it be lost or hang
        stall_limit: a run whose progress stands still for so many seconds is ended; None ends one
            that hangs only where it can be taken over, after a time that fits its stage
        say: where lines for the terminal go

    Raises:
        InvalidParameter: if the name cannot be used
    """
    if not worker.name.strip() or len(worker.name) > 100:
        raise InvalidParameter("A worker needs a name of at most 100 characters: --name NAME.")
    if stall_limit is not None and not stall_limit > 0:
        raise InvalidParameter("The stall limit must be more than 0 minutes.")

    def hangs(still: Standstill | None) -> bool:
        if still is None:
            return False
        return take_over and still.stalled if stall_limit is None else still.seconds > stall_limit

    registration = Registration(worker)
    say(f"'{worker.name}' serves this database: {worker.description}. Ctrl-C ends it.")
    heart = Thread(target=_keep_in_touch, args=(registration, stop), daemon=True)
    heart.start()
    try:
        while not stop.is_set():
            try:
                claim = claim_next(worker.name, str(worker), take_over)
                if claim is None:
                    stop.wait(_POLL_SECONDS)
                elif obstacle := find_obstacle(claim, worker.name):
                    claim.fail(obstacle)
                    say(f"Run {claim.operation}: {obstacle}")
                else:
                    say(f"Run {claim.operation} starts")
                    _run(claim, cluster, hangs, stop, say)
            except PyMongoError as error:
                # a run that was going on is lost then, and settled like every lost one
                say(f"The database does not answer, trying again: {error}")
                stop.wait(_POLL_SECONDS)
    finally:
        stop.set()
        heart.join()
        with suppress(PyMongoError):  # then it is not heard of any more
            registration.leave()


def describe_machine() -> tuple[str, tuple[str, ...]]:
    """Returns one line on this machine, and the names of its accelerators."""
    devices: tuple[str, ...] = ()
    if _has_gpu_driver():  # torch takes seconds to load, which a worker itself has no other use for
        import torch

        devices = tuple(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))
    cores = f"{os.cpu_count()} cores"
    return f"{', '.join((cores, *devices))} of {socket.gethostname()}", devices


def _has_gpu_driver() -> bool:
    """Whether there is a driver of NVIDIA's or AMD's, without which torch sees no GPU."""
    if Path("/dev/kfd").exists():
        return True
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


def _run(
    claim: Claim,
    cluster: str | None,
    hangs: Callable[[Standstill | None], bool],
    stop: Event,
    say: Callable[[str], None],
) -> None:
    """Runs a claimed run in a process of its own."""
    with ExitStack() as stack:
        try:
            process = RunProcess(claim, stack.enter_context(_plugin_folder()), cluster, say)
        except OSError as error:  # of this machine, not of the run: another worker may have it
            claim.release()
            why = f"as no process can be started here: {error}"
            say(f"Run {claim.operation} is queued again, {why}")
            stop.wait(_POLL_SECONDS)
            return
        _watch(process, claim, hangs, stop, say)


def _watch(
    process: RunProcess,
    claim: Claim,
    hangs: Callable[[Standstill | None], bool],
    stop: Event,
    say: Callable[[str], None],
) -> None:
    """Watches over a run to its end, whatever that is."""
    reason = deadline = None
    try:
        while process.is_running and not (stop.is_set() and deadline is None):
            try:
                still = claim.beat(process.log, process.has_computed())
            except RunCancelled as cancelled:
                # it notices by itself as soon as it reports progress
                deadline = deadline or time.monotonic() + _GRACE_SECONDS
                if reason := _overdue(cancelled.still, deadline):
                    break
                process.wait(_POLL_SECONDS)
                continue
            if still is not None and hangs(still):
                process.kill()
                if claim.hand_on():
                    say(f"Run {claim.operation} made {still}: it is queued again")
                    return
                reason = (
                    f"It made {still} at '{still.stage}' and was ended. What was done is kept: "
                    "re-run it, and it goes on from there."
                )
            process.wait(HEARTBEAT_SECONDS)
    except RunEnded:
        process.wait(_GRACE_SECONDS)
    except RunLost:
        say(f"Run {claim.operation} was deleted, marked as failed or taken over: stopping it")
    finally:
        ended = process.kill()
    claim.keep_log(process.log)
    if deadline is not None:
        claim.fail_canceled(reason or CANCELLED)
    elif stop.is_set() and reason is None:
        claim.release()
    else:
        # where the process has not said itself how it ended
        claim.fail(
            reason
            or f"The process of this run ended unexpectedly ({ended}), as it does when the memory "
            "is full. What was done is kept: re-run it, and it goes on from there."
        )
    say(f"Run {claim.operation} ended")


def _overdue(still: Standstill | None, deadline: float) -> str | None:
    """Returns why a cancelled run is ended now, None where it has more time.

    Args:
        still: for how long it has stood still
        deadline: until when it may go on if it is not writing, as ``time.monotonic`` counts
    """
    if still is None or not still.is_final:
        return CANCELLED if time.monotonic() > deadline else None
    if not still.stalled:
        return None
    return (
        f"Canceled, and stopped after {still} at '{still.stage}': part of it may have been "
        "written. Re-run it to write the rest."
    )


def _keep_in_touch(registration: Registration, stop: Event) -> None:
    """Says that the worker is there, and settles the runs of those that are not any more."""
    for beat in itertools.count():
        if stop.wait(HEARTBEAT_SECONDS):
            return
        with suppress(PyMongoError):  # the next one will do
            registration.renew()
            if beat % _HEARTBEATS_PER_LOOK == 0:
                settle_lost()


@contextmanager
def _plugin_folder() -> Iterator[Path]:
    """A plugins folder that holds this plugin alone, for one run: of a worker that waits for days,
    a machine that tidies up would take it away."""
    with tempfile.TemporaryDirectory(
        prefix="labelvet-plugins-", ignore_cleanup_errors=True
    ) as folder:
        Path(folder, "labelvet").symlink_to(_ROOT)
        yield Path(folder)
