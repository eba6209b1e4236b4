"""What is counted is what happened: in threads, in an event loop, in several processes; and nobody is named."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from sojourn import (
    AsyncSessionManager,
    Client,
    ConfigurationError,
    DataTooLarge,
    Policy,
    SessionLimitReached,
    SessionManager,
    StoreUnavailable,
    open_async_store,
    open_store,
)
from sojourn.core.store import Store
from sojourn.metrics import Metrics
from sojourn.observed import observed_store
from sojourn.stores.memory import AsyncMemoryStore, MemoryStore
from sojourn.stores.sqlite import AsyncSQLiteStore
from sojourn.testing import StoreContract
from tests.frames import require_no_secret
from tests.metrics.exposed import series
from tests.servers.redis import RedisServer
from tests.servers.waiting import wait_until
from tests.unit.blocking import Blocking
from tests.unit.clock import Clock

HOUR = 3_600_000
KINDS = ["threads", "event loop"]


class Counted:
    """An observed manager of either kind over one store in memory, and what it told."""

    def __init__(self, kind: str = "threads", policy: Policy | None = None) -> None:
        self.registry = CollectorRegistry()
        self.metrics = Metrics(self.registry)
        self.store = MemoryStore()
        self.clock = Clock()
        self.manager = self.observed(kind, policy)

    def observed(self, kind: str, policy: Policy | None) -> SessionManager:
        if kind == "threads":
            return self.metrics.observe(SessionManager(self.store, policy, clock=self.clock))
        manager = AsyncSessionManager(AsyncMemoryStore(self.store), policy, clock=self.clock)
        return cast(SessionManager, Blocking(self.metrics.observe(manager)))

    def log_in(self, user_id: str = "ada", **data: Any) -> str:
        session = self.manager.anonymous(Client("192.0.2.77", "Mozilla/5.0 (Weirdphone)"))
        session.update(data)
        session.login(user_id)
        token = self.manager.commit(session).token
        assert token is not None
        return token.reveal()

    def told(self) -> Mapping[str, float]:
        return {name: value for name, value in series(self.text()).items() if value}

    def text(self) -> str:
        return generate_latest(self.registry).decode()


@pytest.mark.parametrize("kind", KINDS)
def test_a_day_s_counts_are_those_of_what_happened(kind: str) -> None:
    site = Counted(kind, Policy(max_sessions=2, on_limit="refuse", rotate_interval=600, max_bytes=1000))
    manager = site.manager
    first, second = site.log_in(), site.log_in()
    with pytest.raises(SessionLimitReached):
        site.log_in()
    one, other = manager.open(first), manager.open(first)
    one["bag"], other["bag"] = ["tea"], ["cup"]
    manager.commit(one)
    manager.commit(other)
    big = manager.open(first)
    big["bag"] = "x" * 2000
    with pytest.raises(DataTooLarge):
        manager.commit(big)
    site.clock.forward(700_000)
    renewed = manager.commit(manager.open(first)).token
    assert renewed is not None
    manager.commit(manager.open(renewed.reveal()))
    site.clock.forward(120_000)
    assert manager.open(first).end_reason == "token_reuse"
    assert manager.open(first).end_reason == "token_reuse"
    leaving = manager.open(second)
    leaving.logout()
    manager.commit(leaving)
    manager.open("sj1-" + "0" * 32 + "-" + "0" * 64)
    manager.open("nonsense")
    site.log_in()
    site.clock.forward(13 * HOUR)
    assert manager.revoke_all("ada") == 0

    told = site.told()
    assert {name: value for name, value in told.items() if "_seconds_bucket" not in name and "_sum" not in name} == {
        'sojourn_opens_total{outcome="live"}': 6,
        'sojourn_opens_total{outcome="ended"}': 2,
        'sojourn_opens_total{outcome="none"}': 2,
        'sojourn_unknown_tokens_total{cause="unknown"}': 1,
        'sojourn_unknown_tokens_total{cause="malformed"}': 1,
        'sojourn_refusals_total{cause="session-limit"}': 1,
        'sojourn_refusals_total{cause="data-too-large"}': 1,
        'sojourn_merges_total{outcome="clean"}': 1,
        'sojourn_ends_total{reason="logout"}': 1,
        'sojourn_ends_total{reason="token_reuse"}': 1,
        'sojourn_store_refusals_total{operation="commit"}': 1,
        "sojourn_sessions_created_total": 3,
        "sojourn_logins_total": 3,
        "sojourn_renewals_total": 1,
        "sojourn_token_reuses_total": 1,
        'sojourn_store_seconds_count{operation="get"}': 9,
        'sojourn_store_seconds_count{operation="create"}': 4,
        'sojourn_store_seconds_count{operation="commit"}': 6,
        'sojourn_store_seconds_count{operation="end"}': 2,
        'sojourn_store_seconds_count{operation="end_all"}': 1,
    }


def test_no_label_and_no_value_names_a_user_a_session_an_address_or_a_token() -> None:
    site = Counted()
    token = site.log_in("hildegard@example.com", secret="kept in the session")
    site.manager.revoke(token[4:36])
    site.manager.open(token)

    text = site.text()
    for named in ("hildegard", token[4:36], token[37:], "192.0.2.77", "Weirdphone", "kept in"):
        assert named not in text
    labels = {
        label for family in text_string_to_metric_families(text) for each in family.samples for label in each.labels
    }
    assert labels == {"cause", "le", "operation", "outcome", "reason"}


def test_what_can_be_counted_is_there_from_the_first_scrape_on() -> None:
    told = series(Counted().text())

    assert told['sojourn_ends_total{reason="token_reuse"}'] == 0
    assert told['sojourn_opens_total{outcome="none"}'] == 0
    assert told['sojourn_store_errors_total{operation="get"}'] == 0
    assert told['sojourn_refusals_total{cause="store-unavailable"}'] == 0
    assert told['sojourn_unknown_tokens_total{cause="wrong_secret"}'] == 0


def test_prometheus_s_own_check_finds_nothing_to_say_of_the_names() -> None:
    told = subprocess.run(
        ["promtool", "check", "metrics"], input=Counted().text(), capture_output=True, text=True, check=False
    )
    # It knows OpenMetrics' counters only without their instants of creation.
    odd = [line for line in (told.stdout + told.stderr).splitlines() if "_created" not in line]
    assert odd == []


def test_a_store_that_is_away_is_told_by_operation_and_as_a_refusal(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    manager = Metrics(registry).observe(SessionManager(open_store("redis://127.0.0.1:1/0", timeout=0.5)))
    with pytest.raises(StoreUnavailable):
        manager.open("sj1-" + "0" * 32 + "-" + "0" * 64)

    told = series(generate_latest(registry).decode())
    assert told['sojourn_store_errors_total{operation="get"}'] == 1
    assert told['sojourn_store_seconds_count{operation="get"}'] == 1
    assert told['sojourn_refusals_total{cause="store-unavailable"}'] == 1
    manager.close()


def test_a_read_that_a_file_refuses_in_the_loop_and_in_a_thread_is_counted_once(tmp_path: Path) -> None:
    registry = CollectorRegistry()

    async def open_without_a_table() -> None:
        manager = Metrics(registry).observe(AsyncSessionManager(AsyncSQLiteStore(tmp_path / "sessions.db")))
        with closing(sqlite3.connect(tmp_path / "sessions.db")) as connection:
            connection.execute("DROP TABLE session")
        with pytest.raises(StoreUnavailable):
            await manager.open("sj1-" + "0" * 32 + "-" + "0" * 64)
        await manager.close()

    asyncio.run(open_without_a_table())
    told = series(generate_latest(registry).decode())
    assert told['sojourn_store_seconds_count{operation="get"}'] == 1
    assert told['sojourn_store_errors_total{operation="get"}'] == 1


def test_threads_that_count_at_once_lose_nothing() -> None:
    site = Counted()
    token = site.log_in()
    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(lambda _: [site.manager.open(token) for _ in range(2000)], range(8)):
            site.text()  # what waits is handed on meanwhile

    told = site.told()
    assert told['sojourn_opens_total{outcome="live"}'] == 16_000
    assert told['sojourn_store_seconds_count{operation="get"}'] == 16_000


def test_the_manager_that_was_given_is_as_it_was_and_counts_nothing() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    plain = SessionManager(MemoryStore())
    observed = metrics.observe(plain)
    plain.open("nonsense")

    assert isinstance(observed, SessionManager)
    assert type(plain) is SessionManager
    assert series(generate_latest(registry).decode())['sojourn_opens_total{outcome="none"}'] == 0


def test_two_managers_are_counted_together_and_none_of_them_twice() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    shop, admin = (metrics.observe(SessionManager(MemoryStore(), realm=realm)) for realm in ("shop", "admin"))
    shop.open("nonsense")
    admin.open("nonsense")

    assert series(generate_latest(registry).decode())['sojourn_opens_total{outcome="none"}'] == 2
    with pytest.raises(ConfigurationError, match="observed already"):
        metrics.observe(shop)
    with pytest.raises(ConfigurationError, match="in the registry already"):
        Metrics(registry)


def test_a_listener_and_the_warning_without_one_stay(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[str] = []
    metrics = Metrics(CollectorRegistry())
    manager = metrics.observe(SessionManager(MemoryStore(), on_event=lambda event: heard.append(type(event).__name__)))
    session = manager.anonymous()
    session.login("ada")
    manager.commit(session)

    assert heard == ["SessionCreated", "LoggedIn"]
    site = Counted(policy=Policy(rotate_interval=600))
    first = site.log_in()
    site.clock.forward(700_000)
    renewed = site.manager.commit(site.manager.open(first)).token
    assert renewed is not None
    site.manager.commit(site.manager.open(renewed.reveal()))
    site.clock.forward(120_000)
    site.manager.open(first)
    assert "held by two" in caplog.text


@pytest.mark.parametrize("kind", KINDS)
def test_no_frame_of_a_failed_open_holds_the_token(kind: str) -> None:
    class Broken(MemoryStore):
        def get(self, id: str) -> Any:
            raise RuntimeError("This store is broken.")

    site = Counted()
    token = site.log_in()
    site.store = Broken()
    manager = site.observed(kind, None)
    with pytest.raises(RuntimeError) as failed:
        manager.open(token)

    assert require_no_secret(failed.value, token) > 1


@pytest.mark.parametrize("shell", KINDS)
def test_a_cache_tells_its_hits_its_misses_and_how_stale_it_is(shell: str, redis_server: RedisServer) -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    url = f"{redis_server.url}?cache=1MiB"

    async def visit() -> None:
        manager: Any = (
            metrics.observe(SessionManager(open_store(url)))
            if shell == "threads"
            else metrics.observe(AsyncSessionManager(open_async_store(url)))
        )

        async def ask(method: Any, *args: Any) -> Any:
            found = method(*args)
            return await found if asyncio.iscoroutine(found) else found

        session = manager.anonymous()
        session.login("ada")
        token = (await ask(manager.commit, session)).token.reveal()
        hits = 0.0
        while hits < 3:
            await ask(manager.open, token)
            await asyncio.sleep(0.01)
            hits = told()['sojourn_cache_reads_total{outcome="hit"}']
        assert told()['sojourn_cache_reads_total{outcome="miss"}'] >= 1
        assert (
            told()['sojourn_store_seconds_count{operation="get"}']
            == told()['sojourn_cache_reads_total{outcome="miss"}']
        )
        assert told()["sojourn_cache_bytes"] > 0
        assert 0 <= told()["sojourn_cache_staleness_seconds"] < 60
        await ask(manager.close)

    def told() -> Mapping[str, float]:
        return series(generate_latest(registry).decode())

    asyncio.run(visit())
    assert told()["sojourn_cache_staleness_seconds"] == 0


SHARED = """
import os, sys
from sojourn import SessionManager
from sojourn.metrics import Metrics
from sojourn.stores.memory import MemoryStore

