"""Ctrl-C and SIGTERM, for what runs until one of them comes."""

from __future__ import annotations

import signal
import threading
from types import FrameType


def interrupt_on_signals() -> None:
    """Makes the first of them raise ``KeyboardInterrupt``, and the others do nothing."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)


def wait_for_interrupt() -> None:
    """Waits until one of them comes."""
    threading.Event().wait()


def _interrupt(number: int, frame: FrameType | None) -> None:
    # once is enough: a second Ctrl-C must not interrupt the cleaning up
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt
