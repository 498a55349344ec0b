"""Runs an engine call so that FiftyOne sees its progress, at once or delegated."""

from __future__ import annotations

from collections.abc import Callable, Generator
from queue import SimpleQueue
from threading import Event, Thread
from typing import Any, TypeVar

from ..core.errors import Cancelled
from ..core.progress import Report
from ..workers.claims import RunCancelled

Result = TypeVar("Result")

_FINISHED = object()


def run_with_progress(
    ctx: Any, call: Callable[[Report, Event], Result]
) -> Generator[Any, None, Result]:
    """Runs ``call(report, cancelled)`` in a thread, yields the App's progress updates, and returns
    the call's result.

    A delegated run gets its progress through ``ctx.set_progress``; one that runs at once must
    yield it. When the App stops listening, or a delegated run is cancelled, so is the call; one
    that is writing already comes to its end, and its result counts.

    Args:
        ctx: the operator's execution context
        call: the engine call

    Raises:
        RunCancelled: if a delegated run was cancelled in time
        whatever the call raises; a ``RuntimeError`` where it would have ended the process
    """
    updates: SimpleQueue[Any] = SimpleQueue()
    cancelled = Event()
    results: list[Result] = []
    errors: list[BaseException] = []
    stopped: RunCancelled | None = None

    def work() -> None:
        try:
            results.append(call(lambda *update: updates.put(update), cancelled))
        # whatever it is, it is raised again where FiftyOne waits for it
        except BaseException as error:
            errors.append(error)
        finally:
            updates.put(_FINISHED)

    thread = Thread(target=work, name="labelvet-run", daemon=True)
    thread.start()
    try:
        while (update := updates.get()) is not _FINISHED:
            fraction, line = update
            if ctx.delegated:
                try:
                    ctx.set_progress(progress=fraction, label=line)
                except RunCancelled as asked:
                    stopped = asked
                    cancelled.set()
            else:
                yield ctx.ops.set_progress(progress=fraction, label=line)
    finally:
        cancelled.set()
        thread.join()
    for error in errors:
        if stopped is not None and isinstance(error, Cancelled):
            raise stopped
        if isinstance(error, Exception):
            raise error
        # a library that calls sys.exit() ends its run, not the App's server
        raise RuntimeError(f"{type(error).__name__}: {error}") from error
    return results[0]
