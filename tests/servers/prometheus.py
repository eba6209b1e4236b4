"""Prometheus, with a configuration of the test's own."""

from __future__ import annotations

import http.client
import json
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.servers.port import find_port
from tests.servers.process import Process, Running
from tests.servers.waiting import wait_until

__all__ = ["Prometheus", "find_tool"]


def find_tool(name: str = "prometheus") -> str:
    """The path of the server, or of what comes with it."""
    found = shutil.which(name)
    assert found is not None, "apt-get install prometheus"
    return found


class Prometheus(Running):
    """One that reads the file `config`."""

    def __init__(self, folder: Path, config: Path) -> None:
        self.port = find_port()
        words = [
            *(find_tool(), f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}", "--log.level=warn"),
            f"--web.listen-address=127.0.0.1:{self.port}",
        ]
        self._process = Process(words, folder, folder / "output.log")
        wait_until(self._is_ready, "Prometheus is ready")

    def ask(self, path: str, **query: str) -> Any:
        """What its API answers, which is to be a success. Raises OSError where there is no answer."""
        status, body = self._get(f"/api/v1/{path}?{urlencode(query)}")
        told = json.loads(body)
        assert (status, told["status"]) == (200, "success"), told
        return told["data"]

    def values(self, query: str) -> list[float]:
        """What a query answers with now, one number for each series."""
        return [float(each["value"][1]) for each in self.ask("query", query=query)["result"]]

    def _is_ready(self) -> bool:
        self._process.require_running()
        return self._get("/-/ready")[0] == 200

    def _get(self, path: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def stop(self) -> None:
        self._process.stop()
