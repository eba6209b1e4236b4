"""Starlette, with its own CORSMiddleware around the session's: added last, so that it is outermost."""

from __future__ import annotations

import os

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

from sojourn import AsyncSessionManager, open_async_store
from sojourn.asgi import BrowserEndpoints, SessionMiddleware
from tests.browser.cors import place


async def login(request: Request) -> JSONResponse:
    request.session.login("ada")  # type: ignore[attr-defined]
    said = os.environ.get("SITE_CACHE_CONTROL")
    return JSONResponse({}, headers={"Cache-Control": said} if said else {})


async def talk(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text(str(socket.session.user_id))  # type: ignore[attr-defined]
    await socket.close()


layers = [
    Middleware(
        CORSMiddleware,
        allow_origins=place.ALLOWED,
        allow_credentials=True,
        allow_methods=["GET", "POST", "PATCH", "DELETE"],
        allow_headers=place.HEADERS,
        expose_headers=place.EXPOSED,
    ),
    Middleware(SessionMiddleware, manager=AsyncSessionManager(open_async_store(place.STORE)), **place.OPTIONS),
]
if os.environ.get("SITE_ORDER") == "wrong":
    layers.reverse()
app = Starlette(
    routes=[
        Route("/login", login, methods=["POST"]),
        WebSocketRoute("/ws", talk),
        Mount("/session", BrowserEndpoints(writable=place.WRITABLE)),
    ],
    middleware=layers,
)
