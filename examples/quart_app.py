"""A Quart application with log-in, a bag, devices, and a page that uses the browser client.

uvicorn --app-dir examples quart_app:app       then open http://localhost:8000
"""

from __future__ import annotations

import os
from hmac import compare_digest
from pathlib import Path

from quart import Quart, request, session
from quart.typing import ResponseReturnValue

from sojourn import AsyncSessionManager, LoginRequired, Policy, SojournError, open_async_store, problem_of
from sojourn.asgi import BrowserEndpoints, QuartSessions, SessionMiddleware, mount, session_of

PAGE = Path(__file__).with_name("browser.html").read_text("utf-8")

manager = AsyncSessionManager(
    open_async_store(os.environ.get("SOJOURN_STORE", "sqlite:///sessions.sqlite3")),
    Policy(idle_timeout=15 * 60, absolute_timeout=8 * 3600, max_sessions=5),
)
endpoints = BrowserEndpoints(writable={"theme"}, readable={"bag"})

app = Quart(__name__)
app.session_interface = QuartSessions()  # Quart's own `session`, and flash(), are Sojourn's
app.asgi_app = SessionMiddleware(mount(app.asgi_app, "/session", endpoints), manager)
app.after_serving(manager.close)


@app.get("/")
async def page() -> str:
    return PAGE


@app.post("/login")
async def login() -> ResponseReturnValue:
    """Everybody's password is "sesame". Yours are hashed, in your database."""
    form = await request.get_json()
    if not compare_digest(form["password"].encode(), b"sesame"):
        return {"detail": "This name and password do not go together."}, 403
    session_of(request).login(form["user"])
    return {}


@app.post("/bag/<item>")
async def add_to_bag(item: str) -> list[str]:
    """Works without a log-in too; a log-in takes the bag along."""
    bag: list[str] = session.setdefault("bag", [])
    bag.append(item)
    return bag


@app.get("/account")
async def account() -> dict[str, str | int]:
    mine = session_of(request)
    if mine.user_id is None:
        raise LoginRequired(mine.end_reason)
    return {"user": mine.user_id, "devices": len(await manager.list(mine.user_id))}


@app.errorhandler(SojournError)
async def problem(error: SojournError) -> ResponseReturnValue:
    """The answer to what a handler of our own raised: LoginRequired, StoreUnavailable."""
    found = problem_of(error)
    if found is None:
        raise error
    return found.body(), found.status, dict(found.headers())
