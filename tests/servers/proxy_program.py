"""Proxy program: a real one, run by its own settings, that listens at a port."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path

from tests.servers.process import Process, Running
from tests.servers.waiting import wait_until

__all__ = ["ProxyProgram"]


class ProxyProgram(Running):
    """`command`, run in `folder`, which listens at `port` of 127.0.0.1."""

    def __init__(self, command: Sequence[str], folder: Path, port: int) -> None:
        self.port = port
        self._process = Process(command, folder, folder / "output")
        wait_until(self._listens, f"{type(self).__name__} listens")

    def _listens(self) -> bool:
        self._process.require_running()
        with socket.create_connection(("127.0.0.1", self.port)):
            return True

    def stop(self) -> None:
        self._process.stop()
