"""Stores that answer reads and refuse writes: a page that only reads is served, only what was changed is an error."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import hiredis
import psycopg
import pytest

from sojourn import AsyncSessionManager, Policy, SessionManager, StoreUnavailable
from sojourn.core.store import Store
from sojourn.stores.postgres import AsyncPostgresStore, PostgresStore
from sojourn.stores.redis import AsyncRedisStore, RedisStore
from sojourn.testing import blocking
from sojourn.testing.records import NOW
from tests.servers.apart import environment, with_small_disk
from tests.servers.redis import RedisServer, find_redis, find_valkey, start_redis
from tests.servers.waiting import wait_until

POLICY = Policy(idle_timeout=1800, touch_interval=60, rotate_interval=600)
both = pytest.mark.parametrize("kind", ["", "async"])


class Visits:
    """A manager with a clock of the test's own, and what a browser does."""

    def __init__(self, store: Store) -> None:
        self.now = NOW
        self.manager = SessionManager(store, POLICY, clock=lambda: self.now)
        self.token = ""

    def log_in(self, user: str) -> None:
        session = self.manager.anonymous()
        session.login(user)
        reply = self.manager.commit(session)
        assert reply.token is not None
        self.token = reply.token.reveal()

    def look(self, *, after: int) -> str | None:
        """Open the page so many seconds later; who is logged in there, or why nobody is."""
        self.now += after * 1000
        session = self.manager.open(self.token)
        found = session.user_id or session.end_reason
        reply = self.manager.commit(session)
        self.token = reply.token.reveal() if reply.token else self.token
        return found

    def put(self, key: str) -> None:
        session = self.manager.open(self.token)
        session[key] = 1
        self.manager.commit(session)

    def seen_at(self) -> int:
        return self.manager.list("ada")[0].seen_at


# What Redis may refuse writes for, as its operators meet it.


@contextmanager
def replica(server: RedisServer, folder: Path) -> Iterator[None]:
    server.ask("REPLICAOF", "127.0.0.1", 1)
    yield
    server.ask("REPLICAOF", "NO", "ONE")


@contextmanager
def out_of_memory(server: RedisServer, folder: Path) -> Iterator[None]:
    server.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
    server.ask("CONFIG", "SET", "maxmemory", 1)
    yield
    server.ask("CONFIG", "SET", "maxmemory", 0)


@contextmanager
def without_replicas(server: RedisServer, folder: Path) -> Iterator[None]:
    server.ask("CONFIG", "SET", "min-replicas-to-write", 1)
    yield
    server.ask("CONFIG", "SET", "min-replicas-to-write", 0)


@contextmanager
def snapshot_failed(server: RedisServer, folder: Path) -> Iterator[None]:
    """There is a folder in its place."""
    (folder / "dump.rdb").mkdir()
    server.ask("CONFIG", "SET", "stop-writes-on-bgsave-error", "yes")
    server.ask("CONFIG", "SET", "save", "3600 1000")
    server.ask("BGSAVE")
    wait_until(lambda: server.info("persistence")["rdb_last_bgsave_status"] == "err", "a snapshot that failed")
    yield
    server.ask("CONFIG", "SET", "save", "")


REFUSALS = [replica, out_of_memory, without_replicas, snapshot_failed]


def test_the_manager_of_an_event_loop_lets_upkeep_wait_too(redis_server: RedisServer, tmp_path: Path) -> None:
    async def visit() -> None:
        now = NOW
        manager = AsyncSessionManager(AsyncRedisStore(redis_server.url), POLICY, clock=lambda: now)
        session = manager.anonymous()
        session.login("ada")
        token = (await manager.commit(session)).token
        assert token is not None
        now += 61_000
        with without_replicas(redis_server, tmp_path):
            read = await manager.open(token.reveal())
            await manager.commit(read)
            assert read.user_id == "ada"
            read["a"] = 1
            with pytest.raises(StoreUnavailable):
                await manager.commit(read)
        await manager.close()

    redis_server.clear()
    asyncio.run(visit())


@both
@pytest.mark.parametrize("refusing", REFUSALS)
@pytest.mark.parametrize("find", [find_redis, find_valkey], ids=["redis", "valkey"])
def test_a_redis_that_refuses_writes(
    kind: str,
    refusing: Callable[[RedisServer, Path], AbstractContextManager[None]],
    find: Callable[[], str],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with start_redis(tmp_path, find()) as server:
        store = blocking(AsyncRedisStore(server.url, timeout=2)) if kind else RedisStore(server.url, timeout=2)
        visits = Visits(store)
        visits.log_in("ada")
        with refusing(server, tmp_path), caplog.at_level(logging.WARNING, "sojourn"):
            with pytest.raises(hiredis.ReplyError):
                server.ask("SET", "some", "thing")
            check_that_reads_are_served(visits, caplog)
        check_that_it_is_well_again(visits)
        store.close()


def check_that_reads_are_served(visits: Visits, caplog: pytest.LogCaptureFixture) -> None:
    seen_at = visits.seen_at()
    token = visits.token
    # A touch is due, then a new secret too; each time once more than the store is asked.
    for after in (61, 1, 600, 1, 61):
        assert visits.look(after=after) == "ada"
    assert (visits.token, visits.seen_at()) == (token, seen_at)
    told = [record.message.partition(",")[0] for record in caplog.records if record.name == "sojourn"]
    assert told == ["activity goes unnoted for 5 s"] * 3
    with pytest.raises(StoreUnavailable):
        visits.put("cart")
    with pytest.raises(StoreUnavailable):
        visits.log_in("eve")
    assert visits.look(after=1800) == "idle_timeout", "it is judged by its times, though that cannot be written down"
    visits.now -= 1800_000


def check_that_it_is_well_again(visits: Visits) -> None:
    token = visits.token
    assert visits.look(after=61) == "ada"
    assert visits.token != token
    assert visits.seen_at() == visits.now
    visits.put("cart")


@both
def test_a_postgres_that_is_read_only(kind: str, database: str, caplog: pytest.LogCaptureFixture) -> None:
    store = blocking(AsyncPostgresStore(database)) if kind else PostgresStore(database)
    visits = Visits(store)
    visits.log_in("ada")
    name = database.rpartition("/")[2]

    def make_read_only(value: str) -> None:
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("SET default_transaction_read_only = off")
            connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = {value}")
            connection.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = 'sojourn'"
            )

    make_read_only("on")
    with caplog.at_level(logging.WARNING, "sojourn"):
        check_that_reads_are_served(visits, caplog)
    make_read_only("off")
    check_that_it_is_well_again(visits)
    store.close()


@both
@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_a_disk_that_is_full(engine: str, kind: str, tmp_path: Path) -> None:
    """A real one: see full_disk.py."""
    # Not in `tmp_path`, which is closed to all others: PostgreSQL does not run as root.
    with TemporaryDirectory(prefix="sojourn-disk-") as disk:
        Path(disk).chmod(0o755)
        command = [sys.executable, "-m", "tests.stores.full_disk", f"{kind} {engine}", disk, str(tmp_path)]
        done = subprocess.run(
            with_small_disk(Path(disk), 4096, command),
            cwd=Path(__file__).parents[2],
            env=environment(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)

    assert told["reads"] == ["done"]
    assert told["write"].startswith("StoreUnavailable")
    assert "activity goes unnoted" in done.stderr, "no touch was refused, so this showed nothing"
    assert (told["afterwards"], told["seen"]) == ("done", True)
