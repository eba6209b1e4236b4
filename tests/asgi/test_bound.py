"""Bound sessions over ASGI, where other ways in than a request's `Authorization` are."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from sojourn import AsyncSessionManager, ConfigurationError, Event, Policy
from sojourn.asgi import SessionMiddleware
from sojourn.events import UnprovedToken
from sojourn.stores.memory import AsyncMemoryStore
from tests.keys import Key

from .app import COOKIE

ORIGIN = "https://app.example.com"


async def log_in(request: Request) -> JSONResponse:
    request.session.login("ada")  # type: ignore[attr-defined]
    return JSONResponse({})


async def show(request: Request) -> JSONResponse:
    return JSONResponse({"user": request.session.user_id})  # type: ignore[attr-defined]


async def echo(socket: Any) -> None:
    await socket.accept()


class World:
    """An application that binds sessions, a client of it, and what it told."""

    def __init__(self) -> None:
        self.told: list[Event] = []
        manager = AsyncSessionManager(AsyncMemoryStore(), Policy(binding="prefer"), on_event=self.told.append)
        sessions = Middleware(SessionMiddleware, manager=manager, script_readable_tokens=True, public_origin=ORIGIN)
        routes = [Route("/login", log_in, methods=["POST"]), Route("/", show), WebSocketRoute("/echo", echo)]
        self.browser = TestClient(Starlette(routes=routes, middleware=[sessions]), base_url="https://testserver")

    def bound_token(self) -> str:
        headers = {"Sojourn-Transport": "bearer", "DPoP": Key().proof("POST", ORIGIN + "/login")}
        return str(self.browser.post("/login", headers=headers).headers["sojourn-token"])


def test_a_socket_of_a_bound_session_is_refused() -> None:
    here = World()
    token = here.bound_token()
    with pytest.raises(WebSocketDisconnect) as closed:
        here.browser.websocket_connect("wss://testserver/echo", headers={"Cookie": f"{COOKIE}={token}"}).__enter__()

    assert (closed.value.code, closed.value.reason) == (1008, "proof-required")


def test_a_bound_token_that_is_planted_beside_a_cookie_takes_nothing_away() -> None:
    here = World()
    mine = here.browser.post("/login").headers["set-cookie"].partition(";")[0]
    planted = f"{COOKIE}={here.bound_token()}"

    for cookies in (f"{mine}; {planted}", f"{planted}; {mine}"):
        assert here.browser.get("/", headers={"Cookie": cookies}).json() == {"user": "ada"}
    assert [event.flaw for event in here.told if isinstance(event, UnprovedToken)] == ["proof-required"] * 2


def test_a_policy_that_binds_needs_the_origin_that_browsers_see() -> None:
    manager = AsyncSessionManager(AsyncMemoryStore(), Policy(binding="prefer"))
    for options in (
        {},
        {"public_origin": ORIGIN},
        {"public_origin": "app.example.com", "script_readable_tokens": True},
    ):
        with pytest.raises(ConfigurationError, match=r"public_origin|script_readable_tokens|https://app"):
            SessionMiddleware(Starlette(), manager, **options)
