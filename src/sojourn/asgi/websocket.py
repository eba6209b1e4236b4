"""A WebSocket that lives no longer than its session."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

from sojourn.core.errors import SessionEnded, SojournError, StoreUnavailable
from sojourn.core.problem import problem_to_send

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

    def __init__(self, exchange: AsyncExchange, receive: Receive, send: Send, check: float) -> None:
        self._exchange = exchange
        self._receive = receive
        self._send = send
        self._check = check
        self._closed = asyncio.Event()
        self._active = False
        self._watch: asyncio.Task[None] | None = None
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
            waiting: tuple[asyncio.Future[Any] | None, ...] = (self._watch, self._pending)
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
            if exchange.session._live is not None:
                self._watch = asyncio.get_running_loop().create_task(self._watch_session())
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
        self._active = self._active or message["type"] == "websocket.receive"
        return message

    async def _watch_session(self) -> None:
        try:
            reason = await self._session_end()
        except Exception:
            # A socket that nobody watches any more would outlive its session.
            logger.exception("the watch over a WebSocket's session broke off")
            reason = None
        await self._close(reason or "unknown")

    async def _session_end(self) -> str | None:
        exchange = self._exchange
        session, manager = exchange.session, exchange.manager
        # A token that rotated now could not be handed over: the socket's headers are sent.
        session._token = None
        live = session._live
        if live is None:
            return None
        id, expires_at = live.id, live.expires_at
        while True:
            try:
                if self._active and not session.passive:
                    self._active = False
                    session.opened_at = manager.clock()
                    await manager.commit(session)
                found = await manager.get(id)
                if found is None or found.end_reason is not None:
                    return found.end_reason if found else None
                expires_at = found.expires_at
            except SessionEnded as error:
                return error.reason
            except StoreUnavailable as error:
                logger.warning("%s", error)
                # What the store said last holds for as long as it said, and no longer.
                if manager.clock() >= expires_at:
                    return None
            await asyncio.sleep(max(0.05, min(self._check, (expires_at - manager.clock()) / 1000)))

    async def _close(self, reason: str) -> None:
        if not self._closed.is_set():
            self._closed.set()
            await self._send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": reason})
