"""Kinds: every store there is, by a name, on a real server: what the contract, the races and the models run on."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import cast

import psycopg
import pytest

from sojourn.core.async_store import AsyncWatchableStore
from sojourn.core.store import Store, WatchableStore
from sojourn.stores.cached import AsyncCachedStore, CachedStore
from sojourn.stores.postgres import migrate
from sojourn.stores.store_url import open_async_store, open_store
from sojourn.testing import blocking

__all__ = ["FEW", "KINDS", "open_kind"]

# The fixture that gives the server.
SERVERS = {
    "postgres": "postgres",
    "redis": "redis_server",
    "valkey": "valkey_server",
    "redis cluster": "redis_cluster",
    "valkey cluster": "valkey_cluster",
    "redis sentinel": "redis_sentinel",
    "valkey sentinel": "valkey_sentinel",
}

# Each engine in both shells. Clusters, sentinels and caches are other ways to the same scripts: each server in one
# shell, and each shell on one server.
KINDS = [
    *(f"{shell}{kind}" for kind in ("memory", "sqlite", "postgres", "redis", "valkey") for shell in ("", "async ")),
    *("redis cluster", "async valkey cluster", "async redis sentinel", "valkey sentinel"),
    *("cached postgres", "async cached postgres", "cached redis", "async cached valkey cluster"),
]

# One of each way to do it: for what takes long.
FEW = (
    "memory",
    "async memory",
    "sqlite",
    "async sqlite",
    "postgres",
    "async postgres",
    "redis",
    "async redis",
    "redis cluster",
    "async valkey cluster",
    "cached postgres",
    "async cached redis",
)


def open_kind(kind: str, request: pytest.FixtureRequest, folder: Path) -> Store:
    """A new, empty store; its server, if it has one, is the test session's."""
    asynchronous = kind.startswith("async ")
    url = url_of(kind.removeprefix("async ").removeprefix("cached "), request, folder)
    if "cached" not in kind:
        return blocking(open_async_store(url)) if asynchronous else open_store(url)
    # By its clock nothing ever looks expired, so that records which tests make at any time are served.
    if asynchronous:
        return blocking(AsyncCachedStore(cast(AsyncWatchableStore, open_async_store(url)), clock=lambda: 0))
    return CachedStore(cast(WatchableStore, open_store(url)), clock=lambda: 0)


def url_of(kind: str, request: pytest.FixtureRequest, folder: Path) -> str:
    """The URL of an empty store of this kind."""
    if kind == "memory":
        return "memory:"
    if kind == "sqlite":
        return f"sqlite:///{folder / 'sessions.sqlite3'}"
    server = request.getfixturevalue(SERVERS[kind])
    if kind == "postgres":
        return _emptied(server.conninfo)
    server.clear()
    return str(server.url)


def _emptied(conninfo: str) -> str:
    _migrate_once(conninfo)
    with psycopg.connect(conninfo) as connection:
        connection.execute("TRUNCATE sojourn_session, sojourn_bar, sojourn_mark")
    return conninfo


@cache
def _migrate_once(conninfo: str) -> None:
    migrate(conninfo)
