"""SessionMiddleware: a session for every request of an ASGI application, raw ASGI, HTTP and WebSocket."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

from sojourn.core.cookie import CookieOptions
from sojourn.core.errors import ConfigurationError, ProofRefused, SojournError, StoreUnavailable
from sojourn.core.events import UnknownToken
from sojourn.core.origin import SAFE_METHODS
from sojourn.core.problem import problem_to_send
from sojourn.core.session import Session
from sojourn.core.transport import Transport, taken
from sojourn.manager import AsyncSessionManager

from .cleanup import Cleanup
from .exchange import AsyncExchange, client_of, find_headers, find_path, look_up, send_problem
from .types import App, Receive, Scope, Send

if TYPE_CHECKING:
    from sojourn.adopt import AdoptedSession, Adoption
    from sojourn.core.binding import Shown
    from sojourn.core.rivals import Rivals

__all__ = ["SessionMiddleware"]

logger = logging.getLogger("sojourn")


class SessionMiddleware:
    """Puts a Session into `scope["session"]`, so that Starlette's `request.session` is one, and commits it.

    Raw ASGI: `app.add_middleware(SessionMiddleware, manager=manager)` or `SessionMiddleware(app, manager)`.
    An unsafe request from another origin is refused (403), unless the origin is in `trusted_origins`, or its whole path
    in `cross_site_paths`, as where an identity provider posts back to: docs/security.md. A store that does not answer
    is a 503, never an anonymous session. The commit comes before the response's first byte: a later change raises
    SessionCommitted. A response with a status of 500 or more keeps no change.

    `script_readable_tokens` lets browser code hold the token itself and send it in `Authorization`: a script that
    is injected into a page can then steal it, which it cannot with the cookie. docs/security.md says more.
    With a log-out the browser empties its cache, so that its Back button shows nothing of who left
    (`Clear-Site-Data`), unless `clear_cache_at_logout` is False.
    `user_key`: the key under which the application keeps who is logged in, as under another layer: to set it is to log
    in, to remove it to log out. With a dot it goes deeper. None for an application that calls `session.login` only.
    `cleanup_interval` is about how often, in seconds, this process deletes rows that are dead for long; None never.
    `adopt` takes over the sessions of another layer: docs/migrating.md.
    `public_origin`: the origin that browsers see, such as "https://app.example.com", for a policy that binds sessions
    to keys, and `endpoints_path` where BrowserEndpoints are mounted, for browsers that do: docs/binding.md.

    What is raised before the response has begun, such as StoreUnavailable or ProofRefused, is answered with a problem:
    docs/errors.md.
    A developer's mistake is raised on: InvalidData, SessionCommitted and ConfigurationError; at once, where it is a
    manager for threads or an origin that is none; at the start, where a session layer inside has the same cookie. One
    of a mounted application, with a cookie of its own, is left alone.
    """

    def __init__(  # noqa: PLR0913  # options, each by its name
        self,
        app: App,
        manager: AsyncSessionManager,
        *,
        cookie: CookieOptions | None = None,
        trusted_origins: Collection[str] = (),
        cross_site_paths: Collection[str] = (),
        script_readable_tokens: bool = False,
        clear_cache_at_logout: bool = True,
        cleanup_interval: float | None = 600.0,
        adopt: Adoption | None = None,
        user_key: str | None = None,
        public_origin: str | None = None,
        endpoints_path: str = "/session",
    ) -> None:
        if not isinstance(manager, AsyncSessionManager):
            raise ConfigurationError("SessionMiddleware needs an AsyncSessionManager: ASGI runs on an event loop.")
        if adopt is not None:
            adopt.check(manager)
            user_key = user_key or adopt.user_key
        self._adopt = adopt
        self._as_keyed: Callable[[Session], None] | None = None
        if user_key is not None:
            from sojourn.core.user_key import keyed

            self._as_keyed = partial(keyed, user_key=user_key)
        self.app = app
        self.manager = manager
        options = (cookie, trusted_origins, script_readable_tokens, cross_site_paths, clear_cache_at_logout)
        self._transport = Transport(*options, public_origin, endpoints_path)
        manager._require_binding(self._transport, adopt is not None)
        self._binds, place = self._transport.binds, self._transport.place
        self._cookies: Callable[..., Cookies] | None = None
        if place is not None:
            from sojourn.core.dbsc import Cookies  # here: most applications bind no session

            self._cookies, self._find_bound = Cookies, place.find
        self._transport.warn_of_name()
        self._find_cookie = self._transport.cookie.find
        self._cleanup = Cleanup.of(manager, cleanup_interval)
        self._cleanup_schedule = self._cleanup.schedule

    # Any: as App's.
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._other_than_http(scope, receive, send)
            return
        if "session" in scope:
            self._require_alone(scope)
        exchange = None
        try:
            exchange = await self._begin(scope, send)
            if exchange is None:
                return
            await self.app(scope, receive, exchange.send)
        except SojournError as error:
            if exchange is not None and exchange.started:
                raise
            problem = problem_to_send(error)
            await (send_problem(send, problem) if exchange is None else exchange.replace(problem))
            return
        except TypeError as error:
            _explain(error)
            raise
        exchange.check_late_changes()

    async def _begin(self, scope: Scope, send: Send) -> AsyncExchange | None:
        """Open the session that the request shows; None for one that was refused.

        Apart from `__call__`, whose frame is in the traceback of every handler that fails: a reporter of errors sends
        what frames hold, and here that is a token.
        """
        headers = find_headers(scope["headers"])
        may_be_bearer = b"authorization" in headers or b"sojourn-transport" in headers
        bearer = may_be_bearer and self._transport.is_bearer(look_up(headers))
        if (bearer or scope["method"] not in SAFE_METHODS) and await self._refuses(scope, headers, bearer, send):
            return None
        tokens = (
            self._transport.tokens(look_up(headers), True) if bearer else self._find_cookie(headers.get(b"cookie", b""))
        )
        presented = self._presented(scope, headers, bearer) if self._binds else None
        adopted = rivals = None
        if self._adopt is not None and not bearer:
            tokens, adopted = await self._take_over(self._adopt, tokens, headers, scope)
        # As _forget, without a call: every request comes by here.
        headers.pop(b"cookie", None)
        if may_be_bearer:
            headers.pop(b"authorization", None)
        try:
            if len(tokens) == 1:
                # The common case spares a coroutine.
                session = await self.manager.open(tokens.pop(), presented=presented)
            elif bearer:
                session = self.manager.anonymous(presented=presented)
            else:
                session, rivals = await self._open(tokens, adopted, headers, scope, presented)
        except ProofRefused as error:
            if not bearer:
                self._transport.note_unproved(error, look_up(headers), find_path(scope))
            raise
        if self._as_keyed is not None:
            self._as_keyed(session)
        if (now := monotonic()) >= self._cleanup_schedule.at:
            self._cleanup.start_if_due(self.manager, now)
        agent = headers.get(b"user-agent", b"")
        exchange = AsyncExchange(self.manager, self._transport, session, scope, agent, send, bearer, adopted)
        exchange.rivals = rivals
        scope["session"], scope["sojourn"] = session, exchange
        return exchange

    def _presented(self, scope: Scope, headers: dict[bytes, bytes], bearer: bool) -> Shown | None:
        method, more = scope.get("method", "GET"), b"dpop" in headers or b"secure-session-skipped" in headers
        if more or bearer or method != "GET" or self._cookies is None:
            return self._transport.presented(look_up(headers), bearer, method, find_path(scope))
        # Most requests: nothing for a key beside their cookies, and so their path is not asked for.
        bound = self._find_bound(headers.get(b"cookie", b"").decode("latin-1"))
        return self._cookies(bound, reads=headers.get(b"sec-fetch-dest", b"empty") == b"empty")

    async def _refuses(self, scope: Scope, headers: dict[bytes, bytes], bearer: bool, send: Send) -> bool:
        refusal = self._transport.refusal(scope["method"], look_up(headers), bearer, find_path(scope))
        if refusal is not None:
            _forget(headers)
            await send_problem(send, refusal)
        return refusal is not None

    async def _open(
        self,
        values: list[str],
        adopted: AdoptedSession | None,
        headers: dict[bytes, bytes],
        scope: Scope,
        presented: Shown | None,
    ) -> tuple[Session, Rivals | None]:
        if not values:
            return adopted.session if adopted else self.manager.anonymous(presented=presented), None
        if len(set(values)) == 1:
            return await self.manager.open(taken(values), presented=presented), None
        from sojourn.core.rivals import Rivals, counting, secrets_by_session  # here: most requests show one token

        live, over, sessions = [], [], secrets_by_session(values)
        values.clear()
        for secrets in sessions:
            for token in secrets:
                with suppress(ProofRefused):  # without its key, it is nobody's here
                    session = await self.manager.open(token.reveal(), presented=presented)
                    if session._live is not None:
                        live.append(session)
                        break
                    over.append(session)
        found = counting(live, over)
        contested = found is None
        if found is None:
            found = self.manager.anonymous(refused=UnknownToken(at=self.manager.clock(), cause="ambiguous"))
        name, host = self._transport.cookie.name, headers.get(b"host", b"").decode("latin-1")
        return found, Rivals(name, host, find_path(scope), live if contested else (), contested)

    async def _take_over(
        self, adopt: Adoption, tokens: list[str], headers: dict[bytes, bytes], scope: Scope
    ) -> tuple[list[str], AdoptedSession | None]:
        tokens = adopt.ours(tokens)
        if tokens:
            return tokens, None
        client = client_of(scope.get("client"), headers.get(b"user-agent", b""))
        return tokens, await adopt.open_async(self.manager, headers.pop(b"cookie", b""), client)

    def _require_alone(self, scope: Scope) -> None:
        from .replacement import require_alone

        require_alone(scope, self._transport.cookie.name)

    async def _other_than_http(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
            return
        if scope["type"] == "lifespan":
            await self._require_own_cookies(send)
        await self.app(scope, receive, send)

    async def _require_own_cookies(self, send: Send) -> None:
        try:
            from .replacement import require_own_cookies

            require_own_cookies(self.app, self._transport.cookie.name)
        except ConfigurationError as error:
            # A server that only meets an exception may take it that there is nothing to start, and go on.
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            raise

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        if "session" in scope:
            self._require_alone(scope)
        exchange = await self._begin_websocket(scope, receive, send)
        if exchange is not None:
            from .websocket import WebSocketSession

            await WebSocketSession(exchange, receive, send).run(self.app, scope)

    async def _begin_websocket(self, scope: Scope, receive: Receive, send: Send) -> AsyncExchange | None:
        """As `_begin`, of a handshake."""
        from .websocket import refuse

        headers = find_headers(scope["headers"])
        if self._transport.is_foreign_handshake(look_up(headers)):
            _forget(headers)
            await refuse(receive, send, 1008, "from another origin")
            return None
        tokens, adopted = self._find_cookie(headers.get(b"cookie", b"")), None
        presented = self._presented(scope, headers, False) if self._binds else None
        try:
            if self._adopt is not None:
                tokens, adopted = await self._take_over(self._adopt, tokens, headers, scope)
            _forget(headers)
            session, rivals = await self._open(tokens, adopted, headers, scope, presented)
        except StoreUnavailable as error:
            logger.warning("%s", error)
            await refuse(receive, send, 1013, "sessions are not available")
            return None
        except ProofRefused as error:
            await refuse(receive, send, 1008, error.flaw)
            return None
        if self._as_keyed is not None:
            self._as_keyed(session)
        agent = headers.get(b"user-agent", b"")
        exchange = AsyncExchange(self.manager, self._transport, session, scope, agent, send, False, adopted)
        exchange.rivals = rivals
        scope["session"], scope["sojourn"] = session, exchange
        return exchange


def _forget(headers: dict[bytes, bytes]) -> None:
    """Leave what holds tokens out: a store or a server may fail from here on, and a reporter would send them."""
    headers.pop(b"cookie", None)
    headers.pop(b"authorization", None)


def _explain(error: TypeError) -> None:
    if "Session is not JSON" in str(error):
        error.add_note("A session is no dict: write JSONResponse(dict(request.session)).")
