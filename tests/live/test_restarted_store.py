"""A store that is killed and started again under open streams: they go on by themselves, and nothing was missed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest

from sojourn import AsyncSessionManager, SessionManager, open_async_store, open_store
from sojourn.stores.postgres import migrate
from tests.servers.postgres import PostgresServer, start_postgres
from tests.servers.proxy import Proxy
from tests.servers.redis import RedisServer, find_redis, start_redis

from .site import Site, begin
from .test_events import listening
from .test_until_ended import read_feed
from .test_wait_for_end import run

Server = RedisServer | PostgresServer


@pytest.fixture(params=["redis", "postgres"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    if request.param == "redis":
        with start_redis(tmp_path, find_redis(), durable=True) as redis:
            yield redis
    else:
        with start_postgres(tmp_path) as postgres:
            migrate(postgres.conninfo)
            yield postgres


def url_at(server: Server, port: int) -> str:
    url = server.url if isinstance(server, RedisServer) else server.conninfo
    return url.replace(f":{server.port}/", f":{port}/")


def test_what_was_written_before_a_restarted_store_was_reached_again_is_told(server: Server) -> None:
    """To event streams and to `until_ended`. Nobody is told of an end that is none; later ones come as ever."""

    async def main() -> None:
        with Proxy(server.port) as network:
            manager = AsyncSessionManager(open_async_store(url_at(server, network.port), timeout=0.5))
            site = Site(manager)
            (mine, token), (bobs, other) = await begin(manager), await begin(manager, "bob", theme="light")
            async with AsyncExitStack() as stack:
                await stack.enter_async_context(site.served())
                client = await stack.enter_async_context(httpx2.AsyncClient(base_url=site.url))
                adas, his = [await stack.enter_async_context(listening(site, each)) for each in (token, other)]
                joined = [asyncio.Event(), asyncio.Event()]
                feeds = [
                    asyncio.create_task(read_feed(client, *each)) for each in zip((token, other), joined, strict=True)
                ]
                await asyncio.gather(adas.next(), his.next(), *(each.wait() for each in joined))
                while not heard(manager):
                    await asyncio.sleep(0.02)

                network.pause()  # so that they are back only once somebody has written
                await asyncio.to_thread(server.restart)
                network.cut()
                told = [asyncio.create_task(each.next()) for each in (adas, his)]
                elsewhere = SessionManager(open_store(url_at(server, server.port)))
                await asyncio.to_thread(write, elsewhere, mine, other)
                assert not [each for each in [*told, *feeds] if each.done()]
                network.resume()

                states: list[Any] = [state for _, state in await asyncio.gather(*told)]
                assert [states[0]["end_reason"], states[1]["status"]] == ["revoked", "active"]
                assert states[1]["data"] == {"theme": "dark"}
                assert await feeds[0] == "data: 1 event: end data: revoked"
                assert await adas.next() == ("", None)
                assert not feeds[1].done()

                await asyncio.to_thread(elsewhere.revoke, bobs, "limit")
                _, state = await his.next()
                assert state["end_reason"] == "limit"
                assert await feeds[1] == "data: 1 event: end data: limit"
                elsewhere.close()
            await manager.close()

    run(main())


def heard(manager: AsyncSessionManager) -> bool:
    """Whether the store tells of writes."""
    assert manager._following is not None
    return all(each._sound_until > 0 for each in manager._following._by_loop.values())


def write(elsewhere: SessionManager, ends: str, changes: str) -> None:
    assert elsewhere.revoke(ends)
    there = elsewhere.open(changes)
    there["theme"] = "dark"
    elsewhere.commit(there)
