"""``make demo`` as its user runs it: it opens, it ends, it opens again."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
import urllib.request

import psutil
import pytest
from labelvet.core.versions import PLUGIN
from running import PATIENCE


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("demo")


def start(folder, *options):
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "labelvet.demo", "--folder", str(folder), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=PLUGIN,
    )


def address_of(process):
    said = []
    for line in process.stdout:
        said.append(line)
        if found := re.search(r"http://127\.0\.0\.1:\d+/\S+", line):
            return found.group()
    if "could not be fetched" in "".join(said):
        pytest.skip("the demo's cut-outs cannot be fetched here")
    raise AssertionError("".join(said))


@pytest.mark.processes
def test_opens_ends_and_opens_again_in_seconds(folder):
    first = start(folder, "--composed")
    opened = urllib.request.urlopen(address_of(first), timeout=30)
    log = folder / "worker.log"
    assert opened.status == 200

    refused = start(folder)
    assert "already running" in refused.communicate(timeout=120)[0]
    assert refused.returncode == 1

    deadline = time.monotonic() + PATIENCE
    while "serves this database" not in log.read_text():  # so that Schedule works
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)
    started = psutil.Process(first.pid).children(recursive=True)
    assert any("worker" in process.cmdline() for process in started)
    assert any("mongod" in process.name() for process in started)
    first.send_signal(signal.SIGINT)
    assert "Stopped" in first.communicate(timeout=120)[0]
    assert first.returncode == 0
    assert not psutil.wait_procs(started, timeout=20)[1]

    begin = time.monotonic()
    second = start(folder)
    address_of(second)
    seconds = time.monotonic() - begin
    second.send_signal(signal.SIGTERM)
    said = second.communicate(timeout=120)[0]
    assert second.returncode == 0
    assert "Computing" not in said and "Composing" not in said and "Finding" not in said
    # generous, for it was 6 s on two cores: the first start took over a minute
    assert seconds < 60
