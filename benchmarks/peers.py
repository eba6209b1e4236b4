"""Peer: a session layer for Starlette, Sojourn's own among them, built the way its documentation says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from starlette.middleware import Middleware

from sojourn import AsyncSessionManager
from sojourn.asgi import SessionMiddleware
from sojourn.stores.memory import AsyncMemoryStore
from sojourn.stores.sqlite import AsyncSQLiteStore

__all__ = ["BARE", "MEMORY", "OURS", "PEERS", "SIGNED_COOKIE", "SQLITE", "Peer", "Wrap", "installed", "unwrapped"]

Wrap = Callable[[Any], Any]
"""Puts something around a peer's store: a counter, say."""

Layer = AbstractAsyncContextManager[Sequence[Middleware]]


class Peer(NamedTuple):
    """One session layer. `build` gives its middleware; `needs` is the package that must be there beside Starlette."""

    name: str
    build: Callable[[Path, Wrap], Layer]
    needs: str = "starlette"


def unwrapped(store: Any) -> Any:
    """The store as it is."""
    return store


@asynccontextmanager
async def _bare(_folder: Path, _wrap: Wrap) -> AsyncIterator[Sequence[Middleware]]:
    yield []


@asynccontextmanager
async def _signed_cookie(_folder: Path, _wrap: Wrap) -> AsyncIterator[Sequence[Middleware]]:
    # By name, as starsessions below: the environment that checks types has neither package.
    middleware = import_module("starlette.middleware.sessions").SessionMiddleware
    yield [Middleware(middleware, secret_key="b7c1" * 16, https_only=True)]


@asynccontextmanager
async def _starsessions(_folder: Path, wrap: Wrap) -> AsyncIterator[Sequence[Middleware]]:
    package = import_module("starsessions")
    store = wrap(package.InMemoryStore())
    yield [
        Middleware(package.SessionMiddleware, store=store, lifetime=1800, rolling=True),
        Middleware(package.SessionAutoloadMiddleware),
    ]


@asynccontextmanager
async def _memory(_folder: Path, wrap: Wrap) -> AsyncIterator[Sequence[Middleware]]:
    manager = AsyncSessionManager(wrap(AsyncMemoryStore()))
    yield [Middleware(SessionMiddleware, manager=manager)]


@asynccontextmanager
async def _sqlite(folder: Path, wrap: Wrap) -> AsyncIterator[Sequence[Middleware]]:
    manager = AsyncSessionManager(wrap(AsyncSQLiteStore(folder / "sessions.sqlite3")))
    try:
        yield [Middleware(SessionMiddleware, manager=manager)]
    finally:
        await manager.close()


BARE = Peer("Starlette, no sessions", _bare)
SIGNED_COOKIE = Peer("Starlette signed cookie", _signed_cookie, "itsdangerous")
MEMORY = Peer("Sojourn, memory", _memory)
SQLITE = Peer("Sojourn, SQLite", _sqlite)
OURS = (MEMORY.name, SQLITE.name)
PEERS = (BARE, SIGNED_COOKIE, Peer("starsessions, memory", _starsessions, "starsessions"), MEMORY, SQLITE)


def installed() -> list[Peer]:
    """The peers whose packages are there. A clean checkout's tests have Sojourn's and bare Starlette."""
    return [peer for peer in PEERS if find_spec(peer.needs)]
