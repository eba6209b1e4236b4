"""Guests: real packages that keep what they want in our sessions, or that bring a session layer of their own."""

from __future__ import annotations

from typing import Any

from authlib.oidc.core import UserInfo  # type: ignore[import-untyped]
from nicegui import app as nicegui_app
from nicegui import ui
from sqladmin import Admin
from sqladmin.authentication import AuthenticationBackend
from sqlalchemy import create_engine
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from sojourn import AsyncSessionManager
from sojourn.asgi import SessionMiddleware
from sojourn.stores.memory import AsyncMemoryStore


async def count(request: Request) -> Response:
    request.session["n"] = request.session.get("n", 0) + 1
    return JSONResponse(dict(request.session))


def new_manager() -> AsyncSessionManager:
    return AsyncSessionManager(AsyncMemoryStore())


class Backend(AuthenticationBackend):
    """sqladmin's own way to know who may see the pages: a session layer of its own."""

    async def login(self, request: Request) -> bool:
        request.session["admin"] = (await request.form())["username"]
        return True

    async def logout(self, request: Request) -> bool:
        request.session.clear()
        return True

    async def authenticate(self, request: Request) -> bool:
        return "admin" in request.session


def test_sqladmin_under_a_mount_keeps_a_session_of_its_own() -> None:
    app = Starlette(routes=[Route("/count", count)])
    app.add_middleware(SessionMiddleware, manager=new_manager())
    Admin(app, create_engine("sqlite://"), authentication_backend=Backend("a secret of its own, long enough for all"))
    with TestClient(app, base_url="https://testserver") as client:
        client.get("/count")
        assert "/admin/login" in str(client.get("/admin/").url)
        client.post("/admin/login", data={"username": "ada", "password": "x"})

        assert client.get("/admin/").status_code == 200
        assert str(client.get("/admin/").url).endswith("/admin/")
        assert client.get("/count").json() == {"n": 2}


def test_nicegui_under_a_mount_keeps_a_session_of_its_own() -> None:
    app = Starlette(routes=[Route("/count", count)])
    app.add_middleware(SessionMiddleware, manager=new_manager())

    @ui.page("/")
    def page() -> None:
        browser: Any = nicegui_app.storage.browser
        ui.label(f"id {browser['id']}")

    ui.run_with(app, mount_path="/ui", storage_secret="a secret of its own")  # type: ignore[arg-type]
    client = TestClient(app, base_url="https://testserver")
    client.get("/count")

    first, second = (client.get("/ui/").text for _ in range(2))
    assert "id " in first
    assert first.partition("id ")[2][:20] == second.partition("id ")[2][:20]
    assert client.get("/count").json() == {"n": 2}


def test_authlib_s_userinfo_is_kept_as_json() -> None:
    async def sign_in(request: Request) -> Response:
        request.session["user"] = UserInfo(sub="ada", email="ada@example.org")
        return JSONResponse({})

    app = Starlette(routes=[Route("/in", sign_in), Route("/count", count)])
    app.add_middleware(SessionMiddleware, manager=new_manager())
    client = TestClient(app, base_url="https://testserver")
    client.get("/in")

    assert client.get("/count").json() == {"user": {"sub": "ada", "email": "ada@example.org"}, "n": 1}
