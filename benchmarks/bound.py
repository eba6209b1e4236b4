"""Bound: what a request of a session costs that is bound to a key, beside one that is not, in process."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, NamedTuple

import msgspec
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sojourn import AsyncSessionManager, Policy
from sojourn.asgi import SessionMiddleware
from sojourn.stores.memory import AsyncMemoryStore
from sojourn.stores.sqlite import AsyncSQLiteStore
from tests.keys import Key, device_proof

from .call_counts import StoreCalls
from .request import Answer, App, Scope, ask, new_scope, receive, send_nowhere
from .rounds import Rounds, Spread
from .shop import SESSION
from .tables import NONE, table, with_quartiles

__all__ = ["BY_BROWSER", "BY_SCRIPT", "Bound", "Cost", "Size", "measure", "report"]

ORIGIN = "https://shop.example.com"
COOKIE, BEARER = "in a cookie", "a script's token"
BY_BROWSER, BY_SCRIPT = "in a cookie, bound by the browser", "a script's token, bound: a proof"


class Size(msgspec.Struct, frozen=True):
    """How many rounds, how many laps of each kind in each, and how many requests in a lap."""

    rounds: int
    laps: int
    requests: int


class Cost(msgspec.Struct, frozen=True):
    """A request that reads one key, in µs, and beside the one of the same kind that is not bound, inside each round."""

    store: str
    kind: str
    took: Spread
    times_unbound: Spread | None
    added: Spread | None
    reads: int
    writes: int


class Bound(msgspec.Struct, frozen=True):
    """All that this benchmark found."""

    size: Size
    costs: list[Cost]


class _Visitor(NamedTuple):
    """A session, and how its requests are made: each proof is used once."""

    app: App
    scope: Callable[[], Scope]
    manager: AsyncSessionManager


async def _log_in(request: Request) -> Response:
    request.session.update(SESSION)
    request.session.login("ada")  # type: ignore[attr-defined]
    return Response()


async def _read(request: Request) -> Response:
    return Response(request.session["theme"])


def _scope(path: str, *headers: tuple[bytes, bytes], cookie: bytes = b"") -> Scope:
    scope = new_scope(path, cookie)
    scope["headers"] += headers
    return scope


def _header(answer: Answer, name: bytes) -> str:
    return next(value.decode() for key, value in answer.headers if key == name)


def _cookies(answer: Answer) -> bytes:
    return b"; ".join(value.partition(b";")[0] for name, value in answer.headers if name == b"set-cookie")


async def _by_browser(app: App) -> Callable[[], Scope]:
    login = await ask(app, "/login")
    challenge = re.findall('challenge="(.*?)"', _header(login, b"secure-session-registration"))[0]
    shown = (b"secure-session-response", device_proof(Key(), challenge, register=True).encode())
    registration = _scope("/session/dbsc/register", shown, cookie=_cookies(login))
    registration["method"] = "POST"
    answer = await ask(app, registration)
    token = _cookies(login).partition(b"; ")[0]
    cookies = b"; ".join(dict.fromkeys([token, *_cookies(answer).split(b"; ")]))
    return lambda: _scope("/read", cookie=cookies)


async def _by_script(app: App) -> Callable[[], Scope]:
    key, bearer = Key(), (b"sojourn-transport", b"bearer")
    login = await ask(app, _scope("/login", bearer, (b"dpop", key.proof("GET", f"{ORIGIN}/login").encode())))
    token, nonce = _header(login, b"sojourn-token"), _header(login, b"dpop-nonce")
    shown = (b"authorization", f"DPoP {token}".encode())

    def scope() -> Scope:
        proof = key.proof("GET", f"{ORIGIN}/read", token=token, nonce=nonce)
        return _scope("/read", shown, (b"dpop", proof.encode()))

    return scope


async def _unbound(app: App) -> Callable[[], Scope]:
    cookie = _cookies(await ask(app, "/login"))
    return lambda: _scope("/read", cookie=cookie)


async def _unbound_script(app: App) -> Callable[[], Scope]:
    login = await ask(app, _scope("/login", (b"sojourn-transport", b"bearer")))
    shown = (b"authorization", f"Bearer {_header(login, b'sojourn-token')}".encode())
    return lambda: _scope("/read", shown)


# With a policy that binds no session, and with one that does.
_KINDS: Sequence[tuple[str, str, Any]] = [
    (COOKIE, "off", _unbound),
    (BY_BROWSER, "prefer", _by_browser),
    (BEARER, "off", _unbound_script),
    (BY_SCRIPT, "prefer", _by_script),
]
_BESIDE = {BY_BROWSER: COOKIE, BY_SCRIPT: BEARER}


async def _visitors(open_store: Callable[[str], Any], stack: AsyncExitStack) -> dict[str, _Visitor]:
    visitors: dict[str, _Visitor] = {}
    for kind, binding, begin in _KINDS:
        manager = AsyncSessionManager(open_store(kind), Policy(binding=binding))  # type: ignore[arg-type]
        stack.push_async_callback(manager.close)
        origin = None if binding == "off" else ORIGIN
        layer = Middleware(SessionMiddleware, manager=manager, script_readable_tokens=True, public_origin=origin)
        app = Starlette(routes=[Route("/login", _log_in), Route("/read", _read)], middleware=[layer])
        visitors[kind] = _Visitor(app, await begin(app), manager)
        answer = await ask(app, visitors[kind].scope())
        assert answer.body == b"dark", f"{kind}: {answer.status} {answer.body.decode()}"
    return visitors


async def _time(visitor: _Visitor, requests: int) -> float:
    scopes = [visitor.scope() for _ in range(requests)]
    began = perf_counter()
    for scope in scopes:
        await visitor.app(scope, receive, send_nowhere)
    return (perf_counter() - began) / requests * 1e6


async def _costs(name: str, open_store: Callable[[str], Any], size: Size) -> list[Cost]:
    async with AsyncExitStack() as stack:
        visitors, rounds = await _visitors(open_store, stack), Rounds()
        for round_ in range(size.rounds + 1):
            laps: dict[str, list[float]] = {kind: [] for kind in visitors}
            for _ in range(size.laps):
                for kind, visitor in random.sample([*visitors.items()], len(visitors)):
                    laps[kind].append(await _time(visitor, size.requests))
            if round_:
                rounds.add({kind: min(took) for kind, took in laps.items()})
        return [await _cost(name, kind, visitor, rounds) for kind, visitor in visitors.items()]


async def _cost(name: str, kind: str, visitor: _Visitor, rounds: Rounds) -> Cost:
    calls = StoreCalls(visitor.manager._store)
    visitor.manager._store = calls
    await ask(visitor.app, visitor.scope())
    beside = _BESIDE.get(kind)
    return Cost(
        store=name,
        kind=kind,
        took=rounds.compare(float, kind),
        times_unbound=rounds.compare(lambda mine, other: mine / other, kind, beside) if beside else None,
        added=rounds.compare(lambda mine, other: mine - other, kind, beside) if beside else None,
        reads=calls.reads,
        writes=calls.writes,
    )


def measure(size: Size) -> Bound:
    """The costs of each kind of session, in memory and on SQLite."""
    with TemporaryDirectory() as folder:

        def sqlite(kind: str) -> AsyncSQLiteStore:
            return AsyncSQLiteStore(Path(folder) / f"{kind}.sqlite3")

        stores: list[tuple[str, Callable[[str], Any]]] = [("memory", lambda _: AsyncMemoryStore()), ("SQLite", sqlite)]
        costs = [cost for name, store in stores for cost in asyncio.run(_costs(name, store, size))]
    return Bound(size, costs)


def report(found: Bound) -> str:
    """The table, in Markdown."""
    rows = [
        [
            f"{cost.store}: {cost.kind}",
            with_quartiles(cost.took),
            with_quartiles(cost.times_unbound) if cost.times_unbound else NONE,
            with_quartiles(cost.added) if cost.added else NONE,
            f"{cost.reads} + {cost.writes}",
        ]
        for cost in found.costs
    ]
    return table(["One key read", "µs", "× unbound", "added µs", "store reads + writes"], rows)
