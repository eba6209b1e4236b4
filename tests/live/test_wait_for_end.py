"""wait_for_end: whoever waits is told, wherever a session ends, and one connection to the store serves all."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import psycopg
import pytest
import redis

from sojourn import AsyncSessionManager, Policy, SessionManager, open_async_store, open_store
from sojourn.core.async_store import AsyncStore, AsyncWatchableStore
from sojourn.stores.cached import AsyncCachedStore
from sojourn.stores.memory import AsyncMemoryStore, MemoryStore
from sojourn.stores.postgres import AsyncPostgresStore, PostgresStore
from sojourn.stores.redis import AsyncRedisStore, RedisStore
from tests.servers.postgres import PostgresServer
from tests.servers.proxy import Proxy
from tests.servers.redis import RedisServer
from tests.store_kinds import url_of

from .site import begin

PATIENCE = 30
LISTENING = """SELECT pid FROM pg_stat_activity WHERE application_name = 'waiting'
    AND (query LIKE '%sojourn_beat%' OR query LIKE '%pg_notify%')"""
KINDS = ["memory", "sqlite", "postgres", "redis", "valkey cluster", "cached postgres", "cached redis"]


class Here:
    """A manager of this event loop, and one of another process: they share no more than the store."""

    def __init__(self, kind: str, request: pytest.FixtureRequest, folder: Path) -> None:
        self.store: AsyncStore
        if kind == "memory":
            shared = MemoryStore()
            self.store, self.elsewhere = AsyncMemoryStore(shared), SessionManager(shared)
        else:
            url = url_of(kind.removeprefix("cached "), request, folder)
            self.store, self.elsewhere = open_async_store(url), SessionManager(open_store(url))
        if kind.startswith("cached"):
            self.store = AsyncCachedStore(cast(AsyncWatchableStore, self.store))
        self.manager = AsyncSessionManager(self.store)


@pytest.fixture(params=KINDS)
def here(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Here]:
    here = Here(request.param, request, tmp_path)
    yield here
    here.elsewhere._store.close()


def run(main: Any) -> None:
    async def limited() -> None:
        async with asyncio.timeout(PATIENCE):
            await main

    asyncio.run(limited())


def test_all_who_wait_are_told_of_an_end_elsewhere_and_nobody_else_is(here: Here) -> None:
    async def main() -> None:
        (id, _), (other, _) = await begin(here.manager), await begin(here.manager, "bob")
        waits = [asyncio.create_task(here.manager.wait_for_end(id)) for _ in range(20)]
        bobs = asyncio.create_task(here.manager.wait_for_end(other))
        await asyncio.sleep(0.1)
        assert not any(wait.done() for wait in waits)
        await asyncio.to_thread(here.elsewhere.revoke_all, "ada")
        assert await asyncio.gather(*waits) == ["revoked"] * 20
        assert not bobs.done()
        assert await here.manager.revoke(other)
        assert await bobs == "revoked"
        await here.manager.close()

    run(main())


def test_what_is_over_or_unknown_is_told_at_once() -> None:
    async def main() -> None:
        manager = AsyncSessionManager(AsyncMemoryStore())
        id, _ = await begin(manager)
        await manager.revoke(id, "limit")
        assert await manager.wait_for_end(id) == "limit"
        assert await manager.wait_for_end("0" * 32) is None

    run(main())


def test_a_session_of_another_realm_is_nobodys_here() -> None:
    async def main() -> None:
        store = AsyncMemoryStore()
        id, _ = await begin(AsyncSessionManager(store, realm="shop"))
        assert await AsyncSessionManager(store, realm="bank").wait_for_end(id) is None

    run(main())


def test_both_timeouts_are_ends_and_activity_elsewhere_puts_the_first_off() -> None:
    async def main() -> None:
        shared, now = MemoryStore(), [1_800_000_000_000]
        policy = Policy(idle_timeout=1800, absolute_timeout=4000, touch_interval=60)
        manager = AsyncSessionManager(AsyncMemoryStore(shared), policy, clock=lambda: now[0])
        elsewhere = SessionManager(shared, policy, clock=lambda: now[0])
        (idle, _), (busy, token) = await begin(manager), await begin(manager)
        ends: list[tuple[str, str | None]] = []

        async def wait(name: str, id: str) -> None:
            ends.append((name, await manager.wait_for_end(id)))

        waits = [asyncio.create_task(wait("idle", idle)), asyncio.create_task(wait("busy", busy))]
        await asyncio.sleep(0)
        now[0] += 1_500_000
        elsewhere.commit(elsewhere.open(token))
        now[0] += 400_000
        await waits[0]
        assert ends == [("idle", "idle_timeout")]
        elsewhere.commit(elsewhere.open(token))
        now[0] += 1_700_000
        elsewhere.commit(elsewhere.open(token))
        now[0] += 400_000
        await waits[1]
        assert ends[1:] == [("busy", "absolute_timeout")]

    run(main())


def test_a_manager_that_is_closed_keeps_nobody_waiting() -> None:
    async def main() -> None:
        for in_another_loop in (False, True):
            manager = AsyncSessionManager(AsyncMemoryStore())
            id, _ = await begin(manager)
            wait = asyncio.create_task(manager.wait_for_end(id))
            await asyncio.sleep(0.05)
            if in_another_loop:
                await asyncio.to_thread(asyncio.run, manager.close())
            else:
                await manager.close()
            assert await wait is None

    run(main())


def test_who_waits_no_more_is_forgotten() -> None:
    async def main() -> None:
        manager = AsyncSessionManager(AsyncMemoryStore())
        id, _ = await begin(manager)
        for _ in range(3):
            wait = asyncio.create_task(manager.wait_for_end(id))
            await asyncio.sleep(0.01)
            wait.cancel()
            await asyncio.wait([wait])
        waits = [asyncio.create_task(manager.wait_for_end(id)) for _ in range(2)]
        await asyncio.sleep(0.01)
        assert manager._following is not None
        assert manager._following.count == 2
        for wait in waits:
            wait.cancel()
        await asyncio.wait(waits)
        assert manager._following.count == 0
        (followers,) = manager._following._by_loop.values()
        assert not followers._by_id
        await manager.close()

    run(main())


def test_one_connection_to_postgresql_serves_all_who_wait(
    postgres: PostgresServer, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url_of("postgres", request, tmp_path)

    async def main() -> None:
        manager = AsyncSessionManager(AsyncPostgresStore(postgres.conninfo + "?application_name=waiting"))
        waits = [asyncio.create_task(manager.wait_for_end((await begin(manager))[0])) for _ in range(30)]
        with psycopg.connect(postgres.conninfo, autocommit=True) as connection:
            while not (listening := connection.execute(LISTENING).fetchall()):
                await asyncio.sleep(0.05)
        assert len(listening) == 1
        await manager.revoke_all("ada")
        await asyncio.gather(*waits)
        await manager.close()

    run(main())


def test_one_connection_to_redis_serves_all_who_wait(redis_server: RedisServer) -> None:
    async def main() -> None:
        redis_server.clear()
        manager = AsyncSessionManager(AsyncRedisStore(redis_server.url))
        waits = [asyncio.create_task(manager.wait_for_end((await begin(manager))[0])) for _ in range(30)]
        with redis.Redis.from_url(redis_server.url) as client:
            while not (tracking := [each for each in client.client_list() if "t" in each["flags"]]):
                await asyncio.sleep(0.05)
        assert len(tracking) == 1
        await manager.revoke_all("ada")
        await asyncio.gather(*waits)
        await manager.close()

    run(main())


@pytest.mark.parametrize("server", ["redis", "postgres"])
def test_what_happened_while_the_store_could_not_be_reached_is_told_once_it_can(
    server: str, request: pytest.FixtureRequest
) -> None:
    real: Any = request.getfixturevalue({"redis": "redis_server"}.get(server, server))
    real.clear() if server == "redis" else url_of(server, request, Path())
    with Proxy(real.port) as proxy:
        there: Any = RedisStore(real.url) if server == "redis" else PostgresStore(real.conninfo)
        elsewhere = SessionManager(there)

        async def main() -> None:
            store: Any = (
                AsyncRedisStore(f"redis://127.0.0.1:{proxy.port}", timeout=0.5)
                if server == "redis"
                else AsyncPostgresStore(real.conninfo.replace(f":{real.port}/", f":{proxy.port}/"), timeout=0.5)
            )
            manager = AsyncSessionManager(store)
            (id, _), (other, _) = await begin(manager), await begin(manager, "bob")
            waits = [asyncio.create_task(manager.wait_for_end(each)) for each in (id, other)]
            await asyncio.sleep(0.5)
            proxy.pause()
            await asyncio.to_thread(elsewhere.revoke, id)
            await asyncio.sleep(0.2)
            proxy.cut()
            assert not waits[0].done()
            proxy.resume()
            assert await waits[0] == "revoked"
            assert not waits[1].done()
            await asyncio.to_thread(elsewhere.revoke, other)
            assert await waits[1] == "revoked"
            await manager.close()

        run(main())
        there.close()
