"""`sojourn demo`: what the command itself does. The demo has tests of its own."""

from __future__ import annotations

import socket
import urllib.request
from pathlib import Path

from sojourn import SessionManager, open_store
from tests.cli.program import COMMAND, Program
from tests.server import run_server


def test_the_demo_serves_a_page_and_keeps_its_sessions_where_it_is_told(tmp_path: Path) -> None:
    database = tmp_path / "demo.sqlite3"
    command = [*COMMAND, "demo", "--port", "{port}", "--database", str(database)]
    with run_server(command, tmp_path / "log") as server, urllib.request.urlopen(f"{server.url}/") as answer:
        assert answer.status == 200
    manager = SessionManager(open_store(f"sqlite:///{database}"))
    assert manager.stats().bytes
    manager.close()


def test_the_demo_takes_its_port_from_the_environment_and_says_when_it_is_taken(sojourn: Program) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = sojourn("demo", env={"PORT": port})
    assert done.code == 2
    assert port in done.err
    assert "Traceback" not in done.err


def test_the_demo_refuses_timeouts_that_cannot_be(sojourn: Program) -> None:
    done = sojourn("demo", "--idle", "2h", "--absolute", "1h")
    assert done.code == 2
    assert "idle_timeout" in done.err
    assert not list(sojourn.folder.iterdir())
