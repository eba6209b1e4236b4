"""Races: what a session layer keeps of parallel requests of one browser, and whether a logout stays one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sojourn.core.session import Session

from .network_peers import FASTAPI_REDIS, NETWORK_PEERS, at, new_server
from .peers import BARE, OURS, Peer, installed, unwrapped
from .request import App, ask, cookie_of
from .servers import start_servers
from .tables import table

__all__ = ["Race", "Races", "Size", "measure", "report"]

# As long as a handler waits for its database.
WAIT = 0.02


class Size(msgspec.Struct, frozen=True):
    """How many requests at once, how often that is repeated, and how many logouts."""

    requests: int
    repeats: int
    logouts: int


class Race(msgspec.Struct, frozen=True):
    """One peer's score. Of `keys`, `items`, `increments` and `sums` each figure is one repeat's, of `requests`."""

    peer: str
    keys: list[int]
    items: list[int]
    increments: list[int] | None
    sums: list[int]
    took_ms: float
    alive_after_logout: int
    alive_after_slow_write: int
    alive_after_slow_read: int


class Races(msgspec.Struct, frozen=True):
    """All that this benchmark found."""

    size: Size
    races: list[Race]


async def _login(request: Request) -> Response:
    session: Any = request.session
    session.update(items=[], sum=0)
    # The peers have no word for it: an application puts the user's id into the session.
    if isinstance(session, Session):
        session.login("ada")
    else:
        session["user"] = "ada"
    return Response()


async def _logout(request: Request) -> Response:
    session: Any = request.session
    if isinstance(session, Session):
        session.logout()
    else:
        session.clear()
    return Response()


async def _whoami(request: Request) -> Response:
    session: Any = request.session
    user = session.user_id if isinstance(session, Session) else session.get("user")
    return JSONResponse({"user": user, "session": dict(session)})


async def _key(request: Request) -> Response:
    await asyncio.sleep(WAIT)
    request.session["key" + request.path_params["n"]] = True
    return Response()


async def _item(request: Request) -> Response:
    items = request.session["items"]
    await asyncio.sleep(WAIT)
    # Set anew, for layers that do not notice a change inside a value.
    request.session["items"] = [*items, request.path_params["n"]]
    return Response()


async def _sum(request: Request) -> Response:
    total = request.session["sum"]
    await asyncio.sleep(WAIT)
    request.session["sum"] = total + 1
    return Response()


async def _increment(request: Request) -> Response:
    await asyncio.sleep(WAIT)
    session: Any = request.session
    session.increment("sum")
    return Response()


async def _slow_read(request: Request) -> Response:
    items = request.session["items"]
    await asyncio.sleep(WAIT)
    return JSONResponse(items)


ROUTES = [
    Route("/login", _login),
    Route("/logout", _logout),
    Route("/whoami", _whoami),
    Route("/key/{n}", _key),
    Route("/item/{n}", _item),
    Route("/sum/{n}", _sum),
    Route("/increment/{n}", _increment),
    Route("/slow", _slow_read),
]


async def _who(app: App, cookie: bytes) -> dict[str, Any]:
    answer = await ask(app, "/whoami", cookie)
    found: dict[str, Any] = msgspec.json.decode(answer.body)
    return found


async def _new_session(app: App) -> bytes:
    cookie = cookie_of(await ask(app, "/login"))
    assert cookie is not None
    assert (await _who(app, cookie))["user"] == "ada"
    return cookie


async def _burst(app: App, path: str, requests: int) -> tuple[dict[str, Any], float]:
    """What is in a new session after so many requests at once, and the seconds that they took.

    As a browser does, all start with the same cookie, and the last answer that sets one wins.
    """
    cookie = await _new_session(app)
    jar = [cookie]

    async def visit(n: int) -> None:
        answer = await ask(app, f"{path}/{n}", cookie)
        assert answer.status == 200
        jar.append(cookie_of(answer) or jar[-1])

    began = perf_counter()
    await asyncio.gather(*map(visit, range(requests)))
    took = perf_counter() - began
    session: dict[str, Any] = (await _who(app, jar[-1]))["session"]
    return session, took


async def _alive(app: App, slow: str | None, logouts: int) -> int:
    """How often the old cookie still opens the session after a logout that overtook the request `slow`."""
    alive = 0
    for _ in range(logouts):
        cookie = await _new_session(app)
        # It began before the logout, and ends after it.
        request = asyncio.ensure_future(ask(app, slow, cookie)) if slow else None
        await asyncio.sleep(WAIT / 4)
        await ask(app, "/logout", cookie)
        if request is not None:
            await request
        alive += (await _who(app, cookie))["user"] is not None
    return alive


async def _race(peer: Peer, size: Size, folder: Path) -> Race:
    async def repeat(path: str, kept: Callable[[dict[str, Any]], int]) -> tuple[list[int], float]:
        bursts = [await _burst(app, path, size.requests) for _ in range(size.repeats)]
        return [kept(session) for session, _ in bursts], min(took for _, took in bursts)

    async with AsyncExitStack() as stack:
        middleware = await stack.enter_async_context(peer.build(folder, unwrapped))
        app = Starlette(routes=ROUTES, middleware=middleware)
        keys, took = await repeat("/key", lambda session: sum(key.startswith("key") for key in session))
        items, _ = await repeat("/item", lambda session: len(session["items"]))
        sums, _ = await repeat("/sum", lambda session: int(session["sum"]))
        increments = None
        if peer.name in OURS:
            increments, _ = await repeat("/increment", lambda session: int(session["sum"]))
        return Race(
            peer=peer.name,
            keys=keys,
            items=items,
            increments=increments,
            sums=sums,
            took_ms=took * 1000,
            alive_after_logout=await _alive(app, None, size.logouts),
            alive_after_slow_write=await _alive(app, "/key/1", size.logouts),
            alive_after_slow_read=await _alive(app, "/slow", size.logouts),
        )


def measure(size: Size) -> Races:
    """Run every race for every peer that is there and keeps sessions: one of them in a Valkey."""
    races = []
    for peer in installed():
        if peer is not BARE:
            with TemporaryDirectory() as folder:
                races.append(asyncio.run(_race(peer, size, Path(folder))))
    if FASTAPI_REDIS in NETWORK_PEERS:
        with TemporaryDirectory() as folder, start_servers() as servers:
            peer = at(FASTAPI_REDIS, new_server(FASTAPI_REDIS, servers))
            races.append(asyncio.run(_race(peer, size, Path(folder))))
    return Races(size, races)


def report(found: Races) -> str:
    """The scoreboard, in Markdown."""
    n, logouts = found.size.requests, found.size.logouts
    head = [f"Kept of {n} parallel requests"]
    head += ["own keys", "appended items", "increment()", "n = n + 1", f"ms for {n}"]
    kept = [
        [
            race.peer,
            _range(race.keys),
            _range(race.items),
            _range(race.increments),
            _range(race.sums),
            f"{race.took_ms:.0f}",
        ]
        for race in found.races
    ]
    alive = [
        [race.peer, str(race.alive_after_logout), str(race.alive_after_slow_write), str(race.alive_after_slow_read)]
        for race in found.races
    ]
    head_alive = [f"Old cookie still works, of {logouts} logouts", "alone", "during a slow write", "during a slow read"]
    return table(head, kept) + "\n\n" + table(head_alive, alive)


def _range(figures: Sequence[int] | None) -> str:
    if not figures:
        return "none"
    low, high = min(figures), max(figures)
    return str(low) if low == high else f"{low}…{high}"
