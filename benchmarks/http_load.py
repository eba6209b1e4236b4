"""HttpLoad: browsers that keep a connection each and ask one thing after another; and what that costs a server."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Self, cast

from .request import new_scope

__all__ = ["Connection", "HttpLoad", "connect", "cookie_in", "cpu_ns", "page_request"]

_HEAD_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE).search
_SET_COOKIE = re.compile(rb"\r\nset-cookie: *([^;\r]+)", re.IGNORECASE).search


class Connection(asyncio.Protocol):
    """One browser's connection. `waits` are the seconds that each answer took."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._request = b""
        self._left = 0
        self._asked_at = 0.0
        self._done: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's are no subclass of asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    @property
    def closed(self) -> bool:
        """Whether the server hung up, on one that was idle for long."""
        return self._transport is None or self._transport.is_closing()

    async def ask(self, request: bytes, times: int) -> bytes:
        """Ask the same so many times; the last answer."""
        assert self._transport is not None
        if self._transport.is_closing():
            raise ConnectionError("the server hung up")
        self._request, self._left = request, times
        self._done = asyncio.get_running_loop().create_future()
        self._send()
        return await self._done

    def _send(self) -> None:
        assert self._transport is not None
        self._asked_at = perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, end, body = self._buffer.partition(_HEAD_END)
        length = _LENGTH(head)
        if not end or length is None or len(body) < int(length[1]):
            return
        answer, self._buffer = self._buffer, b""
        assert self._done is not None
        self.waits.append(perf_counter() - self._asked_at)
        self._left -= 1
        if not answer.startswith(b"HTTP/1.1 200 "):
            self._done.set_exception(RuntimeError(f"the server answered {answer[:200]!r}"))
        elif self._left:
            self._send()
        else:
            self._done.set_result(answer)

    def connection_lost(self, error: Exception | None) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_exception(error or ConnectionError("the server hung up"))

    def close(self) -> None:
        assert self._transport is not None
        self._transport.close()


async def connect(port: int) -> Connection:
    """A connection to a server on this machine."""
    return (await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", port))[1]


class HttpLoad:
    """So many connections to a server on this machine, that show the cookie of one session."""

    def __init__(self, connections: Sequence[Connection], cookie: bytes) -> None:
        self._connections = connections
        self._cookie = cookie

    @classmethod
    async def open(cls, port: int, connections: int, path: str | None) -> Self:
        """Connect; the session is the one that the answer to `path` sets, none for None."""
        opened = [await connect(port) for _ in range(connections)]
        load = cls(opened, b"")
        if path is not None:
            load._cookie = cookie_in(await opened[0].ask(page_request(path, b""), 1))
        return load

    async def run(self, path: str, requests: int) -> None:
        """Share so many requests among the connections. Each is answered with the theme."""
        request, each = page_request(path, self._cookie), requests // len(self._connections)
        answers = await asyncio.gather(*[connection.ask(request, each) for connection in self._connections])
        assert all(b"dark" in answer.partition(_HEAD_END)[2] for answer in answers)

    def close(self) -> None:
        """Hang up."""
        for connection in self._connections:
            connection.close()


def page_request(path: str, cookie: bytes) -> bytes:
    """A browser's request for a page, with `cookie` (name=value, maybe empty)."""
    headers = [b"%b: %b" % pair for pair in new_scope(path, cookie)["headers"]]
    return b"\r\n".join([b"GET %b HTTP/1.1" % path.encode(), *headers, b"", b""])


def cookie_in(answer: bytes) -> bytes:
    """The `name=value` of the first cookie that an answer sets."""
    cookie = _SET_COOKIE(answer)
    assert cookie is not None, f"no cookie in {answer[:200]!r}"
    return cookie[1]


def cpu_ns(pid: int) -> int:
    """The nanoseconds that a process and its children have spent on a processor; 0 where there is no Linux to ask."""
    spent = 0
    for task in Path(f"/proc/{pid}/task").glob("*"):
        spent += int((task / "schedstat").read_text().split()[0])
        spent += sum(cpu_ns(int(child)) for child in (task / "children").read_text().split())
    return spent
