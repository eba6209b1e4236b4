"""A Redis of another kind than the URL says, or of another number: told at once, with what to write instead."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Timer

import pytest

from sojourn import ConfigurationError, StoreUnavailable
from sojourn.core.store import Store
from sojourn.stores.redis import AsyncRedisStore, RedisStore
from sojourn.testing import blocking
from tests.servers.redis import RedisServer
from tests.servers.sentinel import SentinelSetup

NOBODY = "0" * 32
# Far more than what is told at once may take.
TIMEOUT = 20.0
both = pytest.mark.parametrize("kind", ["", "async"])


@contextmanager
def opened(kind: str, url: str) -> Iterator[Store]:
    store = blocking(AsyncRedisStore(url, timeout=TIMEOUT)) if kind else RedisStore(url, timeout=TIMEOUT)
    began = time.monotonic()
    yield store
    assert time.monotonic() - began < TIMEOUT / 2, "it was waited for"
    store.close()


@both
def test_a_database_that_there_is_not(kind: str, redis_server: RedisServer) -> None:
    url = redis_server.url.removesuffix("/0") + "/99"
    with opened(kind, url) as store, pytest.raises(StoreUnavailable, match="no database of that number"):
        store.get(NOBODY)


@both
def test_a_sentinel_that_is_taken_for_a_redis(kind: str, redis_sentinel: SentinelSetup) -> None:
    url = f"redis://{redis_sentinel.sentinels[0].address}"
    with opened(kind, url) as store, pytest.raises(StoreUnavailable, match=r"is a Sentinel\. Write redis\+sentinel://"):
        store.get(NOBODY)


@both
@pytest.mark.parametrize(
    ("scheme", "path", "told"),
    [("redis+sentinel", "/main", r"is no Sentinel\. Write redis://"), ("redis+cluster", "", r"no node of a Cluster")],
)
def test_a_redis_that_is_taken_for_more(
    kind: str, scheme: str, path: str, told: str, redis_server: RedisServer
) -> None:
    url = f"{scheme}://{redis_server.address}{path}"
    with opened(kind, url) as store, pytest.raises(ConfigurationError, match=told):
        store.get(NOBODY)


@both
def test_a_primary_of_which_no_sentinel_knows(kind: str, redis_sentinel: SentinelSetup) -> None:
    url = redis_sentinel.url.replace("/sojourn", "/elsewhere")
    assert url != redis_sentinel.url
    with (
        opened(kind, url) as store,
        pytest.raises(ConfigurationError, match="No Sentinel names a primary of 'elsewhere'"),
    ):
        store.get(NOBODY)


@both
def test_a_redis_that_has_no_connection_left_is_waited_for(kind: str, redis_server: RedisServer) -> None:
    before = redis_server.ask("CONFIG", "GET", "maxclients")[1]
    with ExitStack() as others:
        for _ in range(20):
            others.enter_context(socket.create_connection(("127.0.0.1", redis_server.port)))
        redis_server.ask("PING")
        redis_server.ask("CONFIG", "SET", "maxclients", 20)
        leave = others.pop_all()
    store = blocking(AsyncRedisStore(redis_server.url)) if kind else RedisStore(redis_server.url)
    timer = Timer(0.5, leave.close)
    timer.start()
    try:
        assert store.get(NOBODY) is None
    finally:
        timer.join()
        redis_server.ask("CONFIG", "SET", "maxclients", before)
        store.close()


@both
def test_a_redis_that_keeps_having_none_left_is_told_as_that(kind: str, redis_server: RedisServer) -> None:
    before = redis_server.ask("CONFIG", "GET", "maxclients")[1]
    url = redis_server.url
    store = blocking(AsyncRedisStore(url, timeout=1)) if kind else RedisStore(url, timeout=1)
    with ExitStack() as others:
        for _ in range(20):
            others.enter_context(socket.create_connection(("127.0.0.1", redis_server.port)))
        redis_server.ask("CONFIG", "SET", "maxclients", 20)
        with pytest.raises(StoreUnavailable, match=r"within 1 s; nothing was written: .*maxclients"):
            store.get(NOBODY)
    redis_server.ask("CONFIG", "SET", "maxclients", before)
    store.close()
