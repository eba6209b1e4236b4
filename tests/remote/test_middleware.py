"""The middleware and the browser's endpoints over a remote manager: an application as with a store of its own."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from sojourn.asgi import BrowserEndpoints, SessionMiddleware
from sojourn.remote import AsyncRemoteSessionManager
from tests.servers.port import find_port

from .service import Service

COOKIE = "__Host-session"


async def log_in(request: Any) -> JSONResponse:
    request.session.login(request.path_params["user"])
    return JSONResponse({"hello": request.session.user_id})


async def put(request: Any) -> JSONResponse:
    request.session.update(await request.json())
    return JSONResponse({})


async def count(request: Any) -> JSONResponse:
    return JSONResponse(request.session.increment("n"))


async def plain(request: Any) -> JSONResponse:
    return JSONResponse({})


ROUTES = [
    Route("/login/{user}", log_in, methods=["POST"]),
    Route("/put", put, methods=["POST"]),
    Route("/count", count, methods=["POST"]),
    Route("/plain", plain),
]


class World:
    """An application over the service, and its visitors."""

    def __init__(self, url: str, key: str) -> None:
        self.manager = AsyncRemoteSessionManager(url, key)
        endpoints = BrowserEndpoints(writable={"theme"}, readable={"n"})
        self.app = Starlette(routes=[*ROUTES, Mount("/session", endpoints)])
        self.app.add_middleware(SessionMiddleware, manager=self.manager)
        self.browser = self.visitor()
        self.user = f"user-{secrets.token_hex(4)}"

    def visitor(self) -> TestClient:
        # Each of its requests has an event loop of its own.
        return TestClient(self.app, base_url="https://testserver")


@pytest.fixture
def world(service: Service) -> Iterator[World]:
    here = World(service.url, service.key)
    yield here
    asyncio.run(here.manager.close())


def test_a_visit_from_the_first_request_to_the_log_out(world: World) -> None:
    browser = world.browser
    assert "set-cookie" not in browser.get("/plain").headers
    assert [browser.post("/count").json() for _ in range(3)] == [1, 2, 3]
    planted = browser.cookies[COOKIE]
    answer = browser.post(f"/login/{world.user}")
    assert browser.cookies[COOKIE][:36] != planted[:36]
    assert (answer.headers["vary"], answer.headers["cache-control"]) == ("Cookie", "no-store")
    assert browser.post("/put", json={"theme": "dark", "secret": 1}).status_code == 200
    state = browser.get("/session/").json()
    assert (state["status"], state["user_id"], state["data"]) == ("active", world.user, {"n": 3, "theme": "dark"})
    assert browser.patch("/session/", json={"set": {"theme": "light"}}).json()["data"]["theme"] == "light"
    assert browser.post("/session/logout").json()["end_reason"] == "logout"
    assert COOKIE not in browser.cookies
    browser.cookies.set(COOKIE, planted, domain="testserver.local")
    state = browser.get("/session/").json()
    assert (state["status"], state["end_reason"], state["id"]) == ("ended", "replaced", planted[4:36])


def test_a_request_that_reads_nothing_sets_no_header_and_asks_once(world: World, service: Service) -> None:
    world.browser.post("/count")
    before = len(service.asked())
    answer = world.browser.get("/plain")

    assert not {"vary", "set-cookie"} & set(answer.headers)
    assert len(service.asked()) == before + 1


def test_what_is_due_is_sent_with_the_answer(strict: Service) -> None:
    world = World(strict.url, strict.key)
    world.browser.post("/count")
    first = world.browser.cookies[COOKIE]
    answer = world.browser.get("/plain")
    asyncio.run(world.manager.close())

    assert "set-cookie" in answer.headers
    assert world.browser.cookies[COOKIE] != first
    assert world.browser.cookies[COOKIE][:36] == first[:36]


def test_a_user_sees_and_ends_their_other_sessions(world: World) -> None:
    here, there, third = (world.visitor() for _ in range(3))
    for visitor in (here, there, third):
        visitor.post(f"/login/{world.user}", headers={"user-agent": "Mozilla/5.0 (X11; Linux) Firefox/140.0"})
    sessions = here.get("/session/sessions").json()["sessions"]
    other = there.cookies[COOKIE][4:36]

    assert [session["current"] for session in sessions].count(True) == 1
    assert {session["ip"] for session in sessions} == {"testclient"}
    assert here.delete(f"/session/sessions/{other}").json() == {"ended": 1}
    assert there.get("/session/").json()["end_reason"] == "revoked"
    assert here.delete("/session/sessions").json() == {"ended": 1}
    assert third.get("/session/").json()["end_reason"] == "revoked"
    assert here.get("/session/").json()["status"] == "active"


def test_parallel_requests_share_a_session(world: World) -> None:
    async def visit() -> None:
        from httpx2 import ASGITransport, AsyncClient

        async with AsyncClient(transport=ASGITransport(world.app), base_url="https://testserver") as browser:
            await browser.post("/count")
            cookies = {"cookie": f"{COOKIE}={browser.cookies[COOKIE]}"}
            both = [browser.post("/put", json={f"k{number}": number}, headers=cookies) for number in range(50)]
            assert {answer.status_code for answer in await asyncio.gather(*both)} == {200}
            session = await world.manager.open(browser.cookies[COOKIE])
            assert len(session) == 51

    asyncio.run(visit())


def test_a_service_that_is_away_is_a_503_and_never_anonymous(service: Service) -> None:
    world = World(f"http://localhost:{find_port()}", service.key)
    assert world.browser.get("/plain").status_code == 200
    refused = world.browser.post(f"/login/{world.user}")
    world.browser.cookies.set(COOKIE, f"sj1-{'0' * 32}-{'0' * 64}")

    for answer in (refused, world.browser.get("/plain"), world.browser.get("/session/")):
        assert answer.status_code == 503
        assert answer.json()["type"] == "urn:sojourn:problem:store-unavailable"
        assert answer.headers["retry-after"]
        assert "set-cookie" not in answer.headers


def test_log_in_is_refused_where_there_are_too_many(strict: Service) -> None:
    world = World(strict.url, strict.key)
    one, other = world.visitor(), world.visitor()
    assert one.post(f"/login/{world.user}").status_code == 200
    answer = other.post(f"/login/{world.user}")
    asyncio.run(world.manager.close())

    assert (answer.status_code, answer.json()["type"]) == (409, "urn:sojourn:problem:session-limit")
