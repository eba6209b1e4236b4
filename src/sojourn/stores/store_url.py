"""open_store: a URL to a store, its driver imported on demand."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, NamedTuple, NotRequired, TypedDict
from urllib.parse import quote, unquote

from sojourn.core.async_store import AsyncStore, AsyncWatchableStore
from sojourn.core.errors import ConfigurationError
from sojourn.core.extras import install
from sojourn.core.store import Store, WatchableStore

__all__ = ["POSTGRES", "TIMEOUT", "StoreURL", "extra", "open_async_store", "open_store"]

TIMEOUT = 5.0

POSTGRES = ("postgresql", "postgres")
_SERVERS = ("redis", "rediss", "valkey", "valkeys")
_REDIS = ("unix", *[f"{server}{kind}" for server in _SERVERS for kind in ("", "+cluster", "+sentinel")])
_KNOWN = (
    "sqlite:///relative.db, sqlite:////absolute.db, postgresql://host/database, redis://host, unix:///path/of.sock, "
    "redis+cluster://host,host, redis+sentinel://host,host/service (with rediss for TLS; valkey is redis) or memory:"
)

_scheme = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):").match
_is_file_name = re.compile(r"[\w./ ~-]+").fullmatch
_sqlite_path = re.compile(r"///([^?#]+)").fullmatch
_size = re.compile(r"([1-9]\d{0,17})(KiB|MiB|GiB)?").fullmatch
_UNITS = {None: 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


_OURS = ("cache", "max_staleness", "durability")


class _Cache(TypedDict):
    max_bytes: int
    max_staleness: NotRequired[float]


class StoreURL(NamedTuple):
    """A store's URL, taken apart. May hold a password: show no more of it than the scheme.

    `bare` is what the driver is given, without the parameters that are ours. `path` is that of SQLite's file.
    `durability` is PostgreSQL's.
    """

    scheme: str
    bare: str
    path: str | None = None
    cache: _Cache | None = None
    durability: Literal["all", "ends"] = "all"

    @classmethod
    def parse(cls, url: str) -> StoreURL:
        """The parts of `url`. Raises ConfigurationError, without repeating a password, for one that names no store."""
        found = _scheme(url)
        if found is None:
            raise ConfigurationError(_no_url(url))
        scheme, rest = found[1].lower(), url[found.end() :]
        rest, parameters = _taken_off(rest)
        durability = _durability(parameters.pop("durability", "all"), scheme)
        cache = _cache(parameters)
        if scheme in ("memory", "sqlite"):
            if cache:
                raise ConfigurationError(
                    f"cache= is for stores across a network: PostgreSQL, Redis and Valkey. {scheme}: answers from this "
                    "machine, so leave it away."
                )
            path = _sqlite_path(rest)
            if path and path[1] == ":memory:":
                raise ConfigurationError("There is no SQLite in memory here. For sessions in memory write memory:")
            if scheme == "sqlite" and path:
                return cls(scheme, f"sqlite:{rest}", unquote(path[1]))
            if scheme == "memory" and not rest:
                return cls(scheme, "memory:")
        elif scheme in POSTGRES + _REDIS and rest.startswith("//"):
            return cls(scheme, f"{scheme}:{rest}", None, cache, durability)
        raise ConfigurationError(f"No store has a URL like this one, of the scheme {scheme!r}. Write {_KNOWN}.")


def open_store(url: str, *, timeout: float = TIMEOUT) -> Store:
    """The store at `url`, for threads. Raises ConfigurationError for a URL that names none, or without its driver.

    What a store does first, it does now: SQLite makes its file, PostgreSQL is asked for its tables. `timeout`: seconds
    that a store across a network may take to answer, before that is a StoreUnavailable. docs/stores.md has the URLs.
    """
    at = StoreURL.parse(url)
    if at.scheme == "memory":
        from .memory import MemoryStore

        return MemoryStore()
    if at.path is not None:
        from .sqlite import SQLiteStore

        return SQLiteStore(at.path)
    store = _open_watchable(at, timeout)
    if at.cache is None:
        return store
    from .cached import CachedStore

    return CachedStore(store, **at.cache)


def open_async_store(url: str, *, timeout: float = TIMEOUT) -> AsyncStore:
    """The store at `url`, for an event loop. As open_store else: `timeout` is in seconds."""
    at = StoreURL.parse(url)
    if at.scheme == "memory":
        from .memory import AsyncMemoryStore

        return AsyncMemoryStore()
    if at.path is not None:
        from .sqlite import AsyncSQLiteStore

        return AsyncSQLiteStore(at.path)
    store = _open_async_watchable(at, timeout)
    if at.cache is None:
        return store
    from .cached import AsyncCachedStore

    return AsyncCachedStore(store, **at.cache)


def _open_watchable(at: StoreURL, timeout: float) -> WatchableStore:
    if at.scheme in POSTGRES:
        with extra("postgres"):
            from .postgres import PostgresStore
        return PostgresStore(at.bare, timeout=timeout, durability=at.durability)
    with extra("redis"):
        from .redis import RedisStore
    return RedisStore(at.bare, timeout=timeout)


def _open_async_watchable(at: StoreURL, timeout: float) -> AsyncWatchableStore:
    if at.scheme in POSTGRES:
        with extra("postgres"):
            from .postgres import AsyncPostgresStore
        return AsyncPostgresStore(at.bare, timeout=timeout, durability=at.durability)
    with extra("redis"):
        from .redis import AsyncRedisStore
    return AsyncRedisStore(at.bare, timeout=timeout)


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Name the extra of a driver that cannot be imported."""
    try:
        yield
    except ImportError as error:
        if (error.name or "").startswith("sojourn"):
            raise
        raise ConfigurationError(f"A store of this scheme needs the extra `{name}`: {install(name)}") from error


