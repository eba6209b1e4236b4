"""The FastAPI dependencies."""

from __future__ import annotations

from typing import Annotated

import pytest
from fastapi import Depends, FastAPI
from starlette.testclient import TestClient

from sojourn import AsyncSessionManager, ConfigurationError, Session
from sojourn.asgi import SessionMiddleware
from sojourn.fastapi import CurrentSession, LoggedIn, logged_in
from sojourn.stores.memory import AsyncMemoryStore

RecentLogin = Annotated[Session, Depends(logged_in(within=300))]


def make() -> tuple[FastAPI, dict[str, int]]:
    clock = {"now": 1_800_000_000_000}
    app = FastAPI()

    @app.post("/login")
    async def login(session: CurrentSession) -> None:
        session.login("ada")

    @app.get("/me")
    def me(session: LoggedIn) -> str | None:
        return session.user_id

    @app.post("/email")
    async def email(session: RecentLogin) -> str:
        return "changed"

    manager = AsyncSessionManager(AsyncMemoryStore(), clock=lambda: clock["now"])
    app.add_middleware(SessionMiddleware, manager=manager)
    return app, clock


def test_who_is_not_logged_in_is_told_so() -> None:
    app, _ = make()
    answer = TestClient(app, base_url="https://testserver").get("/me")

    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
    assert answer.json()["type"] == "urn:sojourn:problem:login-required"


def test_who_logged_in_long_ago_must_do_so_again_for_what_matters() -> None:
    app, clock = make()
    browser = TestClient(app, base_url="https://testserver")
    browser.post("/login")

    assert browser.get("/me").json() == "ada"
    assert browser.post("/email").status_code == 200
    clock["now"] += 301_000
    answer = browser.post("/email")
    assert (answer.status_code, answer.json()["type"]) == (401, "urn:sojourn:problem:reauthentication-required")
    assert browser.get("/me").json() == "ada"
    browser.post("/login")
    assert browser.post("/email").status_code == 200


def test_a_timed_out_session_says_why() -> None:
    app, clock = make()
    browser = TestClient(app, base_url="https://testserver")
    browser.post("/login")
    clock["now"] += 31 * 60_000

    assert browser.get("/me").json()["end_reason"] == "idle_timeout"


def test_without_the_middleware_the_error_says_what_to_add() -> None:
    app = FastAPI()

    @app.get("/")
    async def index(session: CurrentSession) -> None: ...

    with pytest.raises(ConfigurationError, match="add_middleware"):
        TestClient(app).get("/")
