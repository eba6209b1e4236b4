"""The demo's store: seen to answer before anybody is let in, and called by its name."""

from __future__ import annotations

from contextlib import closing

from sojourn.stores.store_url import StoreURL, open_store

__all__ = ["check_store", "name_of"]

_NAMES = {
    "memory": "this process's memory",
    "sqlite": "SQLite",
    "postgresql": "PostgreSQL",
    "postgres": "PostgreSQL",
    # The two speak one protocol, and a URL does not tell which it is.
    "redis": "Redis/Valkey",
    "rediss": "Redis/Valkey",
    "unix": "Redis/Valkey",
    "redis+cluster": "Redis/Valkey Cluster",
    "rediss+cluster": "Redis/Valkey Cluster",
    "redis+sentinel": "Redis/Valkey with Sentinel",
    "rediss+sentinel": "Redis/Valkey with Sentinel",
}


def name_of(url: str) -> str:
    """What kind of store is at `url`, for everybody's eyes: no place and no password."""
    at = StoreURL.parse(url)
    return _NAMES[at.scheme] + (", behind a cache" if at.cache else "")


def check_store(url: str) -> None:
    """One read, which raises what is wrong: no server, no access, tables that are not there yet."""
    with closing(open_store(StoreURL.parse(url).bare)) as store:
        store.get("0" * 32)
