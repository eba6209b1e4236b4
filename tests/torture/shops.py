"""A shop with a cart, on three kinds of sessions: Sojourn's, a dict that is saved whole, and all in the cookie."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
from contextlib import suppress
from copy import deepcopy
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sojourn import AsyncSessionManager, open_async_store
from sojourn.asgi import SessionMiddleware

SLOW = float(os.environ.get("SLOW", "0.6"))


# Any: three kinds of sessions, of one shape.
async def log_in(request: Any) -> Response:
    body = await request.body()
    is_json = request.headers["content-type"] == "application/json"
    form = json.loads(body) if is_json else dict(parse_qsl(body.decode()))
    if form.get("password") != "tea":
        return JSONResponse({"error": "wrong password"}, 403)
    request.session.login(str(form["user"]))
    return JSONResponse({})


async def put(request: Any) -> Response:
    if request.session.user_id is None:
        return JSONResponse({"error": "log in first"}, 401)
    cart = request.session.setdefault("cart", [])
    await asyncio.sleep(SLOW if request.url.path == "/slow" else 0.005)
    cart.append((await request.json())["item"])
    return JSONResponse({})


async def show(request: Any) -> Response:
    return JSONResponse(request.session.get("cart", []))


async def log_out(request: Any) -> Response:
    request.session.logout()
    return JSONResponse({})


ROUTES = [
    Route("/login", log_in, methods=["POST"]),
    Route("/cart", put, methods=["POST"]),
    Route("/slow", put, methods=["POST"]),
    Route("/cart", show),
    Route("/logout", log_out, methods=["POST"]),
]


def right() -> Starlette:
    app = Starlette(routes=ROUTES)
    app.add_middleware(SessionMiddleware, manager=AsyncSessionManager(open_async_store(os.environ["SESSIONS"])))
    return app


class WholeSession(dict[str, Any]):
    """What a handler of the wrong shop sees."""

    ended = False

    @property
    def user_id(self) -> str | None:
        return self.get("user")

    def login(self, user: str) -> None:
        self["user"] = user

    def logout(self) -> None:
        self.clear()
        self.ended = True


class WholeSessions:
    """Loads a session, and writes it back whole after the handler, under whatever id the browser came with."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.kept: dict[str, dict[str, Any]] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        id = Request(scope).cookies.get("session") or secrets.token_hex(8)
        session = scope["session"] = WholeSession(deepcopy(self.kept.get(id, {})))

        async def save(message: Any) -> None:
            if message["type"] == "http.response.start":
                if session.ended:
                    self.kept.pop(id, None)
                else:
                    self.kept[id] = dict(session)
                message["headers"] = [*message["headers"], (b"set-cookie", b"session=%s; Path=/" % id.encode())]
            await send(message)

        await self.app(scope, receive, save)


def whole() -> Starlette:
    app = Starlette(routes=ROUTES)
    app.add_middleware(WholeSessions)
    return app


class CookieSessions:
    """Keeps the session's data in the cookie itself. Nobody can end what the server does not have."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        session = scope["session"] = WholeSession()
        with suppress(ValueError):
            session.update(json.loads(bytes.fromhex(Request(scope).cookies.get("session", ""))))

        async def save(message: Any) -> None:
            if message["type"] == "http.response.start":
                value = b"" if session.ended else json.dumps(session).encode().hex().encode()
                age = b"; Max-Age=0" if session.ended else b""
                line = b"session=%s; Path=/; HttpOnly; Secure; SameSite=Lax%s" % (value, age)
                message["headers"] = [*message["headers"], (b"set-cookie", line)]
            await send(message)

        await self.app(scope, receive, save)


def cookie() -> Starlette:
    app = Starlette(routes=ROUTES)
    app.add_middleware(CookieSessions)
    return app
