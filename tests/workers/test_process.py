"""The process of a run, as its worker sees it."""

from __future__ import annotations

import os
import signal
import time

import psutil
import pytest
from bson import ObjectId
from labelvet.workers.claims import Claim
from labelvet.workers.process import RunProcess
from running import run_process, wait_until

pytestmark = pytest.mark.processes


@pytest.fixture
def process(tmp_path):
    """A process whose operation does not exist, which takes seconds to find out."""
    started = RunProcess(Claim(ObjectId(), ObjectId()), tmp_path, None, lambda line: None)
    yield started
    started.kill()


def test_a_process_that_stands_still_computes_nothing(process):
    wait_until(process.has_computed)
    child = run_process(os.getpid())
    child.send_signal(signal.SIGSTOP)
    wait_until(lambda: child.status() == psutil.STATUS_STOPPED)
    process.has_computed()
    time.sleep(1)
    assert process.is_running and not process.has_computed()
    assert process.kill() == "killed by signal 9"
    assert not process.is_running


def test_its_last_words_are_kept(process):
    wait_until(lambda: not process.is_running)
    assert process.kill().startswith("exit code") and process.log
