"""Processes that end with the one that started them."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, Any

_STOP_SECONDS = 20

# a function that the child calls first would need a fork, which is not safe beside threads
_END_WITH_PARENT = """
import os, sys
from ctypes import CDLL
CDLL(None).prctl(int(sys.argv[1]), int(sys.argv[2]))
if os.getppid() == int(sys.argv[3]):
    os.execvp(sys.argv[4], sys.argv[4:])
"""
_PR_SET_PDEATHSIG = 1


@contextmanager
def running(
    command: Sequence[str],
    output: IO[Any] | int = subprocess.DEVNULL,
    environment: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Runs a process, and ends it with the block or with this process, whichever ends first.

    Args:
        command: the program and its arguments
        output: where what it prints goes, errors too where it is a file
        environment: its own, by default that of this process
    """
    process = subprocess.Popen(
        [*_ending_with_parent(), *command],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=None if output == subprocess.DEVNULL else subprocess.STDOUT,
        # Ctrl-C in the terminal is for the one who started it, who then stops it
        start_new_session=True,
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


def end_with_parent(number: int) -> None:
    """Asks Linux to send this process a signal when its parent dies, even of SIGKILL.

    Args:
        number: the signal
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)


def _ending_with_parent() -> list[str]:
    """Returns what makes a program that follows end with this process."""
    if sys.platform != "linux":
        return []
    asked = (_PR_SET_PDEATHSIG, int(signal.SIGTERM), os.getpid())
    return [sys.executable, "-IS", "-c", _END_WITH_PARENT, *map(str, asked)]
