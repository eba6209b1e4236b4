"""A small application with a session, for the tests of the middleware."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.testclient import TestClient

from sojourn import AsyncSessionManager, Policy
from sojourn.asgi import BrowserEndpoints, SessionMiddleware
from sojourn.core.events import Event
from sojourn.stores.memory import AsyncMemoryStore
from tests.counting_store import CountingStore

COOKIE = "__Host-session"


class World:
    """An application, its manager on a clock that tests move, and a browser."""

    def __init__(self, *routes: Route | WebSocketRoute, policy: Policy | None = None, **options: Any) -> None:
        self.now = 1_800_000_000_000
        self.events: list[Event] = []
        self.store = CountingStore()
        self.manager = AsyncSessionManager(
            AsyncMemoryStore(self.store), policy, on_event=self.events.append, clock=lambda: self.now
        )
        endpoints = BrowserEndpoints(readable={"theme"}, writable={"theme"})
        self.app = Starlette(routes=[*routes, *ROUTES, Mount("/session", endpoints)])
        self.app.add_middleware(SessionMiddleware, manager=self.manager, **options)
        self.browser = self.new_browser()

    def new_browser(self) -> TestClient:
        return TestClient(self.app, base_url="https://testserver")

    def run(self, call: Callable[[], Any]) -> Any:
        """Await a manager's method from a test."""
        import asyncio

        return asyncio.run(call())


async def log_in(request: Any) -> JSONResponse:
    request.session.login(request.path_params["user"], remember="remember" in request.query_params)
    return JSONResponse({"hello": request.session.user_id})


async def log_out(request: Any) -> JSONResponse:
    request.session.logout()
    return JSONResponse({})


async def show(request: Any) -> JSONResponse:
    return JSONResponse(dict(request.session))


async def put(request: Any) -> JSONResponse:
    request.session.update(await request.json())
    return JSONResponse({})


async def plain(request: Any) -> JSONResponse:
    return JSONResponse({"public": True})


ROUTES = [
    Route("/login/{user}", log_in, methods=["POST"]),
    Route("/logout", log_out, methods=["POST"]),
    Route("/show", show),
    Route("/put", put, methods=["POST"]),
    Route("/plain", plain),
]
