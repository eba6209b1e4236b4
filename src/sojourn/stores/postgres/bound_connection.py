"""BoundConnection: a connection to PostgreSQL that waits until a given time and no longer, and whether one works."""

from __future__ import annotations

import select
import time
from contextlib import suppress
from typing import Any

import psycopg
from psycopg import errors, generators
from psycopg.abc import RV, PQGen
from psycopg.pq.abc import PGconn

__all__ = ["CANCEL_TIMEOUT", "AsyncBoundConnection", "BoundConnection", "answers", "answers_async", "is_cut"]

CANCEL_TIMEOUT = 1.0


class BoundConnection(psycopg.Connection[Any]):
    """One whose answers are waited for until `give_up`, by time.monotonic(); then it is closed."""

    give_up: float | None = None

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """As psycopg's, until `give_up` at the latest."""
        try:
            return super().wait(gen, interval, _left(self.give_up) if timeout is None else timeout)
        except errors._WaitTimeout:
            if timeout is None:
                with suppress(psycopg.Error):
                    self.cancel_safe(timeout=CANCEL_TIMEOUT)
                self.pgconn.finish()
            raise


class AsyncBoundConnection(psycopg.AsyncConnection[Any]):
    """The same for an event loop."""

    give_up: float | None = None

    async def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:  # noqa: ASYNC109  # psycopg's
        """As psycopg's, until `give_up` at the latest."""
        try:
            return await super().wait(gen, interval, _left(self.give_up) if timeout is None else timeout)
        except errors._WaitTimeout:
            if timeout is None:
                with suppress(psycopg.Error):
                    await self.cancel_safe(timeout=CANCEL_TIMEOUT)
                self.pgconn.finish()
            raise


def _left(give_up: float | None) -> float | None:
    return None if give_up is None else max(give_up - time.monotonic(), 0.001)


def is_cut(connection: psycopg.Connection[Any] | psycopg.AsyncConnection[Any]) -> bool:
    """Whether the server has closed it: of itself it sends nothing to who is idle but its farewell."""
    if connection.closed:
        return True
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(connection.fileno(), select.POLLIN)
        return bool(poll.poll(0))
    return bool(select.select([connection.fileno()], [], [], 0)[0])


def answers(connection: psycopg.Connection[Any], patience: float) -> bool:
    """Whether the server answers over it within so many seconds: one round trip, outside any transaction."""
    try:
        connection.wait(_ask_nothing(connection.pgconn), timeout=patience)
    except psycopg.Error:
        return False
    return True


async def answers_async(connection: psycopg.AsyncConnection[Any], patience: float) -> bool:
    """The same for an event loop."""
    try:
        await connection.wait(_ask_nothing(connection.pgconn), timeout=patience)
    except psycopg.Error:
        return False
    return True


def _ask_nothing(pgconn: PGconn) -> PQGen[None]:
    pgconn.send_query(b"")
    yield from generators.execute(pgconn)
