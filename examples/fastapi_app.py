"""A FastAPI application with log-in, a bag, devices, and a page that uses the browser client.

uvicorn --app-dir examples fastapi_app:app       then open http://localhost:8000
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hmac import compare_digest
from pathlib import Path
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException
from fastapi.responses import HTMLResponse
from pydantic import BaseModel

from sojourn import AsyncSessionManager, Lifetime, Policy, Session, open_async_store
from sojourn.asgi import BrowserEndpoints, SessionMiddleware
from sojourn.fastapi import CurrentSession, UserId, logged_in

PAGE = Path(__file__).with_name("browser.html").read_text("utf-8")

manager = AsyncSessionManager(
    open_async_store(os.environ.get("SOJOURN_STORE", "sqlite:///sessions.sqlite3")),
    Policy(
        idle_timeout=15 * 60,
        absolute_timeout=8 * 3600,
        remember=Lifetime(idle_timeout=7 * 86400, absolute_timeout=30 * 86400),
        max_sessions=5,
    ),
)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    yield
    await manager.close()


app = FastAPI(lifespan=lifespan)
app.mount("/session", BrowserEndpoints(writable={"theme"}, readable={"bag"}))
app.add_middleware(SessionMiddleware, manager=manager)


class Login(BaseModel):
    user: str
    password: str
    remember: bool = False


@app.get("/", response_class=HTMLResponse)
async def page() -> str:
    return PAGE


@app.post("/login")
async def login(session: CurrentSession, form: Login) -> None:
    """Everybody's password is "sesame". Yours are hashed, in your database."""
    if not compare_digest(form.password.encode(), b"sesame"):
        raise HTTPException(403, "This name and password do not go together.")
    session.login(form.user, remember=form.remember)


@app.post("/bag/{item}")
async def add_to_bag(session: CurrentSession, item: str) -> list[str]:
    """Works without a log-in too; a log-in takes the bag along."""
    bag: list[str] = session.setdefault("bag", [])
    bag.append(item)
    return bag


@app.get("/account")
async def account(user: UserId) -> dict[str, str | int]:
    return {"user": user, "devices": len(await manager.list(user))}


@app.post("/password")
async def change_password(session: Annotated[Session, Depends(logged_in(within=300))], user: UserId) -> dict[str, int]:
    """Ends every other session of the user, and renews this one."""
    session.regenerate()
    return {"ended": await manager.revoke_all(user, keep=session.id)}
