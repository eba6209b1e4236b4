"""docs/architecture.md tells one request, from Cookie to Set-Cookie: here it is made, and the page held to its way."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import sojourn
from sojourn import AsyncSessionManager
from sojourn.asgi import SessionMiddleware
from sojourn.stores.memory import AsyncMemoryStore

PAGE = Path(__file__).parents[1] / "docs" / "architecture.md"
PACKAGE = f"{Path(sojourn.__file__).parent}/"
MINUTE = 60_000


class Site:
    """An application that puts tea into a bag, and a way through it that is written down."""

    def __init__(self) -> None:
        self.now = 1_800_000_000_000
        self.files: dict[str, None] = {}
        self.functions: set[str] = set()
        manager = AsyncSessionManager(AsyncMemoryStore(), clock=lambda: self.now)
        self._app = SessionMiddleware(self._handle, manager)
        self._sent: list[Any] = []
        self._meanwhile: bytes | None = None

    async def ask(self, cookie: bytes | None) -> dict[bytes, bytes]:
        """Send a request; the headers of its answer."""
        headers = [(b"host", b"shop.example"), *([(b"cookie", cookie)] if cookie else [])]
        scope = {"type": "http", "method": "POST", "path": "/", "scheme": "https", "headers": headers}
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        await self._app(scope, self._receive, send)
        return dict(sent[0]["headers"])

    async def tell(self, cookie: bytes) -> dict[bytes, bytes]:
        """Send one whose way is written down, and that another one overtakes."""
        self._meanwhile = cookie
        sys.setprofile(self._note)
        try:
            return await self.ask(cookie)
        finally:
            sys.setprofile(None)

    async def _handle(self, scope: Any, receive: Any, send: Any) -> None:
        scope["session"].setdefault("bag", []).append("tea")
        cookie, self._meanwhile = self._meanwhile, None
        if cookie is not None:
            sys.setprofile(None)
            await self.ask(cookie)
            self.now += MINUTE
            sys.setprofile(self._note)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def _receive(self) -> Any:
        return {"type": "http.request", "body": b""}

    def _note(self, frame: FrameType, event: str, _: Any) -> None:
        file = frame.f_code.co_filename
        if event == "call" and file.startswith(PACKAGE):
            self.files[file.removeprefix(PACKAGE)] = None
            self.functions.add(frame.f_code.co_qualname)


async def told() -> tuple[Site, dict[bytes, bytes]]:
    """The request of the page: another one changes the same bag meanwhile, and its secret's hour is over at the end."""
    site = Site()
    cookie = (await site.ask(None))[b"set-cookie"].partition(b";")[0]
    for minutes in (20, 20, 19):
        site.now += minutes * MINUTE
        await site.ask(cookie)
    return site, await site.tell(cookie)


def test_the_story_names_the_files_that_its_request_passes_in_order() -> None:
    site, answer = asyncio.run(told())
    named = re.findall(r"\(\.\./src/sojourn/([\w/]+\.py)\)", PAGE.read_text("utf-8"))

    assert b"set-cookie" in answer
    assert list(dict.fromkeys(named)) == list(site.files)


def test_the_story_s_functions_are_called_and_its_files_are_there() -> None:
    site, _ = asyncio.run(told())
    quoted = set(re.findall(r"`([a-z/]+\.py|\w+\.[a-z]+|[a-z]+_[a-z]+)`", PAGE.read_text("utf-8")))
    files = {name for name in quoted if name.endswith(".py")}

    assert quoted - files >= {"plan_open", "plan_commit"}
    assert quoted - files <= site.functions
    assert [name for name in files if not Path(PACKAGE, name).exists()] == []


def test_the_story_is_short() -> None:
    assert len(PAGE.read_text("utf-8").splitlines()) <= 60
