"""Processes that end with the one that started them."""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO

_STOP_SECONDS = 20


@contextmanager
def running(
    command: Sequence[str], output: IO[str] | int = subprocess.DEVNULL
) -> Iterator[subprocess.Popen[bytes]]:
    """Runs a process, and ends it with the block or with this process, whichever ends first.

    Args:
        command: the program and its arguments
        output: where what it prints goes, errors too where it is a file
    """
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=None if output == subprocess.DEVNULL else subprocess.STDOUT,
        # Ctrl-C in the terminal is for the one who started it, who then stops it
        start_new_session=True,
        preexec_fn=end_with_parent if sys.platform == "linux" else None,
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def end_with_parent(number: int = signal.SIGTERM) -> None:
    """Asks Linux to send this process a signal when its parent dies, even of SIGKILL.

    Args:
        number: the signal
    """
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, number)
