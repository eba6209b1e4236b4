"""SessionMiddleware: a session for every request of a WSGI application (PEP 3333)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from sojourn.core.cookie import CookieOptions
from sojourn.core.errors import SojournError
from sojourn.core.problem import problem_to_send
from sojourn.exchange import EXCHANGE_KEY, Wiring
from sojourn.manager import SessionManager

from .answer import WSGIAnswer, send_problem

if TYPE_CHECKING:
    from sojourn.adopt import Adoption

__all__ = ["SessionMiddleware"]


class SessionMiddleware:
    """Opens a Session for each request, for `session_of(environ)` and `environ["sojourn.session"]`, and commits it.

    An unsafe request from another origin is refused (403), unless the origin is in `trusted_origins`, or its whole path
    in `cross_site_paths`, as where an identity provider posts back to: docs/security.md. A store that does not answer
    is a 503, never an anonymous session. The commit comes before the response's first byte: a later change raises
    SessionCommitted. A response with a status of 500 or more keeps no change.

    `script_readable_tokens` lets browser code hold the token itself and send it in `Authorization`: a script that is
    injected into a page can then steal it, which it cannot with the cookie. docs/security.md says more.
    With a log-out the browser empties its cache, so that its Back button shows nothing of who left
    (`Clear-Site-Data`), unless `clear_cache_at_logout` is False.
    `user_key`: the key under which the application keeps who is logged in, as under another layer: to set it is to log
    in, to remove it to log out. With a dot it goes deeper. None for an application that calls `session.login` only.
    `cleanup_interval` is about how often, in seconds, this process deletes rows that are dead for long, in a thread of
    its own; None never. `adopt` takes over the sessions of another layer: docs/migrating.md.
    `public_origin`: the origin that browsers see, such as "https://app.example.com", for a policy that binds sessions
    to keys, and `endpoints_path` where BrowserEndpoints are mounted, for browsers that do: docs/binding.md.

    What is raised before the response has begun, such as StoreUnavailable, is answered with a problem: docs/errors.md.
    A developer's mistake is raised on: InvalidData, SessionCommitted and ConfigurationError; at once, where it is a
    manager for an event loop or an origin that is none.
    """

    def __init__(  # noqa: PLR0913  # options, each by its name
        self,
        app: WSGIApplication,
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
        self.app = app
        self.manager = manager
        self._wiring = Wiring(
            manager,
            cookie=cookie,
            trusted_origins=trusted_origins,
            cross_site_paths=cross_site_paths,
            script_readable_tokens=script_readable_tokens,
            clear_cache_at_logout=clear_cache_at_logout,
            cleanup_interval=cleanup_interval,
            adopt=adopt,
            public_origin=public_origin,
            endpoints_path=endpoints_path,
            user_key=user_key or (adopt.user_key if adopt else None),
        )
        self._wiring.transport.warn_of_name()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        refusal = self._wiring.refusal(environ)
        if refusal is not None:
            return send_problem(environ, start_response, refusal)
        try:
            exchange = self._wiring.open(environ)
        except SojournError as error:
            return send_problem(environ, start_response, problem_to_send(error))
        environ[EXCHANGE_KEY], environ["sojourn.session"] = exchange, exchange.session
        answer = WSGIAnswer(exchange, environ, start_response)
        try:
            body = self.app(environ, answer.start)
        except SojournError as error:
            return answer.fail(error)
        return answer.begin_with(body)
