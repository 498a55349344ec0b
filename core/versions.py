"""Which versions of FiftyOne labelvet runs with, and how it is called on the command line here."""

from __future__ import annotations

import shlex
import shutil
import site
import sys
import sysconfig
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from .errors import UnsupportedFiftyOne

FIFTYONE = ">=1.21,<2"
"""What ``fiftyone.yml`` and ``pyproject.toml`` say too."""

PLUGIN = Path(__file__).resolve().parents[1]
"""The folder that is the plugin and the package."""

PLUGIN_NAME = "@labelvet/labelvet"
"""What FiftyOne calls it, and what the URIs of its operators begin with."""


PATH_FILE = "labelvet-plugin.pth"
"""Makes ``python -m labelvet`` work where FiftyOne downloaded the plugin and pip installed
nothing."""


def check_fiftyone() -> str:
    """Returns the version of FiftyOne that is installed.

    Raises:
        UnsupportedFiftyOne: if there is none, or labelvet does not run with it
    """
    try:
        found = version("fiftyone")
    except PackageNotFoundError:
        raise UnsupportedFiftyOne(
            f"labelvet needs FiftyOne, which '{sys.executable}' does not have: run labelvet with "
            f"the Python that has it, or pip install 'fiftyone{FIFTYONE}'."
        ) from None
    from packaging.specifiers import SpecifierSet  # the doctor runs where nothing is installed

    if not SpecifierSet(FIFTYONE).contains(found, prereleases=True):
        raise UnsupportedFiftyOne(
            f"labelvet does not run with FiftyOne {found}: pip install 'fiftyone{FIFTYONE}', then "
            "restart the App."
        )
    return found


def file_of_fiftyone(path: str) -> Path | None:
    """Returns a file of the installed FiftyOne, which is not imported, None where there is none."""
    files = (Path(folder, "fiftyone", path) for folder in sys.path)
    return next(filter(Path.exists, files), None)


def command() -> str:
    """Returns what to type for ``labelvet`` here.

    A plugin that FiftyOne downloaded has no console script; its folder can be run from anywhere,
    and ``labelvet install`` makes it a module.
    """
    if shutil.which("labelvet") or (Path(sysconfig.get_path("scripts")) / "labelvet").exists():
        return "labelvet"
    if path_file() is not None:
        found = shutil.which("python")
        python = "python" if found == sys.executable else shlex.quote(sys.executable)
        return f"{python} -m labelvet"
    return f"{shlex.quote(sys.executable)} {shlex.quote(str(PLUGIN))}"


def path_file() -> Path | None:
    """Returns the file that makes a downloaded plugin importable, None where there is none."""
    for folder in site_folders():
        if (folder / PATH_FILE).exists():
            return folder / PATH_FILE
    return None


def site_folders() -> list[Path]:
    """Returns where packages of this Python are, and those of this user."""
    folders = [Path(sysconfig.get_path("purelib"))]
    if site.ENABLE_USER_SITE:
        folders.append(Path(site.getusersitepackages()))
    return folders
