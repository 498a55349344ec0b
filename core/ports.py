"""TCP ports of loopback: which are free."""

from __future__ import annotations

import socket

from .checks import check_whole
from .errors import InvalidParameter

_MOST = 2**16 - 1


def free_port() -> int:
    """Returns a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    """Whether a server may listen on a port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def check_port(port: int) -> None:
    """Checks that a server may listen on a port that somebody chose.

    Raises:
        InvalidParameter: if it is none, or taken
    """
    check_whole("--port", port, 1, _MOST)
    if not is_free(port):
        raise InvalidParameter(f"Port {port} is taken: give another one, or none for a free one.")
