"""Processes that end with the one that started them."""

from __future__ import annotations

import ctypes
import signal


def end_with_parent() -> None:
    """Asks Linux to stop this process when its parent dies, even of SIGKILL.

    It is called between fork and exec.
    """
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)
