"""HttpSite: one process that serves HTTP on a port that it is told."""

from __future__ import annotations

import http.client
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.servers.port import find_port
from tests.servers.process import Process, Running
from tests.servers.waiting import wait_until

__all__ = ["HttpSite"]


class HttpSite(Running):
    """`command` in `folder`, once it answers. Its port is PORT in the environment, and "{port}" in its words."""

    def __init__(self, folder: Path, command: Sequence[str], environment: Mapping[str, str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = find_port()
        given = ["/usr/bin/env", f"PORT={self.port}", *(f"{name}={value}" for name, value in environment.items())]
        words = [word.replace("{port}", str(self.port)) for word in command]
        self.process = Process([*given, *words], folder, folder / "site.log")
        try:
            wait_until(self._answers, f"{folder.name}, a site")
        except BaseException:
            self.stop()
            raise

    def _answers(self) -> bool:
        self.process.require_running()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", "/ready")
            return connection.getresponse().status == 200
        finally:
            connection.close()

    def stop(self) -> None:
        self.process.stop()
