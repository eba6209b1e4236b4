"""Exchange: one HTTP request and its answer with threads, and the session between them. For WSGI, Flask and Django."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

from .core.changes import check_late
from .core.commit import NO_REPLY, nothing_due
from .core.cookie import CookieOptions
from .core.errors import ConfigurationError, ProofRefused
from .core.events import UnknownToken
from .core.origin import SAFE_METHODS
from .core.problem import Problem
from .core.record import Client
from .core.session import Session
from .core.transport import FAILED, Header, Transport, merged, taken
from .manager import AsyncSessionManager, SessionManager
from .manager.cleanup import ThreadedCleanup

if TYPE_CHECKING:
    from .adopt import AdoptedSession, Adoption
    from .browser import Answer, BrowserOptions, Request
    from .core.binding import Shown
    from .core.rivals import Rivals

__all__ = ["EXCHANGE_KEY", "Environ", "Exchange", "Wiring", "look_up"]

# Any: WSGI's own; Django's request.META is one too.
Environ = Mapping[str, Any]
HeaderList = list[tuple[str, str]]

EXCHANGE_KEY = "sojourn.exchange"


class Wiring:
    """What all requests of one application share. The options are SessionMiddleware's."""

    def __init__(  # noqa: PLR0913  # options, each by its name
        self,
        manager: SessionManager,
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
        if isinstance(manager, AsyncSessionManager):
            raise ConfigurationError("This is an AsyncSessionManager, and threads need a SessionManager: open_store().")
        if not isinstance(manager, SessionManager):
            raise ConfigurationError(f"A SessionManager is needed here, and this is of type {type(manager).__name__}.")
        if adopt is not None:
            adopt.check(manager)
        self._adopt = adopt
        self.manager = manager
        self._as_keyed: Callable[[Session], None] | None = None
        if user_key is not None:
            from .core.user_key import keyed

            self._as_keyed = partial(keyed, user_key=user_key)
        options = (cookie, trusted_origins, script_readable_tokens, cross_site_paths, clear_cache_at_logout)
        self.transport = Transport(*options, public_origin, endpoints_path)
        manager._require_binding(self.transport, adopt is not None)
        self._binds, place = self.transport.binds, self.transport.place
        self._cookies: Callable[..., Cookies] | None = None
        if place is not None:
            from .core.dbsc import Cookies  # here: most applications bind no session

            self._cookies, self._find_bound = Cookies, place.find
        self._find_cookie = self.transport.cookie.find
        self._cleanup = ThreadedCleanup(manager, cleanup_interval)
        self._cleanup_schedule = self._cleanup.schedule

    def refusal(self, environ: Environ) -> Problem | None:
        """Why this request may not be served, if it may not: ask before `open`."""
        bearer = self.is_bearer(environ)
        if not bearer and environ["REQUEST_METHOD"] in SAFE_METHODS:
            return None
        return self.transport.refusal(environ["REQUEST_METHOD"], look_up(environ), bearer, _path(environ))

    def is_bearer(self, environ: Environ) -> bool:
        """Whether a script sent the request, its token apart from the cookies."""
        may_be = "HTTP_AUTHORIZATION" in environ or "HTTP_SOJOURN_TRANSPORT" in environ
        return may_be and self.transport.is_bearer(look_up(environ))

    def open(self, environ: Environ, shown: str | None = None) -> Exchange:
        """Open the session that the request shows, by at most one read. Raises StoreUnavailable.

        `shown` is the cookie's value where the environ says none: Django's own middleware hands on no more. No frame
        that a store's failure passes through holds a token: a reporter of errors sends what frames hold.
        """
        outer = environ.get(EXCHANGE_KEY)
        if outer is not None and outer.cookie == self.transport.cookie.name:
            raise ConfigurationError("Two session layers of Sojourn are there, one inside the other. Take one out.")
        bearer, adopted, rivals = self.is_bearer(environ), None, None
        if bearer or shown is not None or self._adopt is not None:
            tokens, adopted = self._find(environ, bearer, shown)
            shown = None
        else:
            tokens = self._find_cookie(environ.get("HTTP_COOKIE", "").encode("latin-1", "replace"))
        presented = self._presented(environ, bearer) if self._binds else None
        try:
            if len(tokens) == 1:
                session = self.manager.open(tokens.pop(), presented=presented)
            elif tokens:
                session, rivals = self._open_several(tokens, environ, presented)
            else:
                session = adopted.session if adopted else self.manager.anonymous(presented=presented)
        except ProofRefused as error:
            if not bearer:
                self.transport.note_unproved(error, look_up(environ), _path(environ))
            raise
        if self._as_keyed is not None:
            self._as_keyed(session)
        if (now := monotonic()) >= self._cleanup_schedule.at:
            self._cleanup.start_if_due(now)
        exchange = Exchange(self, session, environ, bearer)
        exchange.rivals = rivals
        if adopted is not None:
            exchange.note_adopted(adopted)
        return exchange

    def _presented(self, environ: Environ, bearer: bool) -> Shown | None:
        method = environ.get("REQUEST_METHOD", "")
        more = "HTTP_DPOP" in environ or "HTTP_SECURE_SESSION_SKIPPED" in environ
        if more or bearer or method != "GET" or self._cookies is None:
            return self.transport.presented(look_up(environ), bearer, method, _path(environ))
        # Most requests: nothing for a key beside their cookies, and so their path is not asked for.
        bound = self._find_bound(environ.get("HTTP_COOKIE", ""))
        return self._cookies(bound, reads=environ.get("HTTP_SEC_FETCH_DEST", "empty") == "empty")

    def _find(self, environ: Environ, bearer: bool, shown: str | None) -> tuple[list[str], AdoptedSession | None]:
        if bearer:
            return self.transport.tokens(look_up(environ), True), None
        said = environ.get("HTTP_COOKIE", "") if shown is None else f"{self.transport.cookie.name}={shown}"
        cookies = said.encode("latin-1", "replace")
        tokens = self.transport.cookie.find(cookies)
        if self._adopt is None or (tokens := self._adopt.ours(tokens)):
            return tokens, None
        client = Client.of(environ.get("REMOTE_ADDR"), environ.get("HTTP_USER_AGENT", ""))
        return tokens, self._adopt.open(self.manager, cookies, client)

    def _open_several(
        self, values: list[str], environ: Environ, presented: Shown | None
    ) -> tuple[Session, Rivals | None]:
        if len(set(values)) == 1:
            return self.manager.open(taken(values), presented=presented), None
        from .core.rivals import Rivals, counting, secrets_by_session  # here: most requests show one token

        live, over, sessions = [], [], secrets_by_session(values)
        values.clear()
        for secrets in sessions:
            for token in secrets:
                with suppress(ProofRefused):  # without its key, it is nobody's here
                    session = self.manager.open(token.reveal(), presented=presented)
                    if session._live is not None:
                        live.append(session)
                        break
                    over.append(session)
        found = counting(live, over)
        contested = found is None
        if found is None:
            found = self.manager.anonymous(refused=UnknownToken(at=self.manager.clock(), cause="ambiguous"))
        name, host = self.transport.cookie.name, environ.get("HTTP_HOST", "")
        return found, Rivals(name, host, _path(environ), live if contested else (), contested)


class Exchange:
    """A session on its way through a request.

    An integration calls `finish` before the first byte of the response, then `add_headers`, and
    `check_late_changes` when all is sent.
    """

    # Defaults on the class: a request makes one of these, and most never set them.
    reply = NO_REPLY
    rivals: Rivals | None = None
    _failed = _logged_out = False
    _forget: str | None = None

    def __init__(self, wiring: Wiring, session: Session, environ: Environ, bearer: bool) -> None:
        self._wiring = wiring
        self.session = session
        session._offers = wiring.transport.place is not None and not bearer
        # Not the environ: it may hold this exchange, and a cycle would wait for the garbage collector.
        self._ip = environ.get("REMOTE_ADDR")
        self._agent = environ.get("HTTP_USER_AGENT", "")
        plain = environ.get("wsgi.url_scheme") == "http" and environ.get("HTTP_X_FORWARDED_PROTO") != "https"
        self._plain_host = environ.get("HTTP_HOST") if plain else None
        self.bearer = bearer

    @property
    def manager(self) -> SessionManager:
        """The manager that opened the session."""
        return self._wiring.manager

    @property
    def cookie(self) -> str:
        """The name of the cookie that carries this session."""
        return self._wiring.transport.cookie.name

    def note_adopted(self, adopted: AdoptedSession) -> None:
        """The session was another layer's: the browser gets ours, and forgets the old one's cookie, in one answer."""
        self.reply = adopted.reply
        self._forget = adopted.forget_header(self._wiring.transport.cookie)

    def take_over(self, other: Exchange) -> None:
        """Tell the browser what `other`, of the same request, has to tell."""
        self.reply, self.rivals, self._logged_out = other.reply, other.rivals, other._logged_out

    def commit(self) -> None:
        """Write what was changed so far. What it raises is SessionManager.commit's."""
        session = self.session
        if session._live is None or session._wish:
            session.client = Client.of(self._ip, self._agent)
        if self.rivals is not None:
            for rival in self.rivals.to_end(session):
                self._wiring.manager.commit(rival)
        self._logged_out = self._logged_out or session._logged_out
        reply = self._wiring.manager.commit(session)
        # After a log-out a token that this request was to give is dead.
        if reply is not NO_REPLY or session._token is None:
            self.reply = reply

    def finish(self, status: int) -> None:
        """Commit what is due, and refuse changes from here on: the response starts. Raises as `commit`.

        With a `status` of 500 or more nothing is kept: frameworks make such answers of a handler's exception.
        """
        if status >= FAILED:
            self._failed = True
        elif not nothing_due(self.session, self._wiring.manager.policy):
            self.commit()
        self.session._sealed = True

    @property
    def is_silent(self) -> bool:
        """Whether the browser need not be told anything of the session."""
        silent = self.reply is NO_REPLY and self.session._proved is None and self.session._told is None
        return silent and (self.rivals is None or not self.rivals.is_contested)

    def add_headers(self, headers: HeaderList) -> None:
        """Put into a response's headers, in place, what caches and the browser must know."""
        transport = self._wiring.transport
        if self.is_silent and not any([name.lower() == "vary" for name, _ in headers]):
            # Most answers: nothing of the application's own is in the way.
            if self.session._accessed:
                headers.append(("Vary", transport.vary))
            return
        needed = transport.answer(self.session, self.reply, self.bearer, self._forget, self.rivals, self._logged_out)
        if needed:
            # As WSGI applications spell them: other middleware may look for just that.
            headers[:] = merged(headers, [(name.title(), value) for name, value in needed])
        if self._plain_host is not None and self.reply.token and not self.bearer:
            transport.warn_of_plain_http("http", self._plain_host)

    def check_late_changes(self) -> None:
        """Raise SessionCommitted where something was changed, nested deep, after `finish`."""
        if not self._failed:
            check_late(self.session._changes())

    def answer_browser(self, request: Request, options: BrowserOptions) -> Answer:
        """Answer a request to the browser endpoints, its commit included. Raises as `commit`."""
        from .browser import Answer, answer, perform, plan, to_send

        found = plan(request, self.session, options)
        if not isinstance(found, Answer):
            result = perform(found, self.session, self.manager)
            # The commit's own outcome is part of the answer: a new id, the merged data.
            self.commit()
            found = answer(found, self.session, result, options, self.manager.clock())
        return to_send(found, request.method)


def _path(environ: Environ) -> str:
    """The whole path, as far as the server tells, in Unicode, which PEP 3333 spells otherwise."""
    path: str = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    return path if path.isascii() else path.encode("latin-1", "replace").decode("utf-8", "replace")


def look_up(environ: Environ) -> Header:
    """A look-up of the request's headers."""
    return lambda name: environ.get("HTTP_" + name.upper().replace("-", "_"))
