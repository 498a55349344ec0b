"""The process of one run, as its worker sees it: it is started, listened to and killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import IO

import fiftyone as fo
import psutil

from .claims import Claim

_ROOT = Path(__file__).resolve().parents[1]

_LOG_LINES = 200
_LOG_CHARACTERS = 20_000
_LAST_WORDS_SECONDS = 10.0
# what the threads that keep connections alive use is less
_BUSY_SHARE = 0.02


class RunProcess:
    """A process that executes one run, in a group of its own.

    Args:
        claim: the run
        plugins: a plugins folder with exactly this code
        cluster: the settings of a Ray cluster as JSON, None for this machine
        say: where the lines that it prints go
    """

    def __init__(
        self, claim: Claim, plugins: Path, cluster: str | None, say: Callable[[str], None]
    ) -> None:
        path = os.pathsep.join([str(_ROOT / "importable"), os.environ.get("PYTHONPATH", "")])
        arguments = [str(claim.operation), str(claim.claim), *([cluster] if cluster else [])]
        self._process = subprocess.Popen(
            [sys.executable, "-u", "-m", "labelvet.workers.child", *arguments],
            env={
                **os.environ,
                "PYTHONPATH": path.rstrip(os.pathsep),
                # wherever FiftyOne would find the plugin on this machine
                "FIFTYONE_PLUGINS_DIR": str(plugins),
                # or it would look for, and might start, another database
                "FIFTYONE_DATABASE_NAME": fo.config.database_name,
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            # all of the group can be killed, and Ctrl-C is for the worker alone
            start_new_session=True,
        )
        self._lines: deque[str] = deque(maxlen=_LOG_LINES)
        self._reader = Thread(target=self._read, args=(self._process.stdout, say), daemon=True)
        self._reader.start()
        self._measured = (time.monotonic(), 0.0)

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    @property
    def log(self) -> str:
        """The end of what it printed."""
        return "\n".join(list(self._lines))[-_LOG_CHARACTERS:]

    def wait(self, seconds: float) -> None:
        """Waits until it ends, at most so long."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)

    def has_computed(self) -> bool:
        """Whether it, or a process that it started, has used a processor since the last call."""
        (then, before), now = self._measured, time.monotonic()
        seconds = self._processor_seconds()
        self._measured = (now, seconds)
        # less than before, where a process of its own has ended
        return seconds < before or seconds - before > _BUSY_SHARE * (now - then)

    def kill(self) -> str:
        """Ends it and all that it started, and returns how it ended."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        code = self._process.wait()
        if self._process.stdin:
            self._process.stdin.close()
        self._reader.join(_LAST_WORDS_SECONDS)
        return f"killed by signal {-code}" if code < 0 else f"exit code {code}"

    def _processor_seconds(self) -> float:
        total = 0.0
        # a process may end, or become another user's, at any moment
        with suppress(psutil.Error):
            process = psutil.Process(self._process.pid)
            for one in (process, *process.children(recursive=True)):
                with suppress(psutil.Error):
                    times = one.cpu_times()
                    total += times.user + times.system
        return total

    def _read(self, stream: IO[str], say: Callable[[str], None]) -> None:
        with stream:
            for line in stream:
                self._lines.append(line.rstrip())
                say(f"  {line.rstrip()}")
