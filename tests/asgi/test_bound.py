"""Bound sessions over ASGI, where other ways in than a request's `Authorization` are."""

from __future__ import annotations

import re
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
from tests.keys import Key, device_proof

from .app import COOKIE

ORIGIN = "https://app.example.com"


async def log_in(request: Request) -> JSONResponse:
    request.session.login("ada")  # type: ignore[attr-defined]
    return JSONResponse({})


async def show(request: Request) -> JSONResponse:
    return JSONResponse({"user": request.session.user_id})  # type: ignore[attr-defined]


async def log_out(request: Request) -> JSONResponse:
    request.session.logout()  # type: ignore[attr-defined]
    return JSONResponse({})


async def echo(socket: Any) -> None:
    await socket.accept()


class World:
    """An application that binds sessions, a client of it, and what it told."""

    def __init__(self) -> None:
        self.told: list[Event] = []
        manager = AsyncSessionManager(AsyncMemoryStore(), Policy(binding="prefer"), on_event=self.told.append)
        self.manager = manager
        sessions = Middleware(SessionMiddleware, manager=manager, script_readable_tokens=True, public_origin=ORIGIN)
        routes = [
            Route("/login", log_in, methods=["POST"]),
            Route("/logout", log_out, methods=["POST"]),
            Route("/", show),
            WebSocketRoute("/echo", echo),
            # The application's own, where the endpoints could be.
            Route("/session/dbsc/{what}", show, methods=["GET", "POST"]),
        ]
        self.browser = TestClient(Starlette(routes=routes, middleware=[sessions]), base_url="https://testserver")

    def bound_token(self) -> str:
        headers = {"Sojourn-Transport": "bearer", "DPoP": Key().proof("POST", ORIGIN + "/login")}
        return str(self.browser.post("/login", headers=headers).headers["sojourn-token"])

    def cookies_of_a_bound_session(self) -> tuple[str, str]:
        """The session's, and the bound one."""
        answer = self.browser.post("/login")
        offered = answer.headers["secure-session-registration"]
        proof = device_proof(Key(), offered.split('challenge="')[1].rstrip('"'), register=True)
        token = self.browser.cookies[COOKIE]
        [bound] = [f"{name}={value}" for name, value in self.browser.cookies.items() if name != COOKIE]
        self.browser.cookies.clear()
        headers = {"Cookie": f"{COOKIE}={token}; {bound}", "Secure-Session-Response": proof}
        assert self.browser.post("/session/dbsc/register", headers=headers).json() == {"user": "ada"}
        self.browser.cookies.clear()
        return f"{COOKIE}={token}", bound


def test_a_socket_of_a_session_whose_renewals_are_bound_opens_and_renews_nothing() -> None:
    here = World()
    here.browser.post("/login", headers={"DPoP": Key().proof("POST", ORIGIN + "/login")})
    token = here.browser.cookies[COOKIE]
    here.manager.policy = Policy(binding="prefer", rotate_interval=0.001)
    with here.browser.websocket_connect("wss://testserver/echo") as socket:
        accepted = socket.extra_headers

    assert accepted is not None
    assert b"set-cookie" not in dict(accepted)
    assert here.browser.get("/").json() == {"user": "ada"}
    assert here.browser.cookies[COOKIE] == token


def test_a_socket_of_a_session_that_the_browser_binds_needs_both_cookies() -> None:
    here = World()
    token, bound = here.cookies_of_a_bound_session()
    with here.browser.websocket_connect("wss://testserver/echo", headers={"Cookie": f"{token}; {bound}"}):
        pass
    with pytest.raises(WebSocketDisconnect) as closed:
        here.browser.websocket_connect("wss://testserver/echo", headers={"Cookie": token}).__enter__()

    assert (closed.value.code, closed.value.reason) == (1008, "proof-required")


def test_a_log_out_takes_both_cookies_away() -> None:
    here = World()
    token, bound = here.cookies_of_a_bound_session()
    answer = here.browser.post("/logout", headers={"Cookie": f"{token}; {bound}"})
    gone = [line.partition("=")[0] for line in answer.headers.get_list("set-cookie") if "Max-Age=0" in line]

    assert gone == [COOKIE, bound.partition("=")[0]]
    assert answer.headers["cache-control"] == "no-store"


def test_a_new_secret_of_a_bound_session_comes_without_a_word_on_its_key() -> None:
    here = World()
    token, bound = here.cookies_of_a_bound_session()
    here.manager.policy = Policy(binding="prefer", rotate_interval=0.001)
    answer = here.browser.get("/", headers={"Cookie": f"{token}; {bound}"})
    [line] = answer.headers.get_list("set-cookie")

    assert line.startswith(f"{COOKIE}=sj1-")
    assert "secure-session-challenge" not in answer.headers


@pytest.mark.parametrize("path", ["/session/dbsc/refresh", "/session/dbsc/register"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_whatever_is_mounted_there_no_copied_cookie_opens_the_browsers_own_paths(path: str, method: str) -> None:
    here = World()
    token, bound = here.cookies_of_a_bound_session()
    for more in ({}, {"Sec-Secure-Session-Id": "x"}, {"Sec-Secure-Session-Id": bound.split("=")[0][-12:]}):
        answer = here.browser.request(method, path, headers={"Cookie": token, **more})
        assert answer.status_code in (401, 403)
        assert not re.search(r"\bada\b", answer.text)  # three digits of a challenge may be these


def test_of_two_cookies_of_the_session_s_name_the_one_that_is_bound_counts_with_its_bound_cookie_alone() -> None:
    here = World()
    token, bound = here.cookies_of_a_bound_session()
    planted = f"{COOKIE}=sj1-{'0' * 32}-{'0' * 64}"

    assert here.browser.get("/", headers={"Cookie": f"{planted}; {token}; {bound}"}).json() == {"user": "ada"}
    assert here.browser.get("/", headers={"Cookie": f"{planted}; {token}"}).json() == {"user": None}


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
        {"public_origin": "http://app.example.com"},
        {"public_origin": "app.example.com", "script_readable_tokens": True},
    ):
        with pytest.raises(ConfigurationError, match=r"public_origin|script_readable_tokens|https://app"):
            SessionMiddleware(Starlette(), manager, **options)
