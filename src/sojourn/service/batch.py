"""CallBatch: calls that came together. Each is carried out for itself, and answered as soon as it is ready."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import msgspec

from sojourn.asgi.types import Send
from sojourn.core.errors import SojournError
from sojourn.core.problem import NOSNIFF, Problem
from sojourn.wire.batches import MAX_CALLS, BatchedCall
from sojourn.wire.http import BATCHES, CONTENT_TYPE, LINES
from sojourn.wire.problems import batch_too_large, body_too_large, invalid_body

from .refusal import RequestRefused
from .request import decoded
from .unfinished import Unfinished, begin

__all__ = ["BATCH_HEADERS", "CallBatch", "CarryOut", "TellProblem", "rows_of"]

logger = logging.getLogger("sojourn.service")

BATCH_HEADERS = tuple(
    (name.encode(), value.encode())
    for name, value in (
        (CONTENT_TYPE, LINES),
        ("cache-control", "no-store"),
        NOSNIFF,
        (BATCHES, str(MAX_CALLS)),
    )
)
# A proxy that gathers an answer before it passes it on would have all wait for the slowest.
_IN_PIECES = (*BATCH_HEADERS, (b"x-accel-buffering", b"no"))
_BROKEN = 500, b"null"

_decode = msgspec.json.Decoder(BatchedCall).decode

CarryOut = Callable[[BatchedCall], Coroutine[Any, Any, bytes]]
"""The JSON of one call's answer. Raises what the call alone would."""
TellProblem = Callable[[RequestRefused | SojournError], Problem]
Row = list[tuple[int, BatchedCall | RequestRefused]]


def rows_of(body: bytes, limit: int) -> list[Row]:
    """The calls of a batch, each with its place, in rows: the commits of one session make one, in their order.

    Raises RequestRefused for a batch that is too long, or empty. What is wrong with one call, more than `limit` bytes
    among it, stands in its place.
    """
    lines = body.removesuffix(b"\n").split(b"\n", MAX_CALLS)
    if len(lines) > MAX_CALLS:
        raise RequestRefused(batch_too_large(MAX_CALLS))
    if lines == [b""]:
        raise RequestRefused(invalid_body("there is no call in it"))
    rows: dict[str | int, Row] = {}
    for place, line in enumerate(lines):
        try:
            call = _read(line, limit)
        except RequestRefused as refused:
            rows[place] = [(place, refused)]
        else:
            token = call.commit.token if call.commit is not None else None
            # By the session's id, whatever the secret. An open changes nothing, and waits for nobody.
            rows.setdefault(place if token is None else token[:36], []).append((place, call))
    return [*rows.values()]


def _read(line: bytes, limit: int) -> BatchedCall:
    if len(line) > limit:
        raise RequestRefused(body_too_large(limit))
    call = decoded(_decode, line)
    if (call.open is None) == (call.commit is None):
        raise RequestRefused(invalid_body('a call of a batch is {"open": …} or {"commit": …}'))
    return call


class CallBatch:
    """Rows of calls. The calls of one row go one after another, and the rows all at the same time."""

    def __init__(self, rows: Sequence[Row], carry_out: CarryOut) -> None:
        self._rows: Sequence[Row | Unfinished[None]] = rows
        self._carry_out = carry_out
        self._left = sum(map(len, rows))
        self._ready: list[bytes] = []
        self._waiting: asyncio.Future[None] | None = None

    def begin(self, tell: TellProblem) -> bytes | None:
        """Begin every row, without a task; the whole answer where none of them waits. Once, before `answer`."""
        begun = [begin(self._go_on(row, tell)) for row in self._rows]
        self._rows = [row for row in begun if row is not None]
        return None if self._left else b"".join(self._ready)

    async def answer(self, send: Send, tell: TellProblem, *, whole: bool) -> None:
        """Answer each call by a line, as it is ready; with `whole`, all at once when the last one is."""
        loop = asyncio.get_running_loop()
        tasks = [loop.create_task(self._go_on(row, tell)) for row in self._rows]
        try:
            # What waits for nothing is done in one turn of the loop, and goes out in one piece.
            if not self._ready:
                await self._some_ready()
            while whole and self._left:
                await self._some_ready()
            if self._left:
                await self._send_pieces(send)
            else:
                await _send_whole(send, b"".join(self._ready))
        finally:
            for task in tasks:
                task.cancel()

    async def _send_pieces(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [*_IN_PIECES]})
        while True:
            body, more = b"".join(self._ready), self._left > 0
            self._ready.clear()
            await send({"type": "http.response.body", "body": body, "more_body": more})
            if not more:
                return
            if not self._ready:
                await self._some_ready()

    async def _some_ready(self) -> None:
        self._waiting = asyncio.get_running_loop().create_future()
        await self._waiting

    async def _go_on(self, row: Row | Unfinished[None], tell: TellProblem) -> None:
        if isinstance(row, Unfinished):
            await row
            return
        for place, call in row:
            status, answer = await self._outcome(call, tell)
            self._ready.append(b'{"call":%d,"status":%d,"answer":%b}\n' % (place, status, answer))
            self._left -= 1
            if self._waiting is not None and not self._waiting.done():
                self._waiting.set_result(None)

    async def _outcome(self, call: BatchedCall | RequestRefused, tell: TellProblem) -> tuple[int, bytes]:
        try:
            try:
                if isinstance(call, RequestRefused):
                    raise call
                return 200, await self._carry_out(call)
            except (RequestRefused, SojournError) as error:
                problem = tell(error)
                return problem.status, problem.body()
        except Exception:
            # A mistake of ours says nothing of the neighbours.
            logger.exception("a call of a batch failed")
            return _BROKEN


async def _send_whole(send: Send, body: bytes) -> None:
    headers = [*BATCH_HEADERS, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
