"""labelvet: find the wrong labels of a detection dataset, inside FiftyOne.

This file is the package ``labelvet`` and, at the same time, the FiftyOne plugin: FiftyOne loads it
by path, under a module name of its own, and calls :func:`register`. Objects of a module so named
could not be unpickled in another process, so everything else is imported as ``labelvet`` alone,
which the folder ``importable`` makes possible whatever this folder is called.
"""

from __future__ import annotations

import logging
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labelvet.autolabel.auto_label import AutoLabeled, auto_label
    from labelvet.visualization.compute import Visualization, compute_visualization
    from labelvet.visualization.update import Update, update_visualization

__version__ = "0.1.0"
__all__ = [
    "AutoLabeled",
    "Update",
    "Visualization",
    "auto_label",
    "compute_visualization",
    "register",
    "update_visualization",
]

_ROOT = Path(__file__).resolve().parent


def register(plugin: Any) -> None:
    """Registers the operators and panels with FiftyOne's plugin context.

    Raises:
        UnsupportedFiftyOne: if labelvet does not run with this FiftyOne
    """
    _make_importable()
    from labelvet.core.errors import UnsupportedFiftyOne
    from labelvet.core.versions import check_fiftyone

    try:
        check_fiftyone()
    except UnsupportedFiftyOne as error:
        # FiftyOne keeps what a plugin raises to itself
        logging.getLogger(__name__).error("%s", error)
        raise
    from labelvet.operators import register as register_operators
    from labelvet.panels import register as register_panels

    register_operators(plugin)
    register_panels(plugin)


def _make_importable() -> None:
    """Makes ``import labelvet`` find this folder, in this process and in those it spawns."""
    loaded = sys.modules.get("labelvet")
    if loaded is None:
        installed = find_spec("labelvet")
        if installed is None or Path(str(installed.origin)).resolve().parent != _ROOT:
            sys.path.insert(0, str(_ROOT / "importable"))
        return
    other = Path(str(loaded.__file__)).resolve().parent
    if other != _ROOT:
        logging.getLogger(__name__).warning(
            "labelvet is already loaded from '%s', so the plugin in '%s' uses that one. Remove one "
            "of the two.",
            other,
            _ROOT,
        )


def __getattr__(name: str) -> Any:
    if name in __all__:
        from labelvet.core.versions import check_fiftyone

        check_fiftyone()
    # the engine loads torch, so it is loaded when it is first asked for
    if name in ("Visualization", "compute_visualization"):
        from labelvet.visualization import compute as visualization

        return getattr(visualization, name)
    if name in ("Update", "update_visualization"):
        from labelvet.visualization import update

        return getattr(update, name)
    if name in ("AutoLabeled", "auto_label"):
        from labelvet.autolabel import auto_label

        return getattr(auto_label, name)
    raise AttributeError(f"module 'labelvet' has no attribute '{name}'")
