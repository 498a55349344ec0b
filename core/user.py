"""Who runs this process, for what is kept with who and when."""

from __future__ import annotations

import getpass
from typing import Any


def current_user() -> str:
    """Returns the name of the user of this process."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a process without a name, as in some containers
        return "unknown"


def user_of(ctx: Any) -> str:
    """Returns who asks, by the context of an operator or a panel: FiftyOne Enterprise knows that,
    elsewhere it is who runs the App."""
    return str(ctx.user_id or current_user())
