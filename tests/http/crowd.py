"""A crowd: many requests at the same time, each on a connection of its own, over one event loop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from http.client import HTTPResponse
from io import BytesIO
from typing import Any, NamedTuple

from tests.http.browser import COOKIE, Answer

__all__ = ["Ask", "ask_at_once"]


class Ask(NamedTuple):
    """One request of the crowd."""

    method: str
    path: str
    token: str
    body: Any = None


class _Received:
    """What http.client reads an answer from."""

    def __init__(self, received: bytes) -> None:
        self._received = received

    def makefile(self, mode: str) -> BytesIO:
        return BytesIO(self._received)


def ask_at_once(port: int, asks: Sequence[Ask]) -> list[Answer]:
    """All answers, in the order of `asks`. Every connection is open before the first request is sent."""
    return asyncio.run(_ask_all(port, asks))


async def _ask_all(port: int, asks: Sequence[Ask]) -> list[Answer]:
    opened = await asyncio.gather(*(asyncio.open_connection("127.0.0.1", port) for _ in asks))
    async with asyncio.timeout(60):
        return await asyncio.gather(*(_ask(*pair, ask) for pair, ask in zip(opened, asks, strict=True)))


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ask: Ask) -> Answer:
    body = b"" if ask.body is None else json.dumps(ask.body).encode()
    lines = [
        f"{ask.method} {ask.path} HTTP/1.1",
        "Host: localhost",
        f"Cookie: {COOKIE}={ask.token}",
        "Connection: close",
        *(["Content-Type: application/json", f"Content-Length: {len(body)}"] if body or ask.method == "POST" else []),
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode() + body)
    received = await reader.read()
    writer.close()
    await writer.wait_closed()
    response = HTTPResponse(_Received(received), method=ask.method)  # type: ignore[arg-type]  # as much of a socket as it takes
    response.begin()
    return Answer(response.status, response.getheaders(), response.read())
