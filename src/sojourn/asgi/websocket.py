"""A WebSocket that lives no longer than its session."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

from sojourn.core.commit import touch_is_due
from sojourn.core.errors import SessionEnded, SojournError, StoreUnavailable
from sojourn.core.problem import problem_to_send
from sojourn.core.record import Record

from .exchange import AsyncExchange
from .types import App, Message, Receive, Scope, Send

__all__ = ["WebSocketSession", "refuse"]

logger = logging.getLogger("sojourn")

POLICY_VIOLATION = 1008


async def refuse(receive: Receive, send: Send, code: int, reason: str) -> None:
    """Close a socket in the place of an accept."""
    await receive()
    await send({"type": "websocket.close", "code": code, "reason": reason})


class WebSocketSession:
    """Commits at the accept, then watches: a session that ends closes the socket with code 1008 and the reason.

    A message from the browser counts as activity, unless the session is passive. After the accept the session is
    what it was at the handshake; changing it raises SessionCommitted.
    """

    def __init__(self, exchange: AsyncExchange, receive: Receive, send: Send) -> None:
        self._exchange = exchange
        self._receive = receive
        self._send = send
        self._closed = asyncio.Event()
        self._watch: asyncio.Task[None] | None = None
        self._touch: asyncio.Task[None] | None = None
        self._pending: asyncio.Future[Message] | None = None

    async def run(self, app: App, scope: Scope) -> None:
        """Run the application over the socket."""
        try:
            await app(scope, self.receive, self.send)
        except SojournError as error:
            if self._exchange.started:
                raise
            await self._close(problem_to_send(error).code)
        finally:
            waiting: tuple[asyncio.Future[Any] | None, ...] = (self._watch, self._touch, self._pending)
            for task in waiting:
                if task is not None:
                    task.cancel()
                    with contextlib.suppress(asyncio.CancelledError, Exception):
                        await task

    async def send(self, message: Message) -> None:
        """Pass a message on to the browser; nothing after the socket was closed for it."""
        if self._closed.is_set():
            return
        if message["type"] == "websocket.accept":
            exchange = self._exchange
            try:
                await exchange.commit()
            except SojournError as error:
                await self._close(problem_to_send(error).code)
                return
            message = exchange.begin(message)
            # A token that rotated now could not be handed over: the socket's headers are sent.
            exchange.session._token = None
            live = exchange.session._live
            if live is not None:
                self._watch = asyncio.get_running_loop().create_task(self._watch_session(live))
        await self._send(message)

    async def receive(self) -> Message:
        """The browser's next message, or a disconnect once the session has ended."""
        if self._pending is None:
            self._pending = asyncio.ensure_future(self._receive())
        closed = asyncio.ensure_future(self._closed.wait())
        either: set[asyncio.Future[Any]] = {self._pending, closed}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        closed.cancel()
        if self._closed.is_set():
            return {"type": "websocket.disconnect", "code": POLICY_VIOLATION, "reason": "session ended"}
        message, self._pending = self._pending.result(), None
        if message["type"] == "websocket.receive":
            self._note_activity()
        return message

    def _note_activity(self) -> None:
        session, manager = self._exchange.session, self._exchange.manager
        live, now = session._live, manager.clock()
        is_noting = self._touch is not None and not self._touch.done()
        if live is not None and not is_noting and touch_is_due(live, manager.policy, now, session.passive):
            session.opened_at = now
            self._touch = asyncio.get_running_loop().create_task(self._commit_activity())

    async def _commit_activity(self) -> None:
        try:
            await self._exchange.manager.commit(self._exchange.session)
        except SessionEnded as error:
            await self._close(error.reason or "unknown")
        except StoreUnavailable as error:
            logger.warning("%s", error)
        except Exception:
            logger.exception("a WebSocket's activity could not be written down")
            await self._close("unknown")

    async def _watch_session(self, live: Record) -> None:
        try:
            reason = await self._exchange.manager._wait_for_end(live.id, live.expires_at)
        except Exception:
            # A socket that nobody watches any more would outlive its session.
            logger.exception("the watch over a WebSocket's session broke off")
            reason = None
        await self._close(reason or "unknown")

    async def _close(self, reason: str) -> None:
        if not self._closed.is_set():
            self._closed.set()
            await self._send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": reason})
