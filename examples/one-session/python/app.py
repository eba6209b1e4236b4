"""The Python back end: FastAPI, in the session that it shares with the three others."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hmac import compare_digest
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Query
from pydantic import BaseModel, StringConstraints

from sojourn import Session
from sojourn.asgi import SessionMiddleware
from sojourn.fastapi import CurrentSession
from sojourn.remote import AsyncRemoteSessionManager

Text = Annotated[str, StringConstraints(min_length=1, max_length=40)]
Milliseconds = Annotated[int, Query(ge=0, le=5000)]

manager = AsyncRemoteSessionManager(os.environ["SOJOURN_SERVICE"], os.environ["SOJOURN_KEY"])


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    yield
    await manager.close()


app = FastAPI(lifespan=lifespan)
app.add_middleware(SessionMiddleware, manager=manager)


class Login(BaseModel):
    name: Text
    password: str


class Addition(BaseModel):
    thing: Text


@app.get("/")
async def show(session: CurrentSession) -> dict[str, Any]:
    return shown(session)


@app.post("/login")
async def log_in(session: CurrentSession, form: Login) -> dict[str, Any]:
    """Everybody's password is "sesame". Yours are hashed, in your database."""
    if not compare_digest(form.password.encode(), b"sesame"):
        raise HTTPException(403, "This name and password do not go together.")
    session.login(form.name)  # a new id and token; the cart comes along
    return shown(session)


@app.post("/cart")
async def add(session: CurrentSession, form: Addition, wait: Milliseconds = 0) -> dict[str, Any]:
    await asyncio.sleep(wait / 1000)  # work that takes its time; others write meanwhile, or log out
    session.setdefault("cart", []).append({"thing": form.thing, "by": "python"})
    session.increment("additions")
    session["python"] = form.thing  # a key that only this back end writes
    return shown(session)


@app.post("/logout", status_code=204)
async def log_out(session: CurrentSession) -> None:
    session.logout()  # here, and in every back end and tab


def shown(session: Session) -> dict[str, Any]:
    return {"user": session.user_id, "ended": session.end_reason, "data": dict(session)}
