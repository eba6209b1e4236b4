"""The site that the security tests attack: a FastAPI application over a real store, with a clock of its own.

It keeps every secret that is issued, every answer and every event, so that each test ends with a search for leaks.
"""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path
from typing import Any

import httpx2
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.testclient import TestClient

from sojourn import AsyncSessionManager, Event, Policy
from sojourn.asgi import BrowserEndpoints, SessionMiddleware
from sojourn.asgi.types import Message, Receive, Scope, Send
from sojourn.core.store import AsyncStore
from tests.security.application import router

NOW = 1_800_000_000_000
COOKIE = "__Host-session"
URL = "https://app.test"

Browser = httpx2.AsyncClient
Answer = httpx2.Response

_HEX = re.compile(rb"[0-9a-f]{32,}")


class Clock:
    """Unix milliseconds that stand still until they are moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> int:
        return self.now

    def pass_seconds(self, seconds: float) -> None:
        self.now += int(seconds * 1000)


class Gate:
    """Where a slow request waits: `reached` when it has opened its session, `go` when it may finish."""

    def __init__(self) -> None:
        self.reached, self.go = asyncio.Event(), asyncio.Event()


class Site:
    """One application, its manager and its store. `path` is the store's file, if it has one."""

    def __init__(
        self,
        store: AsyncStore,
        path: Path | None = None,
        policy: Policy | None = None,
        clock: Clock | None = None,
        cors: str | None = None,
        **middleware: Any,
    ) -> None:
        self.clock = clock or Clock()
        self.store, self.path = store, path
        self.events: list[Event] = []
        self.secrets: set[bytes] = set()
        self.answers: list[tuple[Message, bytes]] = []
        self.gate = Gate()
        self.manager = AsyncSessionManager(
            store, policy, on_event=self.events.append, clock=self.clock, random=self._random
        )
        app = FastAPI()
        app.state.site = self
        app.include_router(router)
        endpoints = BrowserEndpoints(readable={"theme", "cart"}, writable={"theme"})
        app.mount("/session", endpoints)
        app.add_middleware(SessionMiddleware, manager=self.manager, cleanup_interval=None, **middleware)
        if cors is not None:
            app.add_middleware(CORSMiddleware, allow_origins=[cors], allow_credentials=True, allow_headers=["*"])
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The application, with its answers noted."""
        start: Message = {}
        body = bytearray()

        async def note(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            body.extend(message.get("body", b""))
            await send(message)

        try:
            await self.app(scope, receive, note)
        finally:
            self.answers.append((start, bytes(body)))

    def browser(self, **headers: str) -> Browser:
        """A browser with a cookie jar of its own; an exception in the application is raised here."""
        return Browser(transport=httpx2.ASGITransport(self), base_url=URL, headers=headers)

    def socket_client(self) -> TestClient:
        """A client that speaks WebSocket too, each in a thread of its own."""
        return TestClient(self, base_url=URL)

    async def rows(self) -> int:
        """How many sessions the store holds, in any state."""
        stats = await self.manager.stats()
        return stats.live + stats.ended + stats.expired

    def of(self, kind: type[Event]) -> list[Event]:
        """The events of one kind."""
        return [event for event in self.events if type(event) is kind]

    def leaks(self, log: str) -> list[str]:
        """Where an issued secret can be found besides the Set-Cookie and Sojourn-Token headers: nowhere, it should."""
        found = []
        for start, body in self.answers:
            headers = [pair for pair in start.get("headers", ()) if pair[0] not in (b"set-cookie", b"sojourn-token")]
            if self._holds_secret(body) or self._holds_secret(repr(headers).encode()):
                found.append(f"an answer: {start}")
        if self._holds_secret(log.encode()):
            found.append("the log")
        if self._holds_secret(repr(self.events).encode()):
            found.append("an event")
        for file in self.path.parent.glob(f"{self.path.name}*") if self.path else ():
            stored = file.read_bytes() if file.is_file() else b""
            if self._holds_secret(stored) or any(bytes.fromhex(secret.decode()) in stored for secret in self.secrets):
                found.append(f"the file {file}")
        return found

    def _holds_secret(self, text: bytes) -> bool:
        windows = {run[start : start + 32] for run in _HEX.findall(text) for start in range(len(run) - 31)}
        return not self.secrets.isdisjoint(windows)

    def _random(self, size: int) -> bytes:
        raw = os.urandom(size)
        # A token's family and its part; a renewed one has a new part alone. What is before them is the id.
        self.secrets.update(half.hex().encode() for half in (raw[-32:-16], raw[-16:]) if half)
        return raw


def token_of(browser: Browser) -> str:
    """The token in the browser's cookie jar; empty where it has none."""
    return browser.cookies.get(COOKIE) or ""


def cookie(token: str | bytes) -> list[tuple[bytes, bytes]]:
    """The header of a browser that has this token and no other cookie."""
    return [(b"cookie", COOKIE.encode() + b"=" + (token.encode() if isinstance(token, str) else token))]


async def log_in(browser: Browser, user: str = "ada", **data: Any) -> str:
    """Log in over HTTP; the new token."""
    answer = await browser.post("/login", json={"user": user, "data": data})
    assert answer.status_code == 200, answer.text
    return token_of(browser)


async def user_of(site: Site, token: str) -> str | None:
    """Whom this token opens a session for, asked over HTTP as a browser with nothing else would."""
    answer = await site.browser().get("/me", headers=cookie(token))
    assert answer.status_code == 200, answer.text
    user = answer.json()["user"]
    assert user is None or isinstance(user, str)
    return user
