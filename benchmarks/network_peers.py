"""The peers that keep sessions on a server: Redis or PostgreSQL, each peer on one of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from starlette.middleware import Middleware

from sojourn import AsyncSessionManager, open_async_store
from sojourn.asgi import SessionMiddleware

from .peers import Peer, Wrap
from .servers import Servers

__all__ = [
    "CACHED_POSTGRES",
    "CACHED_REDIS",
    "FASTAPI_REDIS",
    "NETWORK_PEERS",
    "OURS",
    "POSTGRES",
    "REDIS",
    "STARSESSIONS",
    "at",
    "needs_redis",
    "new_server",
]

REDIS = "Sojourn, Redis"
CACHED_REDIS = "Sojourn, Redis, cached"
POSTGRES = "Sojourn, PostgreSQL"
CACHED_POSTGRES = "Sojourn, PostgreSQL, cached"
STARSESSIONS = "starsessions, Redis"
FASTAPI_REDIS = "fastapi-redis-sdk, Valkey"
OURS = (REDIS, CACHED_REDIS, POSTGRES, CACHED_POSTGRES)
NETWORK_PEERS = (
    *([STARSESSIONS] if find_spec("starsessions") else []),
    *([FASTAPI_REDIS] if find_spec("redis_fastapi") else []),
    *OURS,
)

CACHE = "?cache=64MiB"


def needs_redis(name: str) -> bool:
    """Whether the peer's server is a Redis or Valkey; else it is a PostgreSQL."""
    return name not in (POSTGRES, CACHED_POSTGRES)


def new_server(name: str, servers: Servers) -> str:
    """The URL of a server for this peer alone. fastapi-redis-sdk is at its best where fields of a hash expire."""
    if name == FASTAPI_REDIS:
        return servers.new_valkey().url
    return servers.new_redis().url if needs_redis(name) else servers.new_database()


def at(name: str, url: str) -> Peer:
    """The peer called `name`, with its sessions on the server at `url`."""

    @asynccontextmanager
    async def ours(_folder: Path, wrap: Wrap) -> AsyncIterator[Sequence[Middleware]]:
        store = open_async_store(url + CACHE if name in (CACHED_REDIS, CACHED_POSTGRES) else url)
        manager = AsyncSessionManager(wrap(store))
        try:
            yield [Middleware(SessionMiddleware, manager=manager)]
        finally:
            await manager.close()

    @asynccontextmanager
    async def starsessions(_folder: Path, wrap: Wrap) -> AsyncIterator[Sequence[Middleware]]:
        # By name: the environment that checks types has no such package.
        package, stores = import_module("starsessions"), import_module("starsessions.stores.redis")
        async with import_module("redis.asyncio").Redis.from_url(url) as connection:
            store = wrap(stores.RedisStore(connection=connection))
            yield [
                Middleware(package.SessionMiddleware, store=store, lifetime=1800, rolling=True),
                Middleware(package.SessionAutoloadMiddleware),
            ]

    @asynccontextmanager
    async def fastapi_redis(_folder: Path, wrap: Wrap) -> AsyncIterator[Sequence[Middleware]]:
        package = import_module("redis_fastapi")
        async with import_module("redis.asyncio").Redis.from_url(url) as connection:
            store = wrap(package.RedisSessionStore(connection))

            async def store_of(_request: object) -> Any:
                return store

            yield [Middleware(package.SessionMiddleware, store_factory=store_of)]

    return Peer(name, {STARSESSIONS: starsessions, FASTAPI_REDIS: fastapi_redis}.get(name, ours))
