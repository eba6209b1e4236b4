"""Lifecycle: what a first visit, a log-in, a log-out and a token that is due for renewal cost, beside other layers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from importlib import import_module
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import NamedTuple, cast

import msgspec
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sojourn import AsyncSessionManager, Policy, Session, open_async_store
from sojourn.asgi import SessionMiddleware

from . import framework_cost
from .framework_cost import CLOCK, LIFE, UNTIL_RENEWAL_MS, FrameworkCost, Kind, Lap, Size, Timed, report_life
from .http_load import cpu_ns
from .network_peers import FASTAPI_REDIS, NETWORK_PEERS, POSTGRES, REDIS, STARSESSIONS, at
from .peers import BARE, MEMORY, SIGNED_COOKIE, SQLITE, installed, unwrapped
from .request import ask, cookie_of, new_scope, receive, send_nowhere
from .servers import Servers, start_servers

__all__ = ["IN_PROCESS", "ON_A_SERVER", "Lifecycle", "Size", "measure", "report"]

IN_PROCESS = "In process"
ON_A_SERVER = "On a server"

_numbers = count(100)


class Lifecycle(msgspec.Struct, frozen=True):
    """All that this benchmark found: with the session in the process or a file, and on a server."""

    size: Size
    groups: list[FrameworkCost]


class _Words(NamedTuple):
    """How pages log in, log out, and renew what the browser holds, in one layer's words; None: it has none."""

    login: Callable[[Request, str], object]
    logout: Callable[[Request], object]
    renewal: Callable[[Request], object] | None


def _set_user(request: Request, user: str) -> None:
    request.session["user_id"] = user


def _clear(request: Request) -> None:
    request.session.clear()


def _clear_and_set_user(request: Request, user: str) -> None:
    _clear(request)
    _set_user(request, user)


def _new_id(request: Request) -> object:
    return import_module("starsessions").regenerate_session_id(request)


def _new_id_and_user(request: Request, user: str) -> None:
    _new_id(request)
    _set_user(request, user)


def _ask_for_new_id(request: Request) -> None:
    # As its store's `reauthenticate` does; the middleware then does what it does at a log-in.
    request.scope["redis_session_state"].rotated = True


def _ours_of(request: Request) -> Session:
    return cast(Session, request.session)


# A Sojourn session is renewed by its age: CLOCK is ahead then.
OURS = _Words(lambda request, user: _ours_of(request).login(user), lambda request: _ours_of(request).logout(), _ours_of)
WORDS = {
    SIGNED_COOKIE.name: _Words(_clear_and_set_user, _clear, None),
    "starsessions, memory": _Words(_new_id_and_user, _clear, _new_id),
    STARSESSIONS: _Words(_new_id_and_user, _clear, _new_id),
    FASTAPI_REDIS: _Words(_set_user, _clear, _ask_for_new_id),
}


def _routes(words: _Words) -> list[Route]:
    async def first(request: Request) -> Response:
        request.session["visits"] = next(_numbers)
        return Response(b"dark")

    async def login(request: Request) -> Response:
        words.login(request, f"user-{next(_numbers)}")
        return Response(b"dark")

    async def logout(request: Request) -> Response:
        words.logout(request)
        return Response(b"dark")

    async def renewal(request: Request) -> Response:
        assert words.renewal is not None
        words.renewal(request)
        return Response(str(request.session["visits"]))

    return [Route(f"/{view.__name__}", view) for view in (first, login, logout, renewal)]


async def _bare(_request: Request) -> Response:
    return Response(b"dark")


@asynccontextmanager
async def _ours(url: str) -> AsyncIterator[Sequence[Middleware]]:
    # Still alive when renewal is due; it was not used meanwhile.
    manager = AsyncSessionManager(open_async_store(url), Policy(idle_timeout=7200), clock=CLOCK)
    try:
        yield [Middleware(SessionMiddleware, manager=manager)]
    finally:
        await manager.close()


