"""A Litestar application with log-in, a bag, devices, and a page that uses the browser client.

uvicorn --app-dir examples litestar_app:app       then open http://localhost:8000
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from hmac import compare_digest
from pathlib import Path
from typing import Any

from litestar import Litestar, MediaType, Request, Response, asgi, get, post
from litestar.exceptions import PermissionDeniedException
from litestar.middleware import DefineMiddleware
from litestar.params import FromPath, JSONBody

from sojourn import AsyncSessionManager, LoginRequired, Policy, SojournError, open_async_store, problem_of
from sojourn.asgi import BrowserEndpoints, SessionMiddleware, session_of

PAGE = Path(__file__).with_name("browser.html").read_text("utf-8")

manager = AsyncSessionManager(
    open_async_store(os.environ.get("SOJOURN_STORE", "sqlite:///sessions.sqlite3")),
    Policy(idle_timeout=15 * 60, absolute_timeout=8 * 3600, max_sessions=5),
)

AnyRequest = Request[Any, Any, Any]


@dataclass
class Login:
    user: str
    password: str


@get("/", media_type=MediaType.HTML)
async def page() -> str:
    return PAGE


@post("/login", status_code=200)
async def login(request: AnyRequest, data: JSONBody[Login]) -> None:
    """Everybody's password is "sesame". Yours are hashed, in your database."""
    if not compare_digest(data.password.encode(), b"sesame"):
        raise PermissionDeniedException("This name and password do not go together.")
    session_of(request).login(data.user)


@post("/bag/{item:str}", status_code=200)
async def add_to_bag(request: AnyRequest, item: FromPath[str]) -> list[str]:
    """Works without a log-in too; a log-in takes the bag along. Litestar's own request.session is the session."""
    bag: list[str] = request.session.setdefault("bag", [])
    bag.append(item)
    return bag


@get("/account")
async def account(request: AnyRequest) -> dict[str, str | int]:
    session = session_of(request)
    if session.user_id is None:
        raise LoginRequired(session.end_reason)
    return {"user": session.user_id, "devices": len(await manager.list(session.user_id))}


def problem(_: AnyRequest, error: SojournError) -> Response[bytes]:
    """The answer to what a handler of our own raised: LoginRequired, StoreUnavailable."""
    found = problem_of(error)
    if found is None:
        raise error
    return Response(found.body(), status_code=found.status, headers=dict(found.headers()))


endpoints = asgi("/session", is_mount=True, copy_scope=True)(BrowserEndpoints(writable={"theme"}, readable={"bag"}))

app = Litestar(
    [page, login, add_to_bag, account, endpoints],
    middleware=[DefineMiddleware(SessionMiddleware, manager=manager)],
    exception_handlers={SojournError: problem},
    on_shutdown=[manager.close],
)
