"""A session that was ended is refused everywhere: how soon, and how late at most where the channel is cut off."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from sojourn.core.record import Record
from sojourn.core.store import End, Store, Watcher
from sojourn.stores.cached import AsyncCachedStore, CachedStore
from sojourn.stores.postgres import AsyncPostgresStore, PostgresStore
from sojourn.stores.redis import AsyncRedisStore, RedisStore
from sojourn.testing import NOW, blocking
from sojourn.testing.records import put
from tests.servers.postgres import PostgresServer
from tests.servers.proxy import Proxy
from tests.servers.redis import RedisServer
from tests.servers.waiting import wait_until
from tests.store_kinds import open_kind

MAX_STALENESS = 1.0
SERVERS = ["redis", "valkey", "redis cluster", "postgres"]


@contextmanager
def opened(kind: str, request: pytest.FixtureRequest, folder: Path) -> Iterator[Store]:
    store = open_kind(kind, request, folder)
    try:
        yield store
    finally:
        store.close()


def seconds_until_refused(store: Store, record: Record) -> float:
    """When it was last asked and served, from now on; a machine that stands still meanwhile is not counted."""
    began = asked = last = time.monotonic()
    while is_live(store.get(record.id)):
        last = asked
        assert last - began < 60
        time.sleep(0.0002)
        asked = time.monotonic()
    return last - began


def is_live(record: Record | None) -> bool:
    return record is not None and record.ended_at is None


@pytest.mark.parametrize("shell", ["", "async "], ids=["threads", "loop"])
@pytest.mark.parametrize("server", SERVERS)
def test_a_revoked_session_is_refused_by_the_others_within_milliseconds(
    shell: str, server: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    with opened(server, request, tmp_path) as here, opened(f"{shell}cached {server}", request, tmp_path) as there:
        there.get("0" * 32)
        time.sleep(0.1)
        taken = []
        for _ in range(50):
            record = put(here, "ada")
            time.sleep(0.002)  # for word of the new session
            there.get(record.id)
            here.end(End(record.id, "revoked", NOW))
            taken.append(seconds_until_refused(there, record) * 1000)
        taken.sort()

    # On a busy machine word takes as long as it takes to be given a turn, so the quickest quarter tells; a cache that
    # was told nothing would serve for MAX_STALENESS.
    assert taken[12] < 20
    assert taken[-1] < MAX_STALENESS * 1000


@pytest.mark.parametrize("shell", ["", "async "], ids=["threads", "loop"])
@pytest.mark.parametrize("server", SERVERS)
def test_nothing_that_was_read_during_a_log_out_is_served_after_it(
    shell: str, server: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """The window in which a cache brings a session back: read before the end, kept after it."""
    with opened(f"{shell}cached {server}", request, tmp_path) as store:
        current = put(store)
        over = threading.Event()

        def read() -> None:
            while not over.is_set():
                store.get(current.id)

        readers = [threading.Thread(target=read) for _ in range(3)]
        for reader in readers:
            reader.start()
        served_after = 0
        for _ in range(150):
            ended = current
            store.end(End(ended.id, "logout", NOW))
            served_after += any([is_live(store.get(ended.id)) for _ in range(3)])
            current = put(store)
        over.set()
        for reader in readers:
            reader.join()

    assert served_after == 0


# The channel is paused: no socket is closed, nothing arrives. Reads and writes go another way.


class RedisHeardThrough(RedisStore):
    """It is told of writes through `proxy`."""

    def __init__(self, server: RedisServer, proxy: Proxy) -> None:
        super().__init__(server.url)
        self._heard = RedisStore(f"redis://127.0.0.1:{proxy.port}/0")

    def watch(self, watcher: Watcher, interval: float) -> None:
        self._heard.watch(watcher, interval)


class AsyncRedisHeardThrough(AsyncRedisStore):
    """The same for an event loop."""

    def __init__(self, server: RedisServer, proxy: Proxy) -> None:
        super().__init__(server.url)
        self._heard = AsyncRedisStore(f"redis://127.0.0.1:{proxy.port}/0")

    def watch(self, watcher: Watcher, interval: float) -> None:
        self._heard.watch(watcher, interval)


Heard = tuple[Store, Store, Proxy]
"""A store, another behind a cache, and what is between that cache and the server."""


@contextmanager
def heard_through_a_proxy(kind: str, request: pytest.FixtureRequest) -> Iterator[Heard]:
    with ExitStack() as at_the_end:
        store: Store
        cached: Store
        if kind.endswith("postgres"):
            server: PostgresServer = request.getfixturevalue("postgres")
            database: str = request.getfixturevalue("database")
            proxy = at_the_end.enter_context(Proxy(server.port))
            heard = database.replace(str(server.port), str(proxy.port))
            store = PostgresStore(database)
            if kind.startswith("async"):
                cached = blocking(AsyncCachedStore(AsyncPostgresStore(database, listen_conninfo=heard)))
            else:
                cached = CachedStore(PostgresStore(database, listen_conninfo=heard))
        else:
            redis: RedisServer = request.getfixturevalue("redis_server")
            proxy = at_the_end.enter_context(Proxy(redis.port))
            store = RedisStore(redis.url)
            if kind.startswith("async"):
                cached = blocking(AsyncCachedStore(AsyncRedisHeardThrough(redis, proxy)))
            else:
                cached = CachedStore(RedisHeardThrough(redis, proxy))
        at_the_end.callback(store.close)
        at_the_end.callback(cached.close)
        yield store, cached, proxy


@pytest.mark.parametrize("kind", ["redis", "async redis", "postgres", "async postgres"])
def test_while_the_channel_is_paused_a_revoked_session_is_refused_in_time(
    kind: str, request: pytest.FixtureRequest
) -> None:
    taken: list[float] = []
    with heard_through_a_proxy(kind, request) as (here, there, proxy):
        while len(taken) < 3 or (max(taken) < 0.2 and len(taken) < 30):
            record = put(here, "ada")
            wait_until_it_serves(there, here, record)
            proxy.pause()
            here.end(End(record.id, "revoked", NOW))
            taken.append(seconds_until_refused(there, record))
            proxy.resume()

    assert max(taken) <= 10 * MAX_STALENESS
    assert max(taken) > 0.2, "the cache had it"


def wait_until_it_serves(cached: Store, store: Store, record: Record) -> None:
    """From its memory: then it is quicker than the store."""

    def serves() -> bool:
        taken = []
        for each in (cached, store):
            began = time.perf_counter()
            for _ in range(20):
                each.get(record.id)
            taken.append(time.perf_counter() - began)
        return taken[0] < taken[1] / 2

    wait_until(serves, "a cache that serves")
