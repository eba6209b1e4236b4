"""Where a site stands, told by its environment: its store, its clock, its gates. The same for every framework."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sojourn import (
    AsyncSessionManager,
    Client,
    Policy,
    Session,
    SessionConflict,
    SessionManager,
    SessionRefused,
    open_async_store,
    open_store,
)
from sojourn.stores.redis import AsyncRedisStore, RedisStore

__all__ = [
    "ACTIONS",
    "CHUNKS",
    "NAP",
    "OPTIONS",
    "POLICY",
    "PUBLIC_ORIGIN",
    "READABLE",
    "RECENT",
    "ROOT_PATH",
    "WRITABLE",
    "Gate",
    "async_manager",
    "manager",
]

FOLDER = Path(os.environ["SITE_FOLDER"])
STORE = os.environ["SITE_STORE"]
# Not the Host that the site is called by: a proxy may stand before it.
PUBLIC_ORIGIN = "https://shop.test"

BINDING: Any = os.environ.get("SITE_BINDING") or "off"
POLICY = Policy(idle_timeout=600, absolute_timeout=3600, rotate_interval=300, max_bytes=4096, binding=BINDING)
OPTIONS: dict[str, Any] = {
    "trusted_origins": ["https://friend.test"],
    "cross_site_paths": ["/do/put"] if os.environ.get("SITE_EXEMPT") == "1" else [],
    "script_readable_tokens": os.environ.get("SITE_BEARER") == "1",
    "public_origin": None if BINDING == "off" else PUBLIC_ORIGIN,
}
# The prefix that a proxy strips, where the application is to say it, and not the server.
ROOT_PATH = os.environ.get("SITE_ROOT_PATH", "")
READABLE = {"theme", "cart"}
WRITABLE = {"theme"}

NAP = 0.02
# How many seconds ago a log-in may be for what asks for a recent one.
RECENT = 300
PASSWORD = "sesame"
# How long a store that is away is waited for.
PATIENCE = 0.6
CHUNKS = ["one", "two", "three"]


def clock() -> int:
    """The time in milliseconds, moved by what the test has written into the place's file."""
    return time.time_ns() // 1_000_000 + int((FOLDER / "clock").read_text() or 0)


def refuse_floods(client: Client, _: str | None) -> None:
    """No session for a browser that is called Flood."""
    if client.user_agent.startswith("Flood"):
        raise SessionRefused(retry_after=7)


def async_manager() -> AsyncSessionManager:
    store = AsyncRedisStore(STORE, timeout=PATIENCE) if STORE.startswith("redis") else open_async_store(STORE)

    async def limit(client: Client, user_id: str | None) -> None:
        refuse_floods(client, user_id)

    return AsyncSessionManager(store, POLICY, before_create=limit, clock=clock)


def manager() -> SessionManager:
    store = RedisStore(STORE, timeout=PATIENCE) if STORE.startswith("redis") else open_store(STORE)
    made = SessionManager(store, POLICY, before_create=refuse_floods, clock=clock)
    if os.environ.get("SITE_USED_BEFORE"):
        made.get("0" * 32)
    return made


class Gate:
    """Where a slow request waits until the test lets it go on; in whichever process it is."""

    def __init__(self, name: str) -> None:
        self._reached, self._go = FOLDER / f"{name}.reached", FOLDER / f"{name}.go"

    def wait(self) -> None:
        self._reached.touch()
        while not self._go.exists():
            time.sleep(0.005)

    async def wait_async(self) -> None:
        self._reached.touch()
        while not self._go.exists():
            await asyncio.sleep(0.005)


# What a handler does with its session, and what it answers.


def _login(session: Session, body: Any) -> Any:
    session.login(body["user"], remember=body.get("remember", False))
    session.update(body.get("data", {}))
    return {"user": session.user_id}


def _put(session: Session, body: Any) -> Any:
    session.update(body)
    return {}


def _append(session: Session, body: Any) -> Any:
    session.setdefault("cart", []).append(body["item"])
    return {"cart": session["cart"]}


def _show(session: Session, body: Any) -> Any:
    return {
        "user": session.user_id,
        "status": session.status,
        "end_reason": session.end_reason,
        "data": dict(session),
    }


def _poll(session: Session, body: Any) -> Any:
    session.passive = True
    return _show(session, body)


def _conflict(session: Session, body: Any) -> Any:
    raise SessionConflict(tuple(body["keys"]))


def _sign_in(session: Session, body: Any) -> Any:
    if body["password"] != PASSWORD:
        return {"welcome": False}
    session.login(body["user"])
    return {"welcome": True}


def _echo(session: Session, body: Any) -> Any:
    return {"user": session.user_id, "body": body}


def _prove(session: Session, body: Any) -> Any:
    session.require_login(within=(body or {}).get("within", RECENT))
    return _echo(session, body)


ACTIONS: Mapping[str, Callable[[Session, Any], Any]] = {
    "login": _login,
    "logout": lambda session, _: session.logout(),
    "regenerate": lambda session, _: session.regenerate(),
    "clear": lambda session, _: session.clear(),
    "increment": lambda session, _: session.increment("n"),
    "put": _put,
    "append": _append,
    "conflict": _conflict,
    "show": _show,
    "poll": _poll,
    "sign-in": _sign_in,
    "echo": _echo,
    "prove": _prove,
}
