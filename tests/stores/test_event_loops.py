"""One store in one event loop after another, and in two at once: TestClient makes one for each request."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from sojourn import AsyncSessionManager
from sojourn.asgi import SessionMiddleware
from sojourn.core.async_store import AsyncStore
from sojourn.core.record import Record
from sojourn.core.store import Create
from sojourn.stores.store_url import open_async_store
from sojourn.testing.records import NOW, make_record
from tests.servers.redis import RedisServer
from tests.store_kinds import url_of

KINDS = ["memory", "sqlite", "postgres", "redis", "redis cluster", "redis sentinel"]


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return url_of(request.param, request, tmp_path)


async def _create(store: AsyncStore, record: Record) -> None:
    await store.create(Create(record=record, now=NOW, began_at=NOW))


async def _read(store: AsyncStore, record: Record) -> None:
    assert await asyncio.gather(*[store.get(record.id) for _ in range(5)]) == [record] * 5


def test_one_event_loop_after_another(url: str) -> None:
    store, record = open_async_store(url), make_record("ada")
    asyncio.run(_create(store, record))
    for _ in range(3):
        asyncio.run(_read(store, record))
    asyncio.run(store.close())


@pytest.mark.parametrize("kind", ["sqlite", "redis", "redis cluster"])
def test_two_event_loops_at_once(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    store, record = open_async_store(url_of(kind, request, tmp_path)), make_record("ada")
    asyncio.run(_create(store, record))
    failed: list[Exception] = []

    async def reads() -> None:
        for _ in range(50):
            await _read(store, record)

    def run() -> None:
        try:
            asyncio.run(reads())
        except Exception as error:  # noqa: BLE001  # told below
            failed.append(error)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


async def _visit(request: Request) -> JSONResponse:
    request.session["visits"] = request.session.get("visits", 0) + 1
    return JSONResponse(request.session["visits"])


@pytest.mark.parametrize("cache", ["", "?cache=1MiB"])
def test_a_test_client_without_a_with_block_is_served(url: str, cache: str) -> None:
    if cache and not url.startswith(("redis", "postgres")):
        cache = ""
    manager = AsyncSessionManager(open_async_store(url + cache))
    app = Starlette(routes=[Route("/", _visit)], middleware=[Middleware(SessionMiddleware, manager=manager)])
    client = TestClient(app, base_url="https://testserver")

    assert [client.get("/").json() for _ in range(4)] == [1, 2, 3, 4]


_LOOPS = """
import asyncio, gc, sys
from sojourn.stores.redis import AsyncRedisStore

store = AsyncRedisStore(sys.argv[1])

async def read():
    await asyncio.gather(*[store.get("0" * 32) for _ in range(5)])

for _ in range(3):
    asyncio.run(read())
gc.collect()
"""


def test_a_loop_that_ends_leaves_no_connection_open(redis_server: RedisServer) -> None:
    """Nobody closed the store."""
    command = [sys.executable, "-W", "error", "-c", _LOOPS, redis_server.url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stderr) == (0, "")
