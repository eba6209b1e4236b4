"""RedisProtocol: a connection that redis-py has made, from then on without its streams.

What waits for an answer there are two readers of redis-py's and two of asyncio's, at three times the cost.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

import hiredis
from redis.asyncio.connection import AbstractConnection as AsyncConnection
from redis.exceptions import ConnectionError, InvalidResponse, RedisError

__all__ = ["Question", "RedisProtocol"]

_NOTHING = object()


class Question:
    """One or more commands that were sent. `arrived` has as many answers as are `expected`, errors among them.

    It raises RedisError or OSError where the connection breaks before; `replies` has what came until then.
    `give_up` is when it does at the latest, in seconds of time.monotonic().
    """

    __slots__ = ("arrived", "expected", "give_up", "replies")

    def __init__(self, arrived: asyncio.Future[list[Any]], expected: int, give_up: float) -> None:
        self.arrived = arrived
        self.expected = expected
        self.give_up = give_up
        self.replies: list[Any] = []


class RedisProtocol(asyncio.Protocol):
    """Questions of any number of callers: what is asked while others wait goes out with the loop's next turn.

    `asked` are those that wait; who is cancelled leaves its own behind. `closed`: there can be no more. `used_at` is
    the caller's, in seconds of time.monotonic().
    """

    def __init__(self, connection: AsyncConnection) -> None:
        reader: Any = connection._reader
        writer: Any = connection._writer
        parse_error: Any = connection._parser.parse_error
        self.asked: deque[Question] = deque()
        self.closed: bool = reader.at_eof()
        self.used_at = 0.0
        self._unsent: list[bytes] = []
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader(protocolError=InvalidResponse, replyError=parse_error, notEnoughData=_NOTHING)
        self._transport: asyncio.Transport = writer.transport
        self._streams: Any = self._transport.get_protocol()
        self._transport.set_protocol(self)

    @property
    def is_awaited(self) -> bool:
        """Whether anybody waits for an answer who was not cancelled."""
        return not all([question.arrived.done() for question in self.asked])

    def ask(self, packed: bytes, expected: int, give_up: float) -> Question:
        """Send it."""
        question = Question(self._loop.create_future(), expected, give_up)
        if self.closed:
            question.arrived.set_exception(_closed())
            return question
        if not self.asked:
            self._transport.write(packed)
        else:
            if not self._unsent:
                self._loop.call_soon(self._send)
            self._unsent.append(packed)
        self.asked.append(question)
        return question

    def abort(self, error: Exception) -> None:
        """Close it at once. Who waits is told of the error."""
        self.closed = True
        self._transport.abort()
        while self.asked:
            arrived = self.asked.popleft().arrived
            if not arrived.done():
                arrived.set_exception(error)

    async def disconnect(self, *, wait: bool = False) -> None:
        """Close it. What is still to be sent is not: a server that does not read would be waited for."""
        self.closed = True
        if self.asked:
            self.abort(ConnectionError("the connection was closed"))
        await self._connection.disconnect(nowait=not wait)

    def data_received(self, data: bytes) -> None:
        """As asyncio.Protocol."""
        asked, gets = self.asked, self._reader.gets
        try:
            self._reader.feed(data)
            while (reply := gets(False)) is not _NOTHING:
                if not asked:
                    raise InvalidResponse("an answer came that nobody had asked for")
                question = asked[0]
                question.replies.append(reply)
                if len(question.replies) == question.expected:
                    asked.popleft()
                    if not question.arrived.done():
                        question.arrived.set_result(question.replies)
        except RedisError as error:
            self.abort(error)

    def eof_received(self) -> None:
        """As asyncio.Protocol."""
        self.closed = True

    def connection_lost(self, exc: Exception | None) -> None:
        """As asyncio.Protocol."""
        self._streams.connection_lost(exc)
        self._connection._reader = self._connection._writer = None  # else it warns of what was left open
        self.abort(exc or _closed())

    def _send(self) -> None:
        if not self.closed:
            self._transport.write(b"".join(self._unsent))
        self._unsent.clear()


def _closed() -> ConnectionError:
    return ConnectionError("the server closed the connection")