class _Shop:
    """One peer's application, which an event loop of ours serves; `server` keeps its sessions."""

    def __init__(self, name: str, layer: Sequence[Middleware], loop: asyncio.Runner, server: int | None = None) -> None:
        words = WORDS.get(name, OURS)
        self.kinds: Sequence[Kind] = tuple(kind for kind in LIFE if kind != "renewal" or words.renewal)
        routes = [Route(f"/{kind}", _bare) for kind in LIFE] if name == BARE.name else _routes(words)
        self.app = Starlette(routes=routes, middleware=layer)
        self._has_sessions, self._loop, self._server = name != BARE.name, loop, server

    def time(self, kind: Kind, requests: int) -> Lap:
        """One lap, of sessions that are made ready before. The server's processor counts with the application's."""
        return self._loop.run(self._time(kind, requests))

    async def _time(self, kind: Kind, requests: int) -> Lap:
        scopes = [new_scope(f"/{kind}", await self.cookie_for(kind)) for _ in range(requests)]
        CLOCK.ahead_ms = UNTIL_RENEWAL_MS if kind == "renewal" else 0
        server = self._server_ns()
        began, began_wall = process_time(), perf_counter()
        for scope in scopes:
            await self.app(scope, receive, send_nowhere)
        cpu, wall = process_time() - began, perf_counter() - began_wall
        CLOCK.ahead_ms = 0
        return Lap((cpu + (self._server_ns() - server) / 1e9) / requests * 1e6, wall / requests * 1e6)

    async def cookie_for(self, kind: Kind) -> bytes:
        """Of a session for one request of this kind alone: what ends or replaces a session needs one of its own."""
        cookie = b""
        for path in {"first": (), "logout": ("/first", "/login")}.get(kind, ("/first",)) if self._has_sessions else ():
            cookie = cookie_of(await ask(self.app, path, cookie)) or b""
            assert cookie, f"{path} sets no cookie"
        return cookie

    def _server_ns(self) -> int:
        return cpu_ns(self._server) if self._server else 0


async def _in_process(folder: Path, stack: AsyncExitStack, loop: asyncio.Runner) -> list[tuple[str, Timed]]:
    urls = {MEMORY.name: "memory:", SQLITE.name: f"sqlite:///{folder}/lifecycle.sqlite3"}
    shops: list[tuple[str, Timed]] = []
    for peer in installed():
        layer = _ours(urls[peer.name]) if peer.name in urls else peer.build(folder, unwrapped)
        shops.append((peer.name, _Shop(peer.name, await stack.enter_async_context(layer), loop)))
    return shops


async def _on_a_server(
    servers: Servers, folder: Path, stack: AsyncExitStack, loop: asyncio.Runner
) -> list[tuple[str, Timed]]:
    shops: list[tuple[str, Timed]] = [(BARE.name, _Shop(BARE.name, [], loop))]
    for name in (name for name in NETWORK_PEERS if name in (STARSESSIONS, FASTAPI_REDIS, REDIS, POSTGRES)):
        if name == POSTGRES:
            url = servers.new_database()
            pid = servers.postgres_pid
        else:
            redis = servers.new_valkey() if name == FASTAPI_REDIS else servers.new_redis()
            url, pid = redis.url, redis.process.pid
        layer = _ours(url) if name in (REDIS, POSTGRES) else at(name, url).build(folder, unwrapped)
        shops.append((name, _Shop(name, await stack.enter_async_context(layer), loop, pid)))
    return shops


def measure(size: Size) -> Lifecycle:
    """Take the rounds, of all peers in turns; the first after the bare one is what the others are compared with."""
    groups = []
    with TemporaryDirectory() as folder, start_servers() as servers, asyncio.Runner() as loop:
        for group, opened in ((IN_PROCESS, _in_process), (ON_A_SERVER, partial(_on_a_server, servers))):
            stack = AsyncExitStack()
            try:
                shops = loop.run(opened(Path(folder), stack, loop))
                groups.append(framework_cost.measure(size, group, shops, LIFE))
            finally:
                loop.run(stack.aclose())
    return Lifecycle(size, groups)


def report(found: Lifecycle) -> str:
    """The tables, in Markdown."""
    return "\n\n".join(each for group in found.groups for each in report_life(group))
