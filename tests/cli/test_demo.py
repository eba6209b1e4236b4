"""`sojourn demo`: what the command itself does, and what the site does on each store. tests/browser has its page."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from sojourn import SessionManager, open_store
from tests.cli.program import COMMAND, Program
from tests.cli.stores import empty_store
from tests.server import Server, run_server
from tests.servers.port import find_port
from tests.servers.postgres import PostgresServer

PASSWORD = "a long enough password"
LANES = 50


def demo(url: str, folder: Path, *options: str) -> list[str]:
    users = str(folder / "users.sqlite3")
    return [*COMMAND, "demo", "--port", "{port}", "--store", url, "--users", users, *options]


def test_the_demo_serves_a_page_and_keeps_its_sessions_where_it_is_told(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/sessions.sqlite3"
    with run_server(demo(url, tmp_path), tmp_path / "log") as server:
        visitor = Browser(server)
        assert "kept on the server, in SQLite;" in visitor.receive(visitor.send("GET", "/"))
        server.wait_to_print(f"sessions in {tmp_path}/sessions.sqlite3")
    manager = SessionManager(open_store(url))
    assert manager.stats().bytes
    manager.close()


def test_the_demo_makes_no_more_sessions_for_one_address_than_a_flood_needs_and_goes_on_with_those_it_made(
    tmp_path: Path,
) -> None:
    with run_server(demo("memory:", tmp_path, "--insecure-cookies"), tmp_path / "log") as server:
        visitor = Browser(server)
        visitor.ask("POST", "/session/start", {"data": {"name": "Ada"}})
        for _ in range(599):
            Browser(server).ask("POST", "/session/start", {})
        refused = json.loads(Browser(server).receive(Browser(server).send("POST", "/session/start", {}), 429))

        assert (refused["type"], refused["retry_after"]) == ("urn:sojourn:problem:session-refused", 60)
        assert visitor.ask("PATCH", "/session/", {"set": {"name": "Ada L."}})["data"] == {"name": "Ada L."}


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


def test_the_demo_never_takes_the_store_of_an_application(sojourn: Program) -> None:
    """Whoever signs up in the demo as ada would be ada there."""
    url = f"redis://:hunter2@127.0.0.1:{find_port()}"
    done = sojourn("demo", "--port", "0", env={"SOJOURN_STORE": "nonsense:", "SOJOURN_DEMO_STORE": url})
    assert done.code == 3
    assert "hunter2" not in done.err
    assert "Traceback" not in done.err
    assert not list(sojourn.folder.iterdir())


def test_the_demo_says_what_to_run_where_the_tables_are_not_there_yet(
    postgres: PostgresServer, sojourn: Program
) -> None:
    done = sojourn("demo", "--port", "0", "--store", postgres.new_database())
    assert done.code == 2
    assert "sojourn migrate" in done.err


class Browser:
    """A browser as far as the site's handlers see it: it keeps the cookie."""

    def __init__(self, server: Server) -> None:
        self._port = server.port
        self._cookie = ""

    def send(self, method: str, path: str, body: dict[str, Any] | None = None) -> HTTPConnection:
        """A request whose answer nobody waits for yet."""
        connection = HTTPConnection("127.0.0.1", self._port, timeout=20)
        headers = {"cookie": self._cookie, "content-type": "application/json"}
        connection.request(method, path, json.dumps(body).encode() if body else None, headers)
        return connection

    def receive(self, connection: HTTPConnection, status: int = 200) -> str:
        with closing(connection):
            answer = connection.getresponse()
            text = answer.read().decode()
        assert answer.status == status, text
        self._cookie = (answer.getheader("set-cookie") or self._cookie).split(";")[0]
        return text

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        return json.loads(self.receive(self.send(method, path, body)))

    def enter(self, how: str, name: str) -> None:
        self.ask("POST", f"/demo/{how}", {"name": name, "password": PASSWORD})


STORES = [
    ("memory", "", "this process's memory"),
    ("postgres", "", "PostgreSQL"),
    ("postgres", "?cache=1MiB", "PostgreSQL, behind a cache"),
    ("redis", "", "Redis/Valkey"),
    ("redis-socket", "&cache=1MiB&max_staleness=0.5", "Redis/Valkey, behind a cache"),
    ("redis-cluster", "?cache=1MiB", "Redis/Valkey Cluster, behind a cache"),
    ("redis-sentinel", "", "Redis/Valkey with Sentinel"),
    ("valkey", "?cache=1MiB", "Redis/Valkey, behind a cache"),
    ("valkey-cluster", "", "Redis/Valkey Cluster"),
    ("valkey-sentinel", "?cache=1MiB", "Redis/Valkey with Sentinel, behind a cache"),
]


@pytest.fixture(params=STORES, ids=lambda param: param[0] + param[1])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Server, str]]:
    """The demo on a store, and what it calls that."""
    store, query, name = request.param
    url = empty_store(store, request)
    with run_server(demo(url + query, tmp_path, "--insecure-cookies"), tmp_path / "log") as server:
        yield server, name
    assert "Traceback" not in server.output()


def test_the_demo_does_the_same_on_each_store(site: tuple[Server, str]) -> None:
    server, name = site
    here, there, stranger = Browser(server), Browser(server), Browser(server)
    assert f"kept on the server, in {name};" in here.receive(here.send("GET", "/"))

    here.ask("POST", "/demo/cart", {"thing": "lantern"})
    here.enter("sign-up", "ada")
    state = here.ask("GET", "/session/")
    assert (state["user_id"], state["data"]["cart"][0]["thing"]) == ("ada", "lantern")
    record = here.ask("GET", "/demo/inspector")["record"]
    assert (record["user_id"], record["data"]["cart"]) == ("ada", state["data"]["cart"])

    for lane in [here.send("POST", f"/demo/race/{number}") for number in range(LANES)]:
        here.receive(lane)
    kept = here.ask("DELETE", "/demo/race")
    assert [kept[count] for count in ("keys", "list", "counter")] == [LANES] * 3

    there.enter("sign-in", "ada")
    slow = here.send("POST", "/demo/slow")
    time.sleep(0.25)  # of its 1.5 s: it must have read its session before that ends
    assert len(there.ask("GET", "/session/sessions")["sessions"]) == 2
    there.ask("DELETE", f"/session/sessions/{state['id']}")
    assert here.ask("GET", "/session/")["end_reason"] == "revoked"
    assert json.loads(here.receive(slow, 401))["end_reason"] == "revoked"
    record = stranger.ask("GET", f"/demo/inspector?ended={state['id']}")["record"]
    assert (record["end_reason"], record["data"], "user_id" in record) == ("revoked", {}, False)
