"""`sojourn copy`: nobody is signed out by a move from any store to any other, with real servers and a kept cookie."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Self

import psycopg
import pytest
from redis import Redis

from sojourn import Client, SessionManager, open_store
from sojourn.core.record import Record
from sojourn.core.store import Create
from sojourn.stores.postgres import migrate
from sojourn.testing import make_record
from tests.cli.conftest import DAY, HOUR, Sessions
from tests.cli.program import COMMAND, Program
from tests.cli.stores import empty_store
from tests.server import run_server
from tests.servers.postgres import PostgresServer
from tests.servers.redis import RedisServer
from tests.servers.waiting import wait_until

NOTHING = {"read": 0, "copied": 0, "updated": 0, "ended": 0, "same": 0, "newer": 0, "left": 0, "barred": 0}


def counts(**differing: int) -> dict[str, int]:
    return {**NOTHING, **differing}


def contents(url: str) -> dict[str, Record]:
    """Every record of a store, with its data as plain bytes."""
    with closing(open_store(url)) as store:
        return {record.id: record for record in store.scan("", 100_000)}


def facts(record: Record) -> tuple[Any, ...]:
    """All of a record. Its data may be of another kind in each store, and hold its keys in another order."""
    told = {name: getattr(record, name) for name in Record.__struct_fields__}
    return tuple((told | {"data": sorted(record.data.items())}).values())


def fill(url: str) -> None:
    """Sessions of every kind that a store can hold."""
    with closing(SessionManager(open_store(url))) as manager:
        for user in ("ada", "ada", "Zoë\n\x1b", None, None):
            session = manager.anonymous(Client("2001:db8::7", "Mozilla/5.0 (ü)"))
            session.update({"cart": [{"näme": "tea", "n": 1.5}], "": None, "a": {}, "nul": "\x00"})
            if user:
                session.login(user, remember=user == "ada")
            manager.commit(session)
            for n in range(3):
                session["n"] = n
                manager.commit(session)
        manager.revoke(manager.list("ada")[0].id)
        session = manager.anonymous()
        session["n"] = 1
        manager.commit(session)
        session.regenerate()
        manager.commit(session)
        session.logout()
        manager.commit(session)


@pytest.fixture
def url(sessions: Sessions) -> str:
    fill(sessions.url)
    return sessions.url


def test_sessions_go_from_any_store_to_any_other(url: str, request: pytest.FixtureRequest, sojourn: Program) -> None:
    """Round by way of all of them, and back: nothing of any is lost or changed."""
    ways = ["postgres", "redis-socket", "valkey-cluster", "postgres", "redis-sentinel", "sqlite"]
    before, here = {id: facts(record) for id, record in contents(url).items()}, url
    assert len(before) == 7
    for way in ways:
        there = f"sqlite:///{sojourn.folder}/back.db" if way == "sqlite" else empty_store(way, request)
        done = sojourn("copy", "--from", here, "--to", there, "--json")
        assert (done.code, done.json) == (0, counts(read=7, copied=7)), way
        assert {id: facts(record) for id, record in contents(there).items()} == before, way
        again = sojourn("copy", "--from", here, "--to", there)
        assert (again.code, again.out) == (0, "7 read: nothing differs.\n"), way
        here = there


@pytest.mark.parametrize("way", ["sqlite", "postgres", "redis-socket", "valkey-cluster"])
def test_what_happened_since_is_brought_up_to_date(
    way: str, sessions: Sessions, request: pytest.FixtureRequest, sojourn: Program
) -> None:
    there = f"sqlite:///{sojourn.folder}/there.db" if way == "sqlite" else empty_store(way, request)
    command = ["copy", "--from", sessions.url, "--to", there]
    for user in ("ada", "bob", "cyd", None):
        sessions.make(user, cart=["tea"], n=1)
    assert sojourn(*command).out == "4 read: 4 copied.\n"
    manager, tokens = sessions.manager, [token.reveal() for token in sessions.tokens]
    ada, bob, cyd = [manager.open(token) for token in tokens[:3]]
    for n in range(7):
        ada["n"] = n
        manager.commit(ada)
    del ada["cart"]
    ada["more"] = {}
    manager.commit(ada)
    bob.logout()
    manager.commit(bob)
    cyd.login("cyd")
    manager.commit(cyd)

    assert sojourn(*command).out == "5 read: 1 copied, 1 brought up to date, 2 ended.\n"

    with closing(SessionManager(open_store(there))) as moved:
        here = manager.get(ada.id or "")
        assert here is not None
        assert moved.get(ada.id or "") == here
        assert (here.version, here.data) == (9, {"n": 6, "more": {}})
        assert [moved.open(token).end_reason for token in tokens] == [None, "logout", "replaced", None]
        assert moved.list("cyd")[0].id == cyd.id
        session = moved.open(tokens[0])
        session["n"] = "there"
        moved.commit(session)
    # What goes on there is ahead, and stays.
    assert sojourn(*command).out == "5 read: nothing differs.\n1 newer there, and left as they are.\n"


def test_what_ended_long_ago_is_left_behind(sessions: Sessions, sojourn: Program) -> None:
    sessions.make()
    sessions.make(ago=2 * HOUR)
    sessions.make(ago=2 * DAY)
    command = ["copy", "--from", sessions.url, "--to", "sqlite:///there.db"]

    assert sojourn(*command).out == "3 read: 2 copied.\n1 left behind, which ended more than 24 h ago.\n"
    assert sojourn(*command, "--keep-ended", "7d", "--json").json == counts(read=3, copied=1, same=2)


def test_urls_may_come_from_the_environment(url: str, sojourn: Program) -> None:
    env = {"SOJOURN_COPY_FROM": url, "SOJOURN_COPY_TO": "sqlite:///there.db"}
    assert sojourn("copy", env=env).out == "7 read: 7 copied.\n"


def test_progress_is_shown_to_a_person(url: str, sojourn: Program) -> None:
    seen = sojourn.on_terminal("copy", "--from", url, "--to", "sqlite:///there.db").out

    assert "7 read, 7 copied" in seen
    assert "7 read: 7 copied." in seen


def test_mistakes_are_told_and_nothing_is_written(url: str, postgres: PostgresServer, sojourn: Program) -> None:
    before = contents(url)
    for source, target, code, told in [
        (url, url, 2, "--from and --to are the same store."),
        (url, "memory:", 2, "no other one can see them"),
        ("memory:", "sqlite:///there.db", 2, "no other one can see them"),
        ("sqlite:///none.db", "sqlite:///there.db", 2, "There is no session file"),
        (url, postgres.new_database(), 2, "sojourn migrate"),
        (url, "redis://:hunter2@127.0.0.1:1/0", 3, "Error: "),
    ]:
        done = sojourn("copy", env={"SOJOURN_COPY_FROM": source, "SOJOURN_COPY_TO": target})
        assert done.code == code, (source, target, done)
        assert told in done.err
        assert "hunter2" not in done.err
        assert "Traceback" not in done.err
    assert contents(url) == before


def test_a_run_that_was_interrupted_is_gone_on_with(
    sessions: Sessions, postgres: PostgresServer, sojourn: Program
) -> None:
    total, there = 3000, postgres.new_database()
    migrate(there)
    made = [
        Create(record=make_record(absolute_expires_at=2**52, idle_timeout=2**51), now=0, began_at=0)
        for _ in range(total)
    ]
    with closing(open_store(sessions.url)) as store:
        for create in made:
            store.create(create)
    command = ["copy", "--from", sessions.url, "--to", there]
    with closing(open_store(there)) as target, psycopg.connect(there) as hindrance:
        # Whoever makes this one waits until it is known whether somebody else does.
        last = max(made, key=lambda create: create.record.id)
        target.create(last)
        hindrance.execute("CREATE TEMP TABLE last AS SELECT * FROM sojourn_session")
        hindrance.execute("DELETE FROM sojourn_session")
        hindrance.commit()
        hindrance.execute("INSERT INTO sojourn_session SELECT * FROM last")
        with subprocess.Popen([*COMMAND, *command], stderr=subprocess.PIPE, text=True) as process:
            wait_until(lambda: len(target.scan("", 2000)) > 1000, "some of them")
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=60)
        hindrance.rollback()
        assert (process.returncode, said.strip()) == (130, "Interrupted.")
        some = len(target.scan("", total))
    assert 1000 < some < total

    assert sojourn(*command, "--json").json == counts(read=total, copied=total - some, same=some)


# A site that moves


class Visitor:
    """A browser: it keeps the cookie that it is given."""

    def __init__(self, cookie: str = "") -> None:
        self.cookie = cookie

    def ask(self, port: int, method: str, path: str) -> Any:
        connection = HTTPConnection("127.0.0.1", port, timeout=30)
        with closing(connection):
            connection.request(method, path, headers={"Cookie": self.cookie, "Connection": "close"})
            answer = connection.getresponse()
            assert answer.status == 200
            for cookie in answer.headers.get_all("set-cookie") or []:
                if cookie.startswith("new="):
                    self.cookie = cookie.partition(";")[0]
            return json.loads(answer.read())


OLD = [character * 32 for character in "abc"]


@contextmanager
def site(store: str, old: str, log: Path) -> Iterator[int]:
    """tests/adopt/served.py, which takes over the sessions in the Redis `old`; its port."""
    command = [sys.executable, "-m", "uvicorn", "tests.adopt.served:app", "--port", "{port}", "--log-level", "warning"]
    with run_server(command, log, path="/none", env={"SOJOURN_STORE": store, "OLD_REDIS": old}) as server:
        yield server.port


def moved(done: Mapping[str, int]) -> int:
    return done["copied"] + done["updated"] + done["ended"]


class Writer:
    """A visitor who adds to their cart without a pause. `written` is what the site said that it kept."""

    def __init__(self, port: int) -> None:
        self.visitor, self.written, self._port = Visitor(), 0, port
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write)

    def _write(self) -> None:
        while not self._stop.is_set():
            self.visitor.ask(self._port, "POST", f"/put/k{self.written}")
            self.written += 1

    def __enter__(self) -> Self:
        self.visitor.ask(self._port, "POST", "/login")
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._thread.join()


def test_a_site_moves_from_postgres_to_redis_and_nobody_is_signed_out(
    postgres: PostgresServer, redis_server: RedisServer, valkey_server: RedisServer, sojourn: Program
) -> None:
    here, there, old = postgres.new_database(), redis_server.url, valkey_server.url
    migrate(here)
    redis_server.clear()
    valkey_server.clear()
    with Redis.from_url(old) as kept:
        for number, sid in enumerate(OLD):
            kept.set(f"starsessions.{sid}", json.dumps({"user": f"old{number}"}))
    env = {"SOJOURN_COPY_FROM": here, "SOJOURN_COPY_TO": there}
    bob, visitor, gone = Visitor(), Visitor(), Visitor()
    adopted, adopted_and_gone, late = [Visitor(f"session={sid}") for sid in OLD]

    with site(here, old, sojourn.folder / "here.log") as port:
        for each in (bob, gone):
            each.ask(port, "POST", "/login")
        visitor.ask(port, "POST", "/put/cart")
        for each in (adopted, adopted_and_gone):
            each.ask(port, "GET", "/me")
        copied_cookie = Visitor(gone.cookie)
        gone.ask(port, "POST", "/logout")
        with Writer(port) as writer:
            first = sojourn("copy", "--json", env=env).json
            assert moved(first) == first["read"]
            adopted_and_gone.ask(port, "POST", "/logout")
            wait_until(lambda: writer.written > 20, "some writes")
            sojourn("copy", env=env)
    assert moved(sojourn("copy", "--json", env=env).json) > 0
    assert moved(sojourn("copy", "--json", env=env).json) == 0

    with site(there, old, sojourn.folder / "there.log") as port:
        assert bob.ask(port, "GET", "/me")["user"] == "bob"
        assert visitor.ask(port, "GET", "/me")["data"] == {"cart": 1}
        found = writer.visitor.ask(port, "GET", "/me")
        assert (found["user"], len(found["data"])) == ("bob", writer.written)
        assert copied_cookie.ask(port, "GET", "/me")["end_reason"] == "logout"
        assert adopted.ask(port, "GET", "/me")["user"] == "old0"
        # Who never kept our cookie is known by the mark, and one who logged out is not taken over once more.
        assert Visitor(f"session={OLD[0]}").ask(port, "GET", "/me")["user"] == "old0"
        assert Visitor(f"session={OLD[1]}").ask(port, "GET", "/me")["user"] is None
        # And who comes from the old layer only now is taken over here.
        assert late.ask(port, "GET", "/me")["user"] == "old2"


def test_a_log_out_at_the_new_place_is_not_undone_by_a_late_run(sessions: Sessions, sojourn: Program) -> None:
    sessions.make("ada", n=1)
    there = f"sqlite:///{sojourn.folder}/there.db"
    command = ["copy", "--from", sessions.url, "--to", there]
    sojourn(*command)
    with closing(SessionManager(open_store(there))) as moved:
        session = moved.open(sessions.tokens[0].reveal())
        session.logout()
        moved.commit(session)
    old = sessions.manager.open(sessions.tokens[0].reveal())
    for n in range(5):
        old["n"] = n
        sessions.manager.commit(old)

    assert sojourn(*command, "--json").json == counts(read=1, newer=1)
    with closing(SessionManager(open_store(there))) as moved:
        assert moved.open(sessions.tokens[0].reveal()).end_reason == "logout"
    # And it reaches the old place, where somebody copies back.
    assert sojourn("copy", "--from", there, "--to", sessions.url, "--json").json == counts(read=1, ended=1)
    assert sessions.manager.open(sessions.tokens[0].reveal()).end_reason == "logout"
