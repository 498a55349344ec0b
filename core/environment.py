"""Folders, a database and settings of one's own, so that FiftyOne touches nothing of the user's."""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO

from .errors import InUse
from .mongod import private_mongod
from .versions import PLUGIN

_held: list[TextIO] = []


def claim(folder: Path, sentence: str) -> None:
    """Holds a folder until the process ends.

    Args:
        folder: made if need be
        sentence: what to say if another process holds it

    Raises:
        InUse: if one does
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = open(folder / "lock", "w")  # noqa: SIM115
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise InUse(sentence) from None
    _held.append(lock)


def use_private_fiftyone(folder: Path) -> None:
    """Points FiftyOne at ``folder``, with this plugin installed, and runs a mongod there.

    FiftyOne reads all of it when it is imported, so call this before. The mongod ends with the
    process, after FiftyOne's own exit handlers, which wait half a minute for one that is gone.

    Raises:
        RuntimeError: if mongod does not start, or FiftyOne was imported before
    """
    if "fiftyone" in sys.modules:
        raise RuntimeError("FiftyOne was imported before, so it has the user's database already.")
    at_exit = ExitStack()
    atexit.register(at_exit.close)
    plugins = folder / "plugins"
    plugins.mkdir(parents=True, exist_ok=True)
    link = plugins / "labelvet"
    if link.resolve() != PLUGIN:
        link.unlink(missing_ok=True)
        link.symlink_to(PLUGIN)
    uri = at_exit.enter_context(private_mongod(folder / "database"))
    os.environ |= {
        "FIFTYONE_DATABASE_URI": uri,
        "FIFTYONE_PLUGINS_DIR": str(plugins),
        "FIFTYONE_DEFAULT_DATASET_DIR": str(folder / "datasets"),
        "FIFTYONE_DATASET_ZOO_DIR": str(folder / "zoo" / "datasets"),
        "FIFTYONE_MODEL_ZOO_DIR": str(folder / "zoo" / "models"),
        "FIFTYONE_CONFIG_PATH": str(folder / "config.json"),
        "FIFTYONE_APP_CONFIG_PATH": str(folder / "app_config.json"),
        "FIFTYONE_BRAIN_CONFIG_PATH": str(folder / "brain_config.json"),
        "FIFTYONE_DO_NOT_TRACK": "1",
        # a mongod of the oldest version that FiftyOne supports will do here: no advice on it
        "FIFTYONE_DATABASE_VALIDATION": "false",
    }


def use_temporary_fiftyone(prefix: str, within: str | None = None) -> Path:
    """Does so in a temporary folder, where labelvet keeps its embeddings too, and returns it.

    The folder goes with the process, after FiftyOne's exit handlers, which write to the database.

    Args:
        prefix: what its name begins with
        within: where it is made, by default where the system has its temporary files

    Raises:
        RuntimeError: see :func:`use_private_fiftyone`
    """
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=within))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    use_private_fiftyone(folder / "fiftyone")
    os.environ["LABELVET_CACHE_DIR"] = str(folder / "cache")
    return folder
