"""SessionMiddleware: a session for every request of an ASGI application, raw ASGI, HTTP and WebSocket."""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from sojourn.core.cookie import CookieOptions
from sojourn.core.errors import ConfigurationError, SojournError, StoreUnavailable
from sojourn.core.events import UnknownToken
from sojourn.core.origin import SAFE_METHODS
from sojourn.core.problem import problem_to_send
from sojourn.core.session import Session
from sojourn.core.transport import Transport
from sojourn.manager import AsyncSessionManager

from .cleanup import Cleanup
from .exchange import AsyncExchange, client_of, find_headers, look_up, send_problem
from .replacement import require_alone
from .types import App, Receive, Scope, Send

if TYPE_CHECKING:
    from sojourn.adopt import AdoptedSession, Adoption

__all__ = ["SessionMiddleware"]

logger = logging.getLogger("sojourn")


class SessionMiddleware:
    """Puts a Session into `scope["session"]`, so that Starlette's `request.session` is one, and commits it.

    Raw ASGI: `app.add_middleware(SessionMiddleware, manager=manager)` or `SessionMiddleware(app, manager)`.
    An unsafe request from another origin is refused (403), unless the origin is in `trusted_origins`. A store that
    does not answer is a 503, never an anonymous session. The commit comes before the response's first byte: a
    later change raises SessionCommitted. A response with a status of 500 or more keeps no change.

    `script_readable_tokens` lets browser code hold the token itself and send it in `Authorization`: a script that
    is injected into a page can then steal it, which it cannot with the cookie. docs/security.md says more.
    `websocket_check` is how often, in seconds, an open WebSocket asks whether its session still lives.
    `cleanup_interval` is about how often, in seconds, this process deletes rows that are dead for long; None never.
    `adopt` takes over the sessions of another layer: docs/migrating.md.

    What is raised before the response has begun, such as StoreUnavailable, is answered with a problem: docs/errors.md.
    A developer's mistake is raised on: InvalidData, SessionCommitted and ConfigurationError; at once, where it is a
    manager for threads or an origin that is none.
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
        adopt: Adoption | None = None,
    ) -> None:
        if not isinstance(manager, AsyncSessionManager):
            raise ConfigurationError("SessionMiddleware needs an AsyncSessionManager: ASGI runs on an event loop.")
        if adopt is not None:
            adopt.check(manager)
        self._adopt = adopt
        self.app = app
        self.manager = manager
        self._transport = Transport(cookie, trusted_origins, script_readable_tokens)
        self._find_cookie = self._transport.cookie.find
        self._websocket_check = websocket_check
        self._cleanup = Cleanup.of(manager, cleanup_interval)
        self._cleanup_schedule = self._cleanup.schedule

    # Any: as App's.
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if "session" in scope:
            self._require_alone(scope)
        headers = find_headers(scope["headers"])
        may_be_bearer = b"authorization" in headers or b"sojourn-transport" in headers
        bearer = may_be_bearer and self._transport.is_bearer(look_up(headers))
        if bearer or scope["method"] not in SAFE_METHODS:
            refusal = self._transport.refusal(scope["method"], look_up(headers), bearer)
            if refusal is not None:
                await send_problem(send, refusal)
                return
        exchange = None
        try:
            tokens = (
                self._transport.tokens(look_up(headers), True)
                if bearer
                else self._find_cookie(headers.get(b"cookie", b""))
            )
            adopted = None
            if self._adopt is not None and not bearer:
                tokens, adopted = await self._take_over(self._adopt, tokens, headers, scope)
            # The common case spares a coroutine.
            session = await (self.manager.open(tokens[0]) if len(tokens) == 1 else self._open(tokens, adopted))
            if session.opened_at >= self._cleanup_schedule.at:
                self._cleanup.start_if_due(self.manager, session.opened_at)
            agent = headers.get(b"user-agent", b"")
            exchange = AsyncExchange(self.manager, self._transport, session, scope, agent, send, bearer, adopted)
            scope["session"], scope["sojourn"] = session, exchange
            await self.app(scope, receive, exchange.send)
        except SojournError as error:
            if exchange is not None and exchange.started:
                raise
            await send_problem(send, problem_to_send(error))
            return
        exchange.check_late_changes()

    async def _open(self, tokens: list[str], adopted: AdoptedSession | None) -> Session:
        if not tokens:
            return adopted.session if adopted else self.manager.anonymous()
        if len(set(tokens)) > 1:
            return self.manager.anonymous(refused=UnknownToken(at=self.manager.clock(), cause="ambiguous"))
        return await self.manager.open(tokens[0])

    async def _take_over(
        self, adopt: Adoption, tokens: list[str], headers: dict[bytes, bytes], scope: Scope
    ) -> tuple[list[str], AdoptedSession | None]:
        tokens = adopt.ours(tokens)
        if tokens:
            return tokens, None
        client = client_of(scope.get("client"), headers.get(b"user-agent", b""))
        return tokens, await adopt.open_async(self.manager, headers.get(b"cookie", b""), client)

    def _require_alone(self, scope: Scope) -> None:
        outer = scope.get("sojourn")
        require_alone(scope, outer.cookie if isinstance(outer, AsyncExchange) else None, self._transport.cookie.name)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        if "session" in scope:
            self._require_alone(scope)
        headers = find_headers(scope["headers"])
        if self._transport.is_foreign_handshake(look_up(headers)):
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": "from another origin"})
            return
        try:
            tokens, adopted = self._find_cookie(headers.get(b"cookie", b"")), None
            if self._adopt is not None:
                tokens, adopted = await self._take_over(self._adopt, tokens, headers, scope)
            session = await self._open(tokens, adopted)
        except StoreUnavailable as error:
            logger.warning("%s", error)
            await receive()
            await send({"type": "websocket.close", "code": 1013, "reason": "sessions are not available"})
            return
        agent = headers.get(b"user-agent", b"")
        from .websocket import WebSocketSession

        exchange = AsyncExchange(self.manager, self._transport, session, scope, agent, send, False, adopted)
        scope["session"], scope["sojourn"] = session, exchange
        await WebSocketSession(exchange, receive, send, self._websocket_check).run(self.app, scope)
