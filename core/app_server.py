"""The server of FiftyOne's App, as a process of its own that starts beside this one.

FiftyOne starts it from a process that has imported FiftyOne, through another that imports it too;
a session at a port where a server answers connects to that one. So this module imports no FiftyOne.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from .ports import check_port, free_port, is_free
from .processes import running
from .versions import file_of_fiftyone

_USUAL_PORT = 5151
# without it the server reads the files of all plugins twice for each question of a panel
_FAST = {"FIFTYONE_PLUGINS_CACHE_ENABLED": "true"}
_START_SECONDS = 300


@dataclass(frozen=True)
class AppServer:
    """The server of FiftyOne's App.

    Attributes:
        port: where on loopback
        process: it
        printed: what it prints
    """

    port: int
    process: subprocess.Popen[bytes]
    printed: IO[bytes]

    def wait(self) -> None:
        """Waits until it answers.

        Raises:
            RuntimeError: if it ends, or does not answer in time; with the end of what it printed
        """
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/fiftyone", timeout=5).close()
                return
            except OSError:
                time.sleep(0.1)
        self.printed.seek(0)
        said = self.printed.read()[-2000:].decode(errors="replace")
        raise RuntimeError(f"FiftyOne's App did not start: {said or 'it said nothing'}")


@contextmanager
def app_server(port: int | None = None) -> Iterator[AppServer]:
    """Runs the server of the App, with the database and the folders that the environment names.

    Args:
        port: by default 5151 where it is free

    Yields:
        the server, which may not be up yet

    Raises:
        InvalidParameter: if the port cannot be used
        RuntimeError: if there is no FiftyOne
    """
    if port is not None:
        check_port(port)
    port = port or (_USUAL_PORT if is_free(_USUAL_PORT) else free_port())
    program = file_of_fiftyone("server/main.py")
    if program is None:
        raise RuntimeError("There is no FiftyOne with an App here: pip install fiftyone.")
    command = [sys.executable, str(program), "--port", str(port), "--address", "127.0.0.1"]
    with (
        tempfile.TemporaryFile() as printed,
        running(command, printed, {**_FAST, **os.environ}) as process,
    ):
        yield AppServer(port, process, printed)