def _no_url(url: str) -> str:
    # Repeated only where it can be nothing but a path: anything else, like libpq's "password=…", may hold a secret.
    if _is_file_name(url):
        return f"{url!r} is no URL. For a file of that name write sqlite:///{quote(url)}"
    return f"A store's URL begins with its scheme. Write {_KNOWN}."


def _taken_off(rest: str) -> tuple[str, dict[str, str]]:
    """`rest` without the parameters that are ours, and these. The others are the driver's, and stay as they are."""
    # From the right: there are drivers that take a question mark in a password.
    before, mark, query = rest.rpartition("?")
    pairs = [pair.partition("=") for pair in query.split("&")] if mark else []
    ours = {name: unquote(value) for name, _, value in pairs if name in _OURS}
    if not ours:
        return rest, {}
    others = "&".join("".join(pair) for pair in pairs if pair[0] not in ours)
    return before + (f"?{others}" if others else ""), ours


def _durability(word: str, scheme: str) -> Literal["all", "ends"]:
    if word == "all":
        return "all"
    if scheme not in POSTGRES:
        raise ConfigurationError("durability= is for PostgreSQL: docs/stores.md says what other stores promise.")
    if word == "ends":
        return "ends"
    raise ConfigurationError("durability= takes all, or ends, which lets log-ins and ends alone wait for the disk.")


def _cache(parameters: dict[str, str]) -> _Cache | None:
    if not parameters:
        return None
    if "cache" not in parameters:
        raise ConfigurationError("max_staleness= is the cache's, and there is none. Write ?cache=64MiB&max_staleness=1")
    size = _size(parameters["cache"])
    if size is None:
        raise ConfigurationError("cache= takes a size. Write ?cache=64MiB, with KiB, MiB or GiB, or a count of bytes.")
    cache = _Cache(max_bytes=int(size[1]) * _UNITS[size[2]])
    if "max_staleness" in parameters:
        cache["max_staleness"] = _seconds(parameters["max_staleness"])
    return cache


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds < math.inf:
        raise ConfigurationError("max_staleness= takes seconds, more than 0. Write ?cache=64MiB&max_staleness=1")
    return seconds
