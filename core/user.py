"""Who runs this process, for what is kept with who and when."""

from __future__ import annotations

import getpass


def current_user() -> str:
    """Returns the name of the user of this process."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a process without a name, as in some containers
        return "unknown"
