"""Ending: what goes on for long, such as an event stream, is over with its session."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType
from typing import Any, Self, TypeVar

from sojourn.core.errors import EndReason

from .connection import Connection, exchange_of

__all__ = ["Ending", "until_ended"]

logger = logging.getLogger("sojourn")

T = TypeVar("T")

_NO_MORE: Any = object()


class Ending:
    """What `until_ended` returns. Afterwards `ended` and `reason` say whether the session ended, and why if known.

    Raises ConfigurationError outside of SessionMiddleware.
    """

    def __init__(self, connection: Connection) -> None:
        self.ended = False
        self.reason: EndReason | None = None
        self._exchange = exchange_of(connection)
        self._waiting: asyncio.Task[EndReason | None] | None = None
        self._limit: asyncio.Timeout | None = None
        self._block: AbstractAsyncContextManager[None] | None = None

    async def __aenter__(self) -> Self:
        self._begin()
        self._block = self._cut_off()
        await self._block.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        self._stop()
        assert self._block is not None
        return await self._block.__aexit__(kind, error, traceback)

    async def each(self, items: AsyncIterable[T]) -> AsyncGenerator[T, None]:
        """The items, until the session is over: then what makes them is cancelled where it waits, and closed."""
        # Not one `async with` around it all: what is cancelled must be who makes the items, never who takes them.
        iterator = aiter(items)
        self._begin()
        try:
            while (item := await self._next(iterator)) is not _NO_MORE:
                yield item
        finally:
            self._stop()
            close = getattr(iterator, "aclose", None)
            if close is not None:
                await close()

    async def _next(self, iterator: AsyncIterator[T]) -> T | Any:
        # What need not wait is not cut off.
        if not self.ended:
            async with self._cut_off():
                return await anext(iterator, _NO_MORE)
        return _NO_MORE

    @asynccontextmanager
    async def _cut_off(self) -> AsyncGenerator[None, None]:
        """Cancel what is inside when the session is over, and go on behind it."""
        try:
            async with asyncio.timeout(None) as self._limit:
                if self.ended:
                    self._limit.reschedule(0)
                yield
        except TimeoutError:
            if self._limit is None or not self._limit.expired():
                raise
        finally:
            self._limit = None

    def _begin(self) -> None:
        session, manager = self._exchange.session, self._exchange.manager
        live = session._live
        if live is not None:
            wait = manager._wait_for_end(live.id, live.expires_at)
            self._waiting = asyncio.get_running_loop().create_task(wait)
            self._waiting.add_done_callback(self._end)
        elif session.end_reason is not None:
            self.ended, self.reason = True, session.end_reason

    def _end(self, waiting: asyncio.Task[EndReason | None]) -> None:
        if waiting.cancelled():
            return
        self.ended = True
        error = waiting.exception()
        if error is None:
            self.reason = waiting.result()
        else:
            # What nobody watches any more would outlive its session.
            logger.error("the watch over a session broke off", exc_info=error)
        if self._limit is not None:
            self._limit.reschedule(0)

    def _stop(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()


def until_ended(connection: Connection) -> Ending:
    """The end of this request's session, as a limit: what runs inside is cancelled when the session is over.

    For what goes on for long. Around code that waits: `async with until_ended(request):` cancels it and goes on behind,
    as a time limit does. Around what makes items, in place of it: `until_ended(request).each(items())`. Not that
    statement around a `yield`, where it would cancel whoever takes the items (PEP 789).

    It ends as `AsyncSessionManager.wait_for_end` says. Without a session there is nothing to end, and it goes on; one
    that this very request begins is there from its commit on. Raises ConfigurationError outside of SessionMiddleware.
    """
    return Ending(connection)
