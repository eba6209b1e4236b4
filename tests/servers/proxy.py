"""Proxy: that of `sojourn torture`, before a server of the tests."""

from __future__ import annotations

from sojourn.torture.proxy import Proxy as TortureProxy

__all__ = ["Proxy"]


class Proxy(TortureProxy):
    """Forwards what comes to `port`, on 127.0.0.1, to the server's port there, or socket. Runs from the start."""

    def __init__(self, server: int | str) -> None:
        super().__init__(("127.0.0.1", server) if isinstance(server, int) else server)
