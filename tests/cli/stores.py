"""Every store that a URL names, empty, on a real server."""

from __future__ import annotations

import pytest

from sojourn.stores.postgres import migrate

__all__ = ["empty_store"]

_FIXTURES = {
    "postgres": "postgres",
    "redis": "redis_server",
    "redis-socket": "redis_server",
    "redis-cluster": "redis_cluster",
    "redis-sentinel": "redis_sentinel",
    "valkey": "valkey_server",
    "valkey-cluster": "valkey_cluster",
    "valkey-sentinel": "valkey_sentinel",
}


def empty_store(name: str, request: pytest.FixtureRequest) -> str:
    """The URL of the store that is called so here; its server is started by the first who asks."""
    if name == "memory":
        return "memory:"
    server = request.getfixturevalue(_FIXTURES[name])
    if name == "postgres":
        database = str(server.new_database())
        migrate(database)
        return database
    server.clear()
    return str(server.unix_url if name == "redis-socket" else server.url)
