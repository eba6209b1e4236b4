"""A real server process for a test: on a free port, its output kept, gone at the end with all its children."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.servers.port import find_port
from tests.servers.printed import Printed


@dataclass(frozen=True)
class Server(Printed):
    """`url` is http://localhost:port: there, browsers take Secure and `__Host-` cookies without TLS."""

    port: int
    log: Path
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"


@contextmanager
def run_server(
    command: Sequence[str],
    log: Path,
    *,
    path: str = "/",
    env: Mapping[str, str] | None = None,
    patience: float = 30.0,
    port: int | None = None,
    folder: Path | None = None,
) -> Iterator[Server]:
    """`command`, with "{port}" filled in, once it answers `path` with any status. Ends its process group on leaving."""
    port = port or find_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [word.replace("{port}", str(port)) for word in command],
            cwd=folder,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = Server(port, log, process)
    try:
        _wait_for_answer(server, path, patience)
        yield server
    finally:
        _end(process)


def _wait_for_answer(server: Server, path: str, patience: float) -> None:
    deadline = time.monotonic() + patience
    while not _answers(server.port, path):
        if server.process.poll() is not None:
            raise RuntimeError(f"The server ended with {server.process.returncode}:\n{server.output()}")
        if time.monotonic() > deadline:
            raise TimeoutError(f"The server did not answer within {patience:g} s:\n{server.output()}")
        time.sleep(0.02)


def _answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("localhost", port, timeout=5)
    try:
        connection.request("GET", path)
        connection.getresponse()
    except (OSError, http.client.HTTPException):
        return False
    else:
        return True
    finally:
        connection.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError, subprocess.TimeoutExpired):
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(5)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # children that outlived it, or itself
    process.wait(30)
