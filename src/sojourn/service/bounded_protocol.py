"""BoundedProtocol: uvicorn's HTTP/1.1 on httptools, with a bound to what a stranger's connection may cost."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sojourn.wire.http import BATCH

from .application import ANSWER_HEADERS, Service
from .batch import BATCH_HEADERS
from .known_heads import KnownHead, KnownHeads
from .prompt import BEGUN, Answer

__all__ = ["BoundedProtocol"]

# A back end sends a request in one piece; it is a stranger who takes his time.
REQUEST_WITHIN = 20.0
# Of a request's first line and its headers, with the empty line after them; and of what follows a body.
MAX_HEAD = 32 * 1024
MAX_PIPELINED = 64

# As much as uvicorn reads of a body before anybody asks for it. A call is a few hundred bytes, and a batch has 128.
PROMPT_BODY = 64 * 1024

_LAST = b"connection: close\r\ncache-control: no-store\r\nx-content-type-options: nosniff\r\ncontent-length: 0\r\n\r\n"
BATCH_PATH = BATCH.encode()


def _head(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    lines = b"".join([b"%b: %b\r\n" % pair for pair in headers])
    return b"HTTP/1.1 200 OK\r\n%b" + lines + b"content-length: %d\r\n\r\n"


PROMPT_HEAD, PROMPT_BATCH_HEAD = _head(ANSWER_HEADERS), _head(BATCH_HEADERS)
TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\n" + _LAST
NO_HTTP = b"HTTP/1.1 400 Bad Request\r\n" + _LAST


class _OneWrite:
    """A transport that sends what is written in one turn of the loop at once: a head and its body in one packet.

    uvloop makes a system call of each write, which costs more than all that is decided about a request.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        # Asked several times for a request; what __getattr__ finds costs an exception first.
        self.is_closing = transport.is_closing
        self._loop = loop
        self._waiting: list[bytes] = []

    def write(self, data: bytes) -> None:
        if not self._waiting:
            self._loop.call_soon(self._flush)
        self._waiting.append(data)

    def write_now(self, data: bytes) -> None:
        """After what waits."""
        if self._waiting:
            self._waiting.append(data)
            self._flush()
        else:
            self._transport.write(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def get_write_buffer_size(self) -> int:
        return sum(map(len, self._waiting)) + self._transport.get_write_buffer_size()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def _flush(self) -> None:
        if self._waiting and not self.is_closing():
            self._transport.write(b"".join(self._waiting))
        self._waiting.clear()


class BoundedProtocol(HttpToolsProtocol):
    """A request must be whole within 20 s, its head have 32 KiB at most, and an answer be taken.

    uvicorn waits for ever for the first byte of a request, and for the last, keeps a head however long it grows, and
    takes what follows a body in chunks for headers. And what needs no wait is answered as soon as it is read, without a
    task: that takes half of the time. A head that it has parsed before is not parsed again.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # What has come since the parser last made something of it: of a head, of a chunk's line, of a trailer.
        self._unread = 0
        # The same since the last request was whole, and what came together with its end.
        self._head_at_most = 0
        self._piece = 0
        self._is_too_large = False
        self._awaited_since: float | None = None
        self._stuck = False
        self._check: asyncio.TimerHandle | None = None
        self._output: _OneWrite | None = None
        self._prompt = self.app.prompt if isinstance(self.app, Service) else None
        # Of what may be answered at once, as far as it has come.
        self._body: bytes | None = None
        # Set while no request has begun since one was answered at once.
        self._prompt_since: float | None = None
        self._known = KnownHeads()
        # What is being parsed, and whether a request began with its first byte.
        self._text, self._begins_with_it = b"", False
        # Of a request whose head is known, and whose answer waits: the parser is to have it.
        self._begun: Answer = None
        self._headers: list[tuple[bytes, bytes]] | None = None
        self._header_lines = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """As asyncio's; the connection is looked at from here on."""
        self._output = _OneWrite(transport, self.loop)  # type: ignore[arg-type]
        super().connection_made(self._output)  # type: ignore[arg-type]
        self._awaited_since = self.loop.time()
        self._check = self.loop.call_later(REQUEST_WITHIN, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """As asyncio's."""
        if self._check is not None:
            self._check.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """As asyncio's; what grows too long is refused."""
        if self._prompt_since is not None and self._unread == 0 and self._answer_known(data):
            return
        for start in range(0, len(data), MAX_HEAD):
            piece = data[start : start + MAX_HEAD]
            self._text, self._begins_with_it = piece, False
            self._piece = len(piece)
            self._unread += self._piece
            self._head_at_most += self._piece
            super().data_received(piece)
            self._text = b""
            if self._unread > MAX_HEAD and not self.transport.is_closing():
                self._is_too_large = True
                self.send_400_response("")
            if self.transport.is_closing():
                return

    def _answer_known(self, data: bytes) -> bool:
        """Answer a request whose head came before, past the parser; whether it was."""
        found = self._known.find(data) if len(data) <= MAX_HEAD else None
        if found is None or self.flow.write_paused or self.transport.is_closing():
            return False
        head, body = found
        answer = self._carry_out(head, body)
        if isinstance(answer, bytes):
            self.url = head.url
            self._answer(answer)
            return True
        self._begun = answer
        return False

    def _carry_out(self, head: KnownHead, body: bytes) -> Answer:
        assert self._prompt is not None
        try:
            return self._prompt.answer(head.url, head.headers, body)
        except Exception:  # noqa: BLE001  # the usual way meets it too, and answers it
            return None

    def send_400_response(self, msg: str) -> None:
        """As uvicorn's: the last answer of a connection."""
        self.transport.write(TOO_LARGE if self._is_too_large else NO_HTTP)
        self.transport.close()

    def on_message_begin(self) -> None:
        """The parser's: a request begins."""
        if len(self.pipeline) >= MAX_PIPELINED:
            raise OverflowError("more requests than answers")  # which the parser answers with 400
        self._awaited_since = self.loop.time()
        self._prompt_since, self._begins_with_it = None, self._unread == self._piece
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The parser's: a request's head is whole."""
        self._unread = 0
        if self._head_at_most > MAX_HEAD and self._head() > MAX_HEAD:
            self._is_too_large = True
            raise OverflowError("a head too long")  # which the parser answers with send_400_response
        if self._prompt is not None and self._prompt.takes(self.url) and self._may_be_prompt():
            self._body = b""
        else:
            super().on_headers_complete()
        # What follows the body in the manner of headers is none: a key or a length there would be taken from nowhere.
        self.headers = []

    def _head(self) -> int:
        lines = sum([len(name) + len(value) + 4 for name, value in self.headers])
        return len(self.parser.get_method()) + len(self.url) + len("  HTTP/1.1\r\n\r\n") + lines

    def _may_be_prompt(self) -> bool:
        """Whether it may be answered here: a plain POST, and nothing before it that still waits for its own answer."""
        return (
            (self.cycle is None or self.cycle.response_complete)
            and self.parser.get_method() == b"POST"
            and self.parser.should_keep_alive()
            and not self.parser.should_upgrade()
            and not self.expect_100_continue
            and not self.flow.write_paused
            and not self.transport.is_closing()
        )

    def on_body(self, body: bytes) -> None:
        """The parser's: more of a request's body."""
        self._unread = 0
        if self._body is None:
            super().on_body(body)
            return
        self._body += body
        if len(self._body) > PROMPT_BODY:
            self._go_the_usual_way()

    def on_message_complete(self) -> None:
        """The parser's: a request is whole."""
        self._unread, self._head_at_most = 0, self._piece
        self._awaited_since = None
        if self._body is not None:
            head, body = KnownHead(self.url, self.scope["headers"]), self._body
            answer, self._begun = self._begun or self._carry_out(head, body), None
            if isinstance(answer, bytes):
                if self._begins_with_it:
                    self._known.learn(self._text, head)
                self._answer(answer)
                return
            if answer is not None:
                self.scope[BEGUN] = answer  # type: ignore[literal-required]
            self._go_the_usual_way()
        super().on_message_complete()

    def shutdown(self) -> None:
        """As uvicorn's: a request that is on its way is answered, and what waits for an end at once."""
        if isinstance(self.app, Service):
            self.app.stopping.set()
        if self._body is not None:
            self._go_the_usual_way()
        super().shutdown()

    def _go_the_usual_way(self) -> None:
        body, self._body = self._body, None
        super().on_headers_complete()
        if body:
            super().on_body(body)

    def _answer(self, answer: bytes) -> None:
        assert self._output is not None
        self._body = None
        # uvicorn's timer for idle connections costs more than to be looked at now and then.
        self._prompt_since = self.loop.time()
        self.server_state.total_requests += 1
        headers = self.server_state.default_headers
        if headers is not self._headers:  # uvicorn makes them anew each second, for the date
            self._headers, self._header_lines = headers, b"".join([b"%b: %b\r\n" % pair for pair in headers])
        head = PROMPT_BATCH_HEAD if self.url == BATCH_PATH else PROMPT_HEAD
        self._output.write_now(head % (self._header_lines, len(answer)) + answer)

    def _look(self) -> None:
        if self.transport.is_closing():
            return
        now = self.loop.time()
        late = self._awaited_since is not None and now - self._awaited_since >= REQUEST_WITHIN
        unread = self.transport.get_write_buffer_size() > 0
        if late or (unread and self._stuck):
            self.transport.abort()
            return
        if self._prompt_since is not None and now - self._prompt_since >= self.timeout_keep_alive:
            self.transport.close()
            return
        self._stuck = unread
        self._check = self.loop.call_later(REQUEST_WITHIN, self._look)
