"""SessionMiddleware: a session for every request of an ASGI application, raw ASGI, HTTP and WebSocket."""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
from collections.abc import Collection

from sojourn.cookie import CookieOptions
from sojourn.errors import ConfigurationError, SojournError, StoreUnavailable
from sojourn.events import UnknownToken
from sojourn.manager import AsyncSessionManager
from sojourn.origin import SAFE_METHODS
from sojourn.session import Session
from sojourn.transport import Transport

from .exchange import Exchange, Wiring, problem_to_send, send_problem
from .headers import find_headers, of
from .types import App, Receive, Scope, Send
from .websocket import WebSocketSession

__all__ = ["SessionMiddleware"]

logger = logging.getLogger("sojourn")

BEARER = b"Bearer sj1-"


class SessionMiddleware:
    """Puts a Session into `scope["session"]`, so that Starlette's `request.session` is one, and commits it.

    Raw ASGI: `app.add_middleware(SessionMiddleware, manager=manager)` or `SessionMiddleware(app, manager)`.
    An unsafe request from another origin is refused (403), unless the origin is in `trusted_origins`. A store that
    does not answer is a 503, never an anonymous session. The commit comes before the response's first byte: a
    later change raises SessionCommitted.

    `script_readable_tokens` lets browser code hold the token itself and send it in `Authorization`: a script that
    is injected into a page can then steal it, which it cannot with the cookie. docs/security.md says more.
    `websocket_check` is how often, in seconds, an open WebSocket asks whether its session still lives.
    `cleanup_interval` is how often, in seconds, this process deletes rows that are dead for long; None never.
    """

    def __init__(
        self,
        app: App,
        manager: AsyncSessionManager,
        *,
        cookie: CookieOptions | None = None,
        trusted_origins: Collection[str] = (),
        script_readable_tokens: bool = False,
        websocket_check: float = 5.0,
        cleanup_interval: float | None = 600.0,
    ) -> None:
        if not isinstance(manager, AsyncSessionManager):
            raise ConfigurationError("SessionMiddleware needs an AsyncSessionManager: ASGI runs on an event loop.")
        self.app = app
        self.manager = manager
        self._transport = Transport(cookie, trusted_origins, script_readable_tokens)
        self._find_cookie = self._transport.cookie.find
        self._wiring = Wiring(manager, self._transport)
        self._websocket_check = websocket_check
        self._cleanup_ms = None if cleanup_interval is None else int(cleanup_interval * 1000)
        self._cleanup_at: float = 0
        self._cleanup: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = find_headers(scope["headers"])
        bearer = b"sojourn-transport" in headers or headers.get(b"authorization", b"").startswith(BEARER)
        if bearer or scope["method"] not in SAFE_METHODS:
            refusal = self._transport.refusal(scope["method"], of(headers), bearer)
            if refusal is not None:
                await send_problem(send, refusal)
                return
        exchange = None
        try:
            tokens = (
                self._transport.tokens(of(headers), True) if bearer else self._find_cookie(headers.get(b"cookie", b""))
            )
            # The common case spares a coroutine.
            session = await (self.manager.open(tokens[0]) if len(tokens) == 1 else self._open(tokens))
            if session.opened_at >= self._cleanup_at:
                self._start_cleanup(session.opened_at)
            exchange = Exchange(self._wiring, session, scope, headers.get(b"user-agent", b""), send, bearer)
            scope["session"], scope["sojourn"] = session, exchange
            await self.app(scope, receive, exchange.send)
        except SojournError as error:
            if exchange is not None and exchange.started:
                raise
            await send_problem(send, problem_to_send(error))
            return
        exchange.check_late_changes()

    async def _open(self, tokens: list[str]) -> Session:
        if not tokens:
            return self.manager.anonymous()
        if len(set(tokens)) > 1:
            return self.manager.anonymous(refused=UnknownToken(at=self.manager.clock(), cause="ambiguous"))
        return await self.manager.open(tokens[0])

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = find_headers(scope["headers"])
        if self._transport.is_foreign_handshake(of(headers)):
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": "from another origin"})
            return
        try:
            session = await self._open(self._find_cookie(headers.get(b"cookie", b"")))
        except StoreUnavailable as error:
            logger.warning("%s", error)
            await receive()
            await send({"type": "websocket.close", "code": 1013, "reason": "sessions are not available"})
            return
        exchange = Exchange(self._wiring, session, scope, headers.get(b"user-agent", b""), send, False)
        scope["session"], scope["sojourn"] = session, exchange
        await WebSocketSession(exchange, receive, send, self._websocket_check).run(self.app, scope)

    def _start_cleanup(self, now: int) -> None:
        # Traffic drives it: where nobody comes, nothing piles up. The first one waits, so that processes
        # that start together do not clean together.
        if self._cleanup_ms is None:
            self._cleanup_at = math.inf
            return
        first = self._cleanup_at == 0
        self._cleanup_at = now + self._cleanup_ms * (0.5 + secrets.randbelow(1024) / 1024)
        if not first and (self._cleanup is None or self._cleanup.done()):
            self._cleanup = asyncio.get_running_loop().create_task(self._clean())

    async def _clean(self) -> None:
        try:
            await self.manager.delete_expired()
        except StoreUnavailable as error:
            logger.warning("clean-up was put off: %s", error)
