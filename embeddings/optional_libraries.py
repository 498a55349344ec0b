"""The optional libraries, imported so that they do nothing that nobody asked for.

OpenVINO sends telemetry with every conversion, in a process that it forks, which can leave another
thread's BLAS call hanging for ever; ultralytics installs packages that a file seems to need, and
reports how it is used. Tried with openvino 2026 and 2025, ultralytics 8.4.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Any


def import_openvino() -> Any:
    """Imports OpenVINO without its telemetry, which is a package of its own that may be missing.

    Raises:
        ImportError: if it is not installed
    """
    if "openvino" not in sys.modules:
        sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    if sys.modules.get("openvino_telemetry") is not None:  # imported by somebody else before
        with suppress(ImportError):
            from openvino.tools.ovc import telemetry_stub, telemetry_utils

            telemetry_utils.tm = telemetry_stub
    return openvino


def import_ultralytics() -> Any:
    """Imports ultralytics with its installer and its telemetry off, and without the question to a
    name server by which it tells whether there is internet.

    Raises:
        ImportError: if it is not installed
    """
    quiet_ultralytics()
    before = os.environ.get("YOLO_OFFLINE")
    os.environ["YOLO_OFFLINE"] = "true"
    try:
        import ultralytics.utils
    finally:
        # a download asks later whether to try again
        if before is None:
            del os.environ["YOLO_OFFLINE"]
        else:
            os.environ["YOLO_OFFLINE"] = before
    quiet_ultralytics()
    return ultralytics


def quiet_ultralytics() -> None:
    """Turns the installer of ultralytics off, and its telemetry where it is imported already: to be
    called before and after something that may import it."""
    os.environ["YOLO_AUTOINSTALL"] = "false"
    if "ultralytics" in sys.modules:
        with suppress(ImportError):
            from ultralytics.utils import checks
            from ultralytics.utils.events import events

            checks.AUTOINSTALL = False  # where it was imported before
            events.enabled = False
