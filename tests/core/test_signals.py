"""What runs until Ctrl-C ends at Ctrl-C, whatever it was doing."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from labelvet.core.versions import PLUGIN

PROGRAM = """
import signal
from labelvet.core.signals import interrupt_on_signals, wait_for_interrupt

class Deleted:
    def __del__(self):
        signal.raise_signal(signal.SIGTERM)

interrupt_on_signals()
try:
    {doing}
    print("waiting", flush=True)
    wait_for_interrupt()
except KeyboardInterrupt:
    print("ended")
"""


def start(doing):
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(doing=doing)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=PLUGIN,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it(number):
    process = start("pass")
    assert process.stdout.readline() == "waiting\n"
    process.send_signal(number)
    assert process.communicate(timeout=60)[0] == "ended\n"


def test_a_signal_that_comes_while_an_object_is_deleted_ends_it_too():
    process = start("Deleted()")
    assert process.communicate(timeout=60)[0] == "waiting\nended\n"
