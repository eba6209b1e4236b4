"""BoundVisitors: a session of each kind, bound to a key or not, and how the requests of its browser are made."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple

from fastapi import APIRouter, FastAPI
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sojourn import AsyncSessionManager, Policy
from sojourn.asgi import SessionMiddleware
from sojourn.fastapi import CurrentSession, UserId
from sojourn.stores.memory import AsyncMemoryStore
from sojourn.stores.sqlite import AsyncSQLiteStore
from tests.keys import Key, device_proof

from .request import Answer, App, Scope, ask, new_scope
from .shop import SESSION

__all__ = [
    "ANOTHER",
    "APPLICATIONS",
    "BARE",
    "BESIDE",
    "BY_BROWSER",
    "BY_SCRIPT",
    "COOKIE",
    "FASTAPI",
    "STORES",
    "Visitor",
    "visitors",
]

ORIGIN = "https://shop.example.com"
COOKIE, BEARER = "in a cookie", "a script's token"
ANOTHER = "in a cookie, beside one of somebody else"
BY_BROWSER, BY_SCRIPT = "in a cookie, bound by the browser", "a script's token, bound: a proof"

OpenStore = Callable[[Path, str], Any]
STORES: Mapping[str, OpenStore] = {
    "memory": lambda _folder, _kind: AsyncMemoryStore(),
    "SQLite": lambda folder, kind: AsyncSQLiteStore(folder / f"{kind}.sqlite3"),
}
"""How each store is opened in a folder, for a kind of session."""


class Visitor(NamedTuple):
    """A session, and how its requests are made: each proof is used once."""

    app: App
    scope: Callable[[], Scope]
    manager: AsyncSessionManager


BARE, FASTAPI = "", "FastAPI"


async def _log_in(request: Request) -> Response:
    request.session.update(SESSION)
    request.session.login("ada")  # type: ignore[attr-defined]
    return Response()


async def _read(request: Request) -> Response:
    return Response(request.session["theme"])


class _Theme(BaseModel):
    user_id: str
    theme: str


_router = APIRouter()


@_router.get("/login")
async def _fastapi_log_in(session: CurrentSession) -> None:
    session.update(SESSION)
    session.login("ada")


@_router.get("/read")
async def _fastapi_read(user_id: UserId, session: CurrentSession) -> _Theme:
    return _Theme(user_id=user_id, theme=session["theme"])


def _bare(layer: Middleware) -> App:
    return Starlette(routes=[Route("/login", _log_in), Route("/read", _read)], middleware=[layer])


def _fastapi(layer: Middleware) -> App:
    app = FastAPI(middleware=[layer])
    app.include_router(_router)
    return app


APPLICATIONS: Mapping[str, Callable[[Middleware], App]] = {BARE: _bare, FASTAPI: _fastapi}
"""One route that reads one key: nothing beside it, and as people write it, with who is logged in and a model."""


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


async def _beside_another(app: App) -> Callable[[], Scope]:
    """What a browser sends more for a bound session, but that it is nothing of ours."""
    cookie = _cookies(await ask(app, "/login")) + b"; __Host-consent-4fJ0bq7NxEwD=1790000600.eNSDuZztdK3qZ3v4VjMs7A"
    return lambda: _scope("/read", cookie=cookie)


async def _unbound_script(app: App) -> Callable[[], Scope]:
    login = await ask(app, _scope("/login", (b"sojourn-transport", b"bearer")))
    shown = (b"authorization", f"Bearer {_header(login, b'sojourn-token')}".encode())
    return lambda: _scope("/read", shown)


# With a policy that binds no session, and with one that does.
_KINDS: Sequence[tuple[str, str, Any]] = [
    (COOKIE, "off", _unbound),
    (ANOTHER, "off", _beside_another),
    (BY_BROWSER, "prefer", _by_browser),
    (BEARER, "off", _unbound_script),
    (BY_SCRIPT, "prefer", _by_script),
]
BESIDE = {ANOTHER: COOKIE, BY_BROWSER: COOKIE, BY_SCRIPT: BEARER}


async def visitors(
    open_store: Callable[[str], Any], stack: AsyncExitStack, application: str = BARE
) -> dict[str, Visitor]:
    """A visitor of each kind, who has a session, at a store of its own. `stack` closes what they hold."""
    found: dict[str, Visitor] = {}
    for kind, binding, begin in _KINDS:
        manager = AsyncSessionManager(open_store(kind), Policy(binding=binding))  # type: ignore[arg-type]
        stack.push_async_callback(manager.close)
        origin = None if binding == "off" else ORIGIN
        layer = Middleware(SessionMiddleware, manager=manager, script_readable_tokens=True, public_origin=origin)
        app = APPLICATIONS[application](layer)
        found[kind] = Visitor(app, await begin(app), manager)
        answer = await ask(app, found[kind].scope())
        assert b"dark" in answer.body, f"{kind}: {answer.status} {answer.body.decode()}"
    sizes = [len(dict(found[kind].scope()["headers"])[b"cookie"]) for kind in (ANOTHER, BY_BROWSER)]
    assert sizes[0] == sizes[1], f"the cookies are of {sizes} bytes"
    return found