manager = Metrics().observe(SessionManager(MemoryStore()))
manager.open("nonsense")  # waits, and is this process's alone
children = []
for _ in range(2):
    child = os.fork()
    if not child:
        for _ in range(10):
            manager.open("nonsense")
        sys.stdout.flush()
        sys.exit()  # as a worker of Gunicorn's does
    children.append(child)
for child in children:
    os.waitpid(child, 0)
print("ready", flush=True)
sys.stdin.read()
"""


def test_processes_share_what_they_count_and_what_a_fork_copied_is_counted_once(tmp_path: Path) -> None:
    """By prometheus-client's own way, which any application has: a folder that all of them write to."""
    environ = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    collect = (
        "from prometheus_client import *; from prometheus_client.multiprocess import *; import sys\n"
        "r = CollectorRegistry(); MultiProcessCollector(r); sys.stdout.buffer.write(generate_latest(r))"
    )

    def told() -> Mapping[str, float]:
        done = subprocess.run([sys.executable, "-c", collect], env=environ, capture_output=True, text=True, check=True)
        return series(done.stdout)

    with subprocess.Popen(
        [sys.executable, "-c", SHARED], env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        assert running.stdout.readline() == "ready\n"
        # The first process still runs, and is not asked for anything.
        wait_until(lambda: told().get('sojourn_opens_total{outcome="none"}') == 21, "all of the opens")
        running.stdin.close()
        assert running.wait(30) == 0
    assert told()['sojourn_opens_total{outcome="none"}'] == 21
    assert told()['sojourn_unknown_tokens_total{cause="malformed"}'] == 21


class TestObservedStore(StoreContract):
    """An observed store is a store."""

    def make_store(self) -> Store:
        store: Store = observed_store(MemoryStore(), Metrics(CollectorRegistry())._timed)
        return store
