"""Ctrl-C and SIGTERM, for what runs until one of them comes."""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType

_AGAIN = 0.1  # seconds
_dropped = sys.unraisablehook


def interrupt_on_signals() -> None:
    """Makes the first of them raise ``KeyboardInterrupt``, and the others do nothing."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    sys.unraisablehook = _interrupt_again


def wait_for_interrupt() -> None:
    """Waits until one of them comes."""
    threading.Event().wait()


def _interrupt(number: int, frame: FrameType | None) -> None:
    # once is enough: a second Ctrl-C must not interrupt the cleaning up
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


def _interrupt_again(lost: sys.UnraisableHookArgs) -> None:
    """Python drops what is raised while an object is deleted: such a signal comes once more."""
    if not issubclass(lost.exc_type, KeyboardInterrupt):
        _dropped(lost)
        return
    interrupt_on_signals()
    main = threading.main_thread().ident
    assert main is not None
    again = threading.Timer(_AGAIN, signal.pthread_kill, (main, signal.SIGINT))
    again.daemon = True
    again.start()
