"""The peers that keep sessions on a server: Redis or PostgreSQL, each peer on one of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from starlette.middleware import Middleware

from sojourn import AsyncSessionManager, open_async_store
from sojourn.asgi import SessionMiddleware

from .peers import Peer, Wrap

__all__ = [
    "CACHED_POSTGRES",
    "CACHED_REDIS",
    "NETWORK_PEERS",
    "OURS",
    "POSTGRES",
    "REDIS",
    "STARSESSIONS",
    "at",
    "needs_redis",
]

REDIS = "Sojourn, Redis"
CACHED_REDIS = "Sojourn, Redis, cached"
POSTGRES = "Sojourn, PostgreSQL"
CACHED_POSTGRES = "Sojourn, PostgreSQL, cached"
STARSESSIONS = "starsessions, Redis"
OURS = (REDIS, CACHED_REDIS, POSTGRES, CACHED_POSTGRES)
NETWORK_PEERS = (*([STARSESSIONS] if find_spec("starsessions") else []), *OURS)

CACHE = "?cache=64MiB"


def needs_redis(name: str) -> bool:
    """Whether the peer's server is a Redis; else it is a PostgreSQL."""
    return name not in (POSTGRES, CACHED_POSTGRES)


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

    return Peer(name, starsessions if name == STARSESSIONS else ours)
