"""``labelvet install`` and ``uninstall``: the plugin, in and out of FiftyOne's plugins folder.

The folder is looked up as FiftyOne does it, but without FiftyOne, which would want its database.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from labelvet.core.errors import NotInstalled
from labelvet.core.versions import (
    PATH_FILE,
    PLUGIN,
    PLUGIN_NAME,
    check_fiftyone,
    command,
    path_file,
    site_folders,
)

_LINK = "labelvet"
_METADATA = ("fiftyone.yml", "fiftyone.yaml")


def add(commands: Any) -> None:
    """Adds the commands."""
    parser = commands.add_parser(
        "install",
        help="put the plugin into FiftyOne's plugins folder",
        description="Links this installation of labelvet into FiftyOne's plugins folder. Run from "
        "a plugin that FiftyOne downloaded, it makes 'python -m labelvet' work from any folder.",
    )
    parser.set_defaults(run=_install)
    parser = commands.add_parser(
        "uninstall", help="remove the plugin from FiftyOne's plugins folder"
    )
    parser.set_defaults(run=_uninstall)


def _install(arguments: argparse.Namespace) -> None:
    check_fiftyone()
    plugins = plugins_folder()
    others = [folder for folder in installed_plugins(plugins) if folder.resolve() != PLUGIN]
    if others:
        raise NotInstalled(
            f"Another labelvet is in '{others[0]}': remove it first, with '{removal(others[0])}'."
        )
    if _is_inside(plugins):
        print(f"The plugin is in '{PLUGIN}', where FiftyOne looks for it.")
        _make_importable()
        return
    link = plugins / _LINK
    if not link.is_symlink() and link.exists():
        raise NotInstalled(f"'{link}' already exists and is not labelvet: move it away first.")
    _link(link)
    print(f"The plugin is in FiftyOne's plugins folder: '{link}' is '{PLUGIN}'.")
    print(f"Restart the App if it is open. '{command()} doctor' says what else it needs.")


def _link(link: Path) -> None:
    """Makes the link, in one step where another one is there."""
    beside = link.with_name(f".{link.name}-{os.getpid()}")
    try:
        link.parent.mkdir(parents=True, exist_ok=True)
        beside.symlink_to(PLUGIN)
        beside.replace(link)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        raise NotInstalled(
            f"'{link}' cannot be made: {error.strerror or error}. Make the folder writable, or set "
            "FIFTYONE_PLUGINS_DIR to one that is."
        ) from None


def _make_importable() -> None:
    """Makes ``labelvet`` importable in this environment where it is not."""
    if path_file() is None and _is_importable():
        return
    last: OSError | None = None
    for folder in site_folders():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / PATH_FILE).write_text(f"{PLUGIN / 'importable'}\n")
        except OSError as error:
            last = error
            continue
        print(f"'{command()}' is this command now, and 'import labelvet' works, anywhere.")
        return
    raise NotInstalled(
        f"'{PATH_FILE}' cannot be written into this Python's site-packages: {last}. The command "
        f"works without it: {command()}."
    )


def _is_importable() -> bool:
    """Whether this Python, started anywhere else, finds labelvet."""
    look = "import importlib.util, sys; sys.exit(importlib.util.find_spec('labelvet') is None)"
    here = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    looked = subprocess.run([sys.executable, "-c", look], cwd=Path.home().anchor, env=here)
    return looked.returncode == 0


def _uninstall(arguments: argparse.Namespace) -> None:
    plugins = plugins_folder()
    removed = []
    for folder in installed_plugins(plugins):
        if folder.is_symlink():
            folder.unlink()
            removed.append(folder)
    link = plugins / _LINK
    if link.is_symlink() and not link.exists():  # of a labelvet that is gone
        link.unlink()
        removed.append(link)
    path = path_file()
    if path is not None:
        path.unlink()
        removed.append(path)
    for each in removed:
        print(f"Removed '{each}'.")
    left = list(installed_plugins(plugins))
    if left:
        print(f"'{left[0]}' is not a link: '{removal(left[0])}' removes it.")
    elif not removed:
        print(f"There is no labelvet in '{plugins}'.")
    else:
        print("Restart the App if it is open. Datasets and what was written into them stay.")


def plugins_folder() -> Path:
    """Returns where FiftyOne looks for plugins: what its environment or configuration says."""
    home = Path("~").expanduser()
    file = Path(os.environ.get("FIFTYONE_CONFIG_PATH") or home / ".fiftyone" / "config.json")
    try:
        configured = dict(json.loads(file.read_text()))
    except (OSError, ValueError, TypeError):
        configured = {}
    if folder := os.environ.get("FIFTYONE_PLUGINS_DIR") or configured.get("plugins_dir"):
        return Path(folder).expanduser()
    datasets = os.environ.get("FIFTYONE_DEFAULT_DATASET_DIR") or configured.get(
        "default_dataset_dir"
    )
    return Path(datasets or home / "fiftyone").expanduser() / "__plugins__"


def installed_plugins(plugins: Path) -> Iterator[Path]:
    """Yields the folders in FiftyOne's plugins folder that are labelvet, as FiftyOne finds them.

    Args:
        plugins: FiftyOne's plugins folder
    """
    # a plugin lies in the folder itself, or in a folder of its author's
    for pattern in ("*", "*/*"):
        for folder in sorted(plugins.glob(pattern)):
            if not folder.name.startswith(".") and any(
                _is_labelvet(folder / name) for name in _METADATA
            ):
                yield folder


def removal(plugin: Path) -> str:
    """Returns what to type to remove a labelvet from FiftyOne's plugins folder."""
    if plugin.is_symlink():
        return f"{command()} uninstall"
    return f"fiftyone plugins delete {PLUGIN_NAME}"


def _is_labelvet(metadata: Path) -> bool:
    try:
        return bool(re.search(rf"^name:\s*[\"']?{PLUGIN_NAME}\b", metadata.read_text(), re.M))
    except (OSError, UnicodeDecodeError):
        return False


def _is_inside(plugins: Path) -> bool:
    return plugins.resolve() in PLUGIN.parents
