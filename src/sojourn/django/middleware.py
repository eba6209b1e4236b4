"""SessionMiddleware: Django's own, but for the cookie: it is sent when it changes, and never a token that grew old."""

from __future__ import annotations

from collections.abc import Callable, Container
from http.cookies import Morsel
from typing import Any

from django.conf import settings
from django.contrib.sessions.middleware import SessionMiddleware as DjangoSessionMiddleware
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers

from sojourn.core.commit import nothing_due
from sojourn.core.errors import ConfigurationError, SojournError
from sojourn.core.problem import Problem, problem_of, problem_to_send
from sojourn.core.transport import never_stored
from sojourn.exchange import Exchange, look_up

from . import process
from .engine import SessionStore, in_commit_thread
from .lazy_exchange import LazyExchange
from .stack import CSRF, has_middleware
from .start import require_tables

__all__ = ["SessionMiddleware", "problem_response"]

# Where a request keeps the session that it came with, as applications may put another in its place.
FIRST = "_sojourn_first"


class SessionMiddleware(DjangoSessionMiddleware):
    """In MIDDLEWARE in the place of Django's: `sojourn.django.SessionMiddleware`.

    With it secrets are renewed, a cookie is sent only when it changes and with `no-store`, a store's outage is a 503,
    and what else Sojourn raises a problem. Tokens in Authorization work where SOJOURN allows them. It refuses unsafe
    requests of other origins where Django's CsrfViewMiddleware is not in use. Raises ConfigurationError for a wrong
    SOJOURN, and where SESSION_ENGINE is another.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        super().__init__(get_response)
        if not issubclass(self.SessionStore, SessionStore):
            raise ConfigurationError("sojourn.django.SessionMiddleware needs SESSION_ENGINE = 'sojourn.django'.")
        require_tables()
        self._guards = not has_middleware(CSRF)

    def process_request(self, request: HttpRequest) -> HttpResponse | None:  # type: ignore[override]
        """Refuse a request that may not be served, else give it its session."""
        wiring, meta = process.wiring(), request.META
        bearer = wiring.is_bearer(meta)
        refusal = wiring.refusal(meta) if bearer or self._guards else None
        if refusal is not None:
            return problem_response(refusal)
        if bearer:
            shown = next(iter(wiring.transport.tokens(look_up(meta), True)), None)
            # No other site can send such a request: CsrfViewMiddleware's own way to be told so.
            request._dont_enforce_csrf_checks = True  # type: ignore[attr-defined]
        else:
            shown = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
        session = self.SessionStore(shown)
        lazy: LazyExchange = session.lazy_exchange  # type: ignore[attr-defined]  # see __init__
        lazy.environ, lazy.has_public_key = meta, True
        request.session = session
        setattr(request, FIRST, lazy)
        return None

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer what Sojourn raises in a view as a problem, where it is one."""
        problem = problem_of(exception) if isinstance(exception, SojournError) else None
        return None if problem is None else problem_response(problem)

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:  # type: ignore[override]
        """Commit, unless the server failed, and tell the browser what is due."""
        session = getattr(request, "session", None)
        if not isinstance(session, SessionStore):
            return response
        lazy = session.lazy_exchange
        first: LazyExchange | None = getattr(request, FIRST, None)
        if lazy.outage is not None and response.status_code >= 500:
            return problem_response(problem_to_send(lazy.outage))
        try:
            if first is not None and first is not lazy:
                lazy.take_over(first)
            if response.status_code < 500:
                lazy.finish()
        except SojournError as error:
            # What was committed before is told all the same: the token that the browser has may be over by that.
            response = problem_response(problem_to_send(error))
        self._add_headers(session, response)
        return response

    async def __acall__(self, request: HttpRequest) -> HttpResponseBase:
        # Threads only where there is something to write: no look at the session happens here.
        response: Any = self.process_request(request)
        if response is None:
            response = await self.get_response(request)  # type: ignore[misc]  # a coroutine, here
        session = getattr(request, "session", None)
        first = getattr(request, FIRST, None)
        if isinstance(session, SessionStore) and session.lazy_exchange is first and _is_calm(session):
            return self.process_response(request, response)
        return await in_commit_thread(self.process_response, request, response)

    @staticmethod
    def _add_headers(session: SessionStore, response: HttpResponseBase) -> None:
        exchange = session.lazy_exchange.exchange
        rivals = exchange.rivals if exchange is not None else None
        for name, value in session.lazy_exchange.headers():
            if name == "Vary":
                patch_vary_headers(response, value.split(", "))
            elif name == "Cache-Control":
                _never_store(response)
            elif name != "Set-Cookie":
                response[name] = value
            elif rivals is not None and value in rivals.lines:
                # Django keeps one cookie of a name.
                dict.__setitem__(response.cookies, value, _Line(value))
            elif not value.startswith(f"{settings.SESSION_COOKIE_NAME}="):
                # Another layer's, to be forgotten.
                response.cookies.load(value)
            else:
                _set_cookie(session, response)
        if session.lazy_exchange.cookie_due:
            _set_cookie(session, response)


def _set_cookie(session: SessionStore, response: HttpResponseBase) -> None:
    """Send the browser its token, or have it forget the one it has, as Django's settings say."""
    lazy = session.lazy_exchange
    if lazy.open().bearer:
        return
    if lazy.token is None:
        response.delete_cookie(
            settings.SESSION_COOKIE_NAME,
            path=settings.SESSION_COOKIE_PATH,
            domain=settings.SESSION_COOKIE_DOMAIN,
            samesite=settings.SESSION_COOKIE_SAMESITE,
        )
        return
    _never_store(response)
    response.set_cookie(
        settings.SESSION_COOKIE_NAME,
        lazy.token,
        max_age=_max_age(session, lazy.open()),
        domain=settings.SESSION_COOKIE_DOMAIN,
        path=settings.SESSION_COOKIE_PATH,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=settings.SESSION_COOKIE_HTTPONLY,
        samesite=settings.SESSION_COOKIE_SAMESITE,
    )


class _Line(Morsel[str]):
    """A whole Set-Cookie value."""

    def __init__(self, line: str) -> None:
        super().__init__()
        self._line = line

    def OutputString(self, attrs: Container[str] | None = None) -> str:  # noqa: N802  # Python's
        return self._line


def _never_store(response: HttpResponseBase) -> None:
    # What the application says besides may be stricter still, for caches that know no better.
    if not never_stored(response.get("Cache-Control", "")):
        response["Cache-Control"] = "no-store"


def _is_calm(session: SessionStore) -> bool:
    exchange = session.lazy_exchange.exchange
    return exchange is None or (
        "_session_expiry" not in exchange.session and nothing_due(exchange.session, exchange.manager.policy)
    )


def _max_age(session: SessionStore, exchange: Exchange) -> int | None:
    # As long as the session may last: it is the server that ends it when nobody comes, and no cookie is due before.
    live, max_age = exchange.session._live, exchange.reply.max_age
    if max_age is not None or live is None or session.get_expire_at_browser_close():
        return max_age
    return max(0, (live.absolute_expires_at - exchange.manager.clock()) // 1000)


def problem_response(problem: Problem) -> HttpResponse:
    """A problem as Django's response."""
    return HttpResponse(problem.body(), status=problem.status, headers=dict(problem.headers()))
