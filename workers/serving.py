"""The loop of a worker: takes operations from the queue, runs each in a process of its own and
watches over it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import IO

import fiftyone as fo
from pymongo.errors import PyMongoError

from ..core.errors import InvalidParameter
from .child import CANCELLED
from .claims import Claim, RunCancelled, RunLost, claim_next, find_obstacle, settle_lost
from .targets import HEARTBEAT_SECONDS, Registration, Worker

_ROOT = Path(__file__).resolve().parents[1]

_POLL_SECONDS = 1.0
_SETTLE_SECONDS = 5.0
# A run that was cancelled has so long to stop by itself, and to free what it holds on a cluster.
_GRACE_SECONDS = 10.0
_LOG_LINES = 200
_LOG_CHARACTERS = 20_000


def serve(
    worker: Worker,
    stop: Event,
    *,
    cluster: str | None = None,
    take_over: bool = False,
    say: Callable[[str], None] = print,
) -> None:
    """Serves a target until told to stop.

    A run that is going on then goes back to the queue, with what it embedded kept.

    Args:
        worker: how the App shows this worker
        stop: ends it, once set
        cluster: the settings of a Ray cluster as JSON, see :mod:`labelvet.workers.cluster`
        take_over: whether another worker goes on with a run of this one should it be lost
        say: where lines for the terminal go

    Raises:
        InvalidParameter: if the name cannot be used
    """
    if not worker.name.strip() or len(worker.name) > 100:
        raise InvalidParameter("A worker needs a name of at most 100 characters: --name NAME.")
    registration = Registration(worker)
    say(f"'{worker.name}' serves this database: {worker.description}. Ctrl-C ends it.")
    heart = Thread(target=_keep_registered, args=(registration, stop), daemon=True)
    heart.start()
    settled = 0.0
    try:
        with _plugin_folder() as plugins:
            while not stop.is_set():
                try:
                    if time.monotonic() - settled > _SETTLE_SECONDS:
                        settle_lost()
                        settled = time.monotonic()
                    claim = claim_next(worker.name, str(worker), take_over)
                    if claim is None:
                        stop.wait(_POLL_SECONDS)
                    else:
                        _run(claim, worker, plugins, cluster, stop, say)
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
    import torch

    devices = tuple(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))
    cores = f"{os.cpu_count()} cores"
    return f"{', '.join((cores, *devices))} of {socket.gethostname()}", devices


def _run(
    claim: Claim,
    worker: Worker,
    plugins: Path,
    cluster: str | None,
    stop: Event,
    say: Callable[[str], None],
) -> None:
    """Runs one operation to its end, whatever that is."""
    obstacle = find_obstacle(claim, worker.name)
    if obstacle is not None:
        claim.fail(obstacle)
        say(f"Run {claim.operation}: {obstacle}")
        return
    say(f"Run {claim.operation} starts")
    child = _start(claim, plugins, cluster)
    log: deque[str] = deque(maxlen=_LOG_LINES)
    reader = Thread(target=_read, args=(child.stdout, log, say), daemon=True)
    reader.start()
    reason = None
    try:
        while child.poll() is None and not stop.is_set():
            claim.beat(_tail(log))
            with suppress(subprocess.TimeoutExpired):
                child.wait(HEARTBEAT_SECONDS)
    except RunCancelled:
        reason = CANCELLED
        # it notices by itself as soon as it reports progress
        with suppress(subprocess.TimeoutExpired):
            child.wait(_GRACE_SECONDS)
    except RunLost:
        say(f"Run {claim.operation} was deleted, marked as failed or taken over: stopping it")
    finally:
        _kill(child)
        reader.join(_GRACE_SECONDS)
    _settle(claim, child.returncode, _tail(log), reason, stop)
    say(f"Run {claim.operation} ended")


def _settle(claim: Claim, code: int, log: str, reason: str | None, stop: Event) -> None:
    """Gives the operation a state where the child has not."""
    with suppress(RunCancelled, RunLost):
        claim.beat(log)
    if stop.is_set() and reason is None:
        claim.release()
        return
    ended = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
    claim.fail(
        reason
        or f"The process of this run ended unexpectedly ({ended}), as it does when the memory is "
        "full. What was done is kept: re-run it, and it goes on from there."
    )


def _start(claim: Claim, plugins: Path, cluster: str | None) -> subprocess.Popen[str]:
    path = os.pathsep.join([str(_ROOT / "importable"), os.environ.get("PYTHONPATH", "")])
    arguments = [str(claim.operation), str(claim.claim), *([cluster] if cluster else [])]
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "labelvet.workers.child", *arguments],
        env={
            **os.environ,
            "PYTHONPATH": path.rstrip(os.pathsep),
            # exactly this code, wherever FiftyOne would find the plugin on this machine
            "FIFTYONE_PLUGINS_DIR": str(plugins),
            # or it would look for, and might start, another database
            "FIFTYONE_DATABASE_NAME": fo.config.database_name,
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        # a group of its own: all of it can be killed, and Ctrl-C is for the worker alone
        start_new_session=True,
    )


def _kill(child: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _read(stream: IO[str], log: deque[str], say: Callable[[str], None]) -> None:
    for line in stream:
        log.append(line.rstrip())
        say(f"  {line.rstrip()}")


def _tail(log: deque[str]) -> str:
    return "\n".join(list(log))[-_LOG_CHARACTERS:]


def _keep_registered(registration: Registration, stop: Event) -> None:
    while not stop.wait(HEARTBEAT_SECONDS):
        with suppress(PyMongoError):  # the next one will do
            registration.renew()


@contextmanager
def _plugin_folder() -> Iterator[Path]:
    """A plugins folder that holds this plugin alone."""
    with tempfile.TemporaryDirectory(prefix="labelvet-plugins-") as folder:
        Path(folder, "labelvet").symlink_to(_ROOT)
        yield Path(folder)
