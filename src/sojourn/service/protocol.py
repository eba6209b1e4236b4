"""BoundedProtocol: uvicorn's HTTP/1.1 on httptools, with a bound to what a stranger's connection may cost."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["BoundedProtocol"]

# A back end sends a request in one piece; it is a stranger who takes his time.
REQUEST_WITHIN = 20.0
MAX_HEAD = 32 * 1024
MAX_PIPELINED = 64

TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class _OneWrite:
    """A transport that sends what is written in one turn of the loop at once: a head and its body in one packet.

    uvloop makes a system call of each write, which costs more than all that is decided about a request.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._waiting: list[bytes] = []

    def write(self, data: bytes) -> None:
        if not self._waiting:
            self._loop.call_soon(self._flush)
        self._waiting.append(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def get_write_buffer_size(self) -> int:
        return sum(map(len, self._waiting)) + self._transport.get_write_buffer_size()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def _flush(self) -> None:
        if self._waiting and not self._transport.is_closing():
            self._transport.write(b"".join(self._waiting))
        self._waiting.clear()


class BoundedProtocol(HttpToolsProtocol):
    """A request must be whole within 20 s, its head have 32 KiB or so, and an answer be taken.

    uvicorn waits for ever for the first byte of a request, and for the last, and keeps a head however long it grows.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head = 0
        self._awaited_since: float | None = None
        self._stuck = False
        self._check: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """As asyncio's; the connection is looked at from here on."""
        super().connection_made(_OneWrite(transport, self.loop))  # type: ignore[arg-type]
        self._awaited_since = self.loop.time()
        self._check = self.loop.call_later(REQUEST_WITHIN, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """As asyncio's."""
        if self._check is not None:
            self._check.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """As asyncio's; a head that grows too long is refused."""
        self._head += len(data)
        super().data_received(data)
        # After the parser: what came at once is there already, and its head may be whole.
        if self._head > MAX_HEAD and not self.transport.is_closing():
            self.transport.write(TOO_LARGE)
            self.transport.close()

    def on_message_begin(self) -> None:
        """The parser's: a request begins."""
        if len(self.pipeline) >= MAX_PIPELINED:
            raise OverflowError("more requests than answers")  # which the parser answers with 400
        self._awaited_since = self.loop.time()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The parser's: a request's head is whole."""
        self._head = -(1 << 62)  # the body has its own bound
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The parser's: a request is whole."""
        self._head = 0
        self._awaited_since = None
        super().on_message_complete()

    def _look(self) -> None:
        if self.transport.is_closing():
            return
        now = self.loop.time()
        late = self._awaited_since is not None and now - self._awaited_since >= REQUEST_WITHIN
        unread = self.transport.get_write_buffer_size() > 0
        if late or (unread and self._stuck):
            self.transport.abort()
            return
        self._stuck = unread
        self._check = self.loop.call_later(REQUEST_WITHIN, self._look)
