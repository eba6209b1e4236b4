"""The socket that the service listens on: TCP, or a unix socket."""

from __future__ import annotations

import errno
import socket
from contextlib import suppress
from pathlib import Path

from sojourn.core.errors import ConfigurationError

__all__ = ["bind_tcp", "bind_unix"]


def bind_tcp(host: str, port: int) -> socket.socket:
    """A socket at `host` and `port`; port 0 takes a free one."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            reason = f"Port {port} is taken by another program. Choose another: --port {port + 1}"
        else:
            reason = f"The service cannot listen at {host}, port {port}: {error.strerror}."
        raise ConfigurationError(reason) from None
    return listener


def bind_unix(path: Path) -> socket.socket:
    """A unix socket at `path`, for every user of the machine: API keys and the folder's rights say who may use it."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.is_socket() and not _answers(path):
            path.unlink()  # left behind by one that was killed
        listener.bind(str(path))
        path.chmod(0o666)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            reason = f"There is something at {path}, another program perhaps that listens. Choose another path: --uds"
        else:
            reason = f"The service cannot listen at {path}: {error.strerror or error}."
        raise ConfigurationError(reason) from None
    return listener


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller, suppress(OSError):
        caller.connect(str(path))
        return True
    return False
