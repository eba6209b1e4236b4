"""A Redis that throws sessions away when it is full, and one that keeps what nobody reads, are told before it hurts."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import hiredis
import pytest

from sojourn import ConfigurationError, StoreUnavailable
from sojourn.core.store import Store
from sojourn.stores.redis import AsyncRedisStore, RedisStore
from sojourn.stores.server_facts import store_weaknesses
from sojourn.stores.store_url import open_async_store, open_store
from sojourn.testing import blocking
from sojourn.testing.records import live, make_record, put
from tests.servers.cluster import RedisCluster
from tests.servers.redis import RedisServer, find_redis, find_valkey, start_redis
from tests.servers.sentinel import SentinelSetup

EVICTING = (
    "allkeys-lru",
    "allkeys-lfu",
    "allkeys-random",
    "volatile-lru",
    "volatile-lfu",
    "volatile-random",
    "volatile-ttl",
)
LIMITS = "client-output-buffer-limit"


@pytest.fixture(params=["redis", "valkey"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RedisServer]:
    """One that would evict."""
    binary = find_redis() if request.param == "redis" else find_valkey()
    with start_redis(tmp_path, binary, "--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru") as started:
        yield started


def open_as(shell: str, url: str) -> Store:
    return open_store(url) if shell == "threads" else blocking(open_async_store(url))


@pytest.mark.parametrize("shell", ["threads", "loop"])
def test_a_server_that_evicts_is_refused_by_name_until_it_is_set_right(server: RedisServer, shell: str) -> None:
    store = open_as(shell, server.url)
    for policy in EVICTING:
        server.ask("CONFIG", "SET", "maxmemory-policy", policy)
        with pytest.raises(ConfigurationError, match=f"{server.address} .* is {policy}. Set maxmemory-policy noevict"):
            put(store)
    assert server.ask("DBSIZE") == 0

    server.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
    assert live(store, put(store).id).version == 1
    store.close()


@pytest.mark.parametrize("shell", ["threads", "loop"])
def test_without_a_maxmemory_nothing_is_evicted(server: RedisServer, shell: str) -> None:
    server.ask("CONFIG", "SET", "maxmemory", 0)
    store = open_as(shell, server.url)
    assert live(store, put(store).id).version == 1
    store.close()


@pytest.mark.parametrize("shell", ["threads", "loop"])
def test_who_says_so_may_have_sessions_evicted(server: RedisServer, shell: str) -> None:
    url = f"{server.url}?dangerously_allow_eviction=true"
    store = open_as(shell, url)
    assert live(store, put(store).id).version == 1
    store.close()

    (told,) = store_weaknesses(url)
    assert told.startswith(f"Redis at {server.address} throws live sessions away when its memory is full")
    assert "maxmemory-policy is allkeys-lru" in told


def test_everybody_of_a_trip_is_told(server: RedisServer) -> None:
    async def ask() -> list[object]:
        store = AsyncRedisStore(server.url)
        calls = [store.get(make_record().id) for _ in range(20)]
        try:
            return await asyncio.gather(*calls, return_exceptions=True)
        finally:
            await store.close()

    assert [type(told) for told in asyncio.run(ask())] == [ConfigurationError] * 20


@pytest.mark.parametrize("shell", ["threads", "loop"])
@pytest.mark.parametrize("kind", ["redis_cluster", "redis_sentinel"])
def test_the_primaries_of_a_cluster_and_of_sentinels_are_asked(
    request: pytest.FixtureRequest, kind: str, shell: str
) -> None:
    setup: RedisCluster | SentinelSetup = request.getfixturevalue(kind)
    setup.clear()
    primaries = setup.primaries if isinstance(setup, RedisCluster) else [setup.primary]
    store = open_as(shell, setup.url)
    try:
        for primary in primaries:
            primary.ask("CONFIG", "SET", "maxmemory", "64mb")
            primary.ask("CONFIG", "SET", "maxmemory-policy", "volatile-ttl")
        with pytest.raises(ConfigurationError, match="volatile-ttl"):
            put(store)
    finally:
        for primary in primaries:
            primary.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
            primary.ask("CONFIG", "SET", "maxmemory", 0)
    assert live(store, put(store).id).version == 1
    store.close()


@pytest.mark.parametrize("shell", ["threads", "loop"])
def test_a_server_that_does_not_let_us_see_is_told_once_and_used(
    server: RedisServer, shell: str, caplog: pytest.LogCaptureFixture
) -> None:
    server.ask("ACL", "SETUSER", "kept", "on", ">pass", "~*", "&*", "+@all", "-info", "-config")
    url = f"redis://kept:pass@{server.address}"
    store = open_as(shell, url)
    with caplog.at_level(logging.WARNING, "sojourn"):
        ids = [put(store).id for _ in range(3)]
        threads = [Thread(target=store.get, args=(id,)) for id in ids * 4]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert [live(store, id).id for id in ids] == ids
    told = [record.getMessage() for record in caplog.records if "maxmemory-policy" in record.getMessage()]
    assert len(told) == 1
    assert told[0].startswith(f"Redis at {server.address} does not let us see its maxmemory-policy: allow +info")
    store.close()

    policy, buffers = store_weaknesses(f"{url}?cache=1MiB")
    assert "does not let us see its maxmemory-policy" in policy
    assert f"does not let us see its {LIMITS}" in buffers


def test_a_server_without_the_command_is_told_once_and_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with start_redis(tmp_path, find_redis(), "--rename-command", "INFO", "") as server:
        store = RedisStore(server.url)
        with caplog.at_level(logging.WARNING, "sojourn"):
            ids = [put(store).id for _ in range(3)]
            store.close()
            assert [live(store, id).id for id in ids] == ids
        store.close()
    assert [each.getMessage().partition(":")[0] for each in caplog.records] == [
        f"Redis at {server.address.split(':')[0]}"
    ]


@pytest.mark.parametrize("store_type", [RedisStore, AsyncRedisStore])
def test_the_question_is_asked_once_of_a_server_and_never_for_a_request(
    redis_server: RedisServer, store_type: type[RedisStore] | type[AsyncRedisStore]
) -> None:
    def asked() -> int:
        told = redis_server.info("commandstats").get("cmdstat_info", "calls=0,")
        return int(told.partition("calls=")[2].partition(",")[0])

    opened = store_type(redis_server.url)
    store = opened if isinstance(opened, RedisStore) else blocking(opened)
    first = put(store)
    before = asked()
    for _ in range(50):
        store.get(first.id)
        put(store)
    assert asked() - before == 1  # this test's own
    store.close()


def test_a_wrong_word_for_it_is_a_mistake() -> None:
    with pytest.raises(ConfigurationError, match="write true, or leave it away"):
        RedisStore("redis://h?dangerously_allow_eviction=1")


# What nobody reads


def test_a_buffer_without_a_bound_is_told_where_caches_listen(server: RedisServer) -> None:
    server.ask("CONFIG", "SET", "maxmemory", 0)
    assert store_weaknesses(server.url) == []

    (told,) = store_weaknesses(f"{server.url}?cache=1MiB")
    assert told.startswith(f"Redis at {server.address} keeps without bound what a process with a cache does not read")

    server.ask("CONFIG", "SET", LIMITS, "normal 64mb 32mb 30")
    assert store_weaknesses(f"{server.url}?cache=1MiB") == []
    server.ask("CONFIG", "SET", LIMITS, "normal 0 0 0")
    server.ask("CONFIG", "SET", "maxmemory-clients", "64mb")
    assert store_weaknesses(f"{server.url}?cache=1MiB") == []


def test_the_limit_that_the_documentation_names_is_the_one_that_holds_for_a_cache(server: RedisServer) -> None:
    """A tracking connection that reads nothing is hung up on by the limit of class normal, and not before."""
    server.ask("CONFIG", "SET", "maxmemory", 0)
    server.ask("CONFIG", "SET", LIMITS, "pubsub 1mb 1mb 1")
    with socket.create_connection(("127.0.0.1", server.port)) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for words in (("HELLO", "3"), ("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "sj:")):
            deaf.sendall(hiredis.pack_command(words))  # type: ignore[arg-type]
            deaf.recv(4096)

        def listeners() -> int:
            return int(server.info("clients")["tracking_clients"])

        def write(count: int) -> None:
            for _ in range(count // 1000):
                server.ask(
                    "EVAL", "for i = 1, 1000 do redis.call('SET', 'sj:' .. string.rep('x', 9000) .. i, 1) end", 0
                )
                server.ask("FLUSHALL")

        write(2000)
        assert listeners() == 1
        server.ask("CONFIG", "SET", LIMITS, "normal 1mb 1mb 1")
        write(2000)
        assert listeners() == 0


def test_a_server_that_is_away_is_no_weakness_but_an_outage(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable):
        store_weaknesses(f"unix://{tmp_path}/nobody.sock", timeout=0.2)
