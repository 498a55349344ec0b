"""Which versions of FiftyOne labelvet runs with, and how it is called on the command line here."""

from __future__ import annotations

import shlex
import shutil
import sys
import sysconfig
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.specifiers import SpecifierSet

from .errors import UnsupportedFiftyOne

FIFTYONE = ">=1.21,<2"
"""What ``fiftyone.yml`` and ``pyproject.toml`` say too."""

PLUGIN = Path(__file__).resolve().parents[1]
"""The folder that is the plugin and the package."""

PLUGIN_NAME = "@labelvet/labelvet"
"""What FiftyOne calls it, and what the URIs of its operators begin with."""


def check_fiftyone() -> str:
    """Returns the version of FiftyOne that is installed.

    Raises:
        UnsupportedFiftyOne: if there is none, or labelvet does not run with it
    """
    try:
        found = version("fiftyone")
    except PackageNotFoundError:
        raise UnsupportedFiftyOne(
            f"labelvet needs FiftyOne, which is not installed here: pip install "
            f"'fiftyone{FIFTYONE}'."
        ) from None
    if not SpecifierSet(FIFTYONE).contains(found, prereleases=True):
        raise UnsupportedFiftyOne(
            f"labelvet does not run with FiftyOne {found}: pip install 'fiftyone{FIFTYONE}', then "
            "restart the App."
        )
    return found


def command() -> str:
    """Returns what to type for ``labelvet`` here.

    A plugin that FiftyOne downloaded has no console script; its folder can be run from anywhere.
    """
    if shutil.which("labelvet") or (Path(sysconfig.get_path("scripts")) / "labelvet").exists():
        return "labelvet"
    return f"{shlex.quote(sys.executable)} {shlex.quote(str(PLUGIN))}"
