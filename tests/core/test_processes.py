"""Processes that end with the one that started them, which is not forked for it."""

from __future__ import annotations

import signal
import subprocess
import sys

import psutil

_PROGRAM = """
import ctypes, sys, time
from labelvet.core.processes import running

# a library that is no Python forks without asking it, so the C library is asked
before = ctypes.CFUNCTYPE(None)(lambda: print("forked", flush=True))
ctypes.CDLL(None).__register_atfork(before, None, None, None)
with running(["sleep", "60"]) as process:
    print(process.pid, flush=True)
    time.sleep(60)
"""


def test_a_process_ends_with_its_parent_which_does_not_fork():
    parent = subprocess.Popen([sys.executable, "-c", _PROGRAM], stdout=subprocess.PIPE, text=True)
    started = psutil.Process(int(parent.stdout.readline()))  # not "forked"
    parent.send_signal(signal.SIGKILL)
    parent.communicate(timeout=20)
    assert not psutil.wait_procs([started], timeout=20)[1]
