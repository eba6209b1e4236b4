"""Caddy, with a Caddyfile of the test's own."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

from tests.servers.process import Process, Running
from tests.servers.waiting import wait_until

__all__ = ["Caddy"]


class Caddy(Running):
    """What `sites` say, which listen at `port` of 127.0.0.1."""

    def __init__(self, folder: Path, port: int, sites: str) -> None:
        folder.mkdir()
        self.port = port
        caddy = shutil.which("caddy")
        assert caddy is not None, "apt-get install caddy"
        config = folder / "Caddyfile"
        config.write_text(f"{{\n\tadmin off\n\tdefault_bind 127.0.0.1\n}}\n{sites}")
        # It keeps what it last ran, and certificates, below its user's home.
        words = ["env", f"HOME={folder}", caddy, "run", "--config", str(config), "--adapter", "caddyfile"]
        self._process = Process(words, folder, folder / "output")
        wait_until(self._listens, "Caddy listens")

    def _listens(self) -> bool:
        self._process.require_running()
        with socket.create_connection(("127.0.0.1", self.port)):
            return True

    def stop(self) -> None:
        self._process.stop()
