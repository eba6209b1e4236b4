"""SojournInterface: what Flask asks for each request's session."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Flask, Request, Response, current_app, request
from flask.sessions import SessionInterface, SessionMixin

from sojourn.core.errors import ConfigurationError, SojournError, StoreUnavailable
from sojourn.core.problem import Problem, problem_to_send
from sojourn.exchange import Exchange, Wiring

from .session import FlaskSession, as_flask_session
from .settings import refuse_late_settings

__all__ = ["SojournInterface", "answer_with"]


class SojournInterface(SessionInterface):
    """Opens a request's session, and commits it when the response is ready."""

    def __init__(self, wiring: Wiring, user_key: str | None, settings: Mapping[str, Any]) -> None:
        self.wiring = wiring
        self.user_key = user_key
        self.settings = settings
        # One per application: a request may be handed from one to another with its environ.
        self._key = f"sojourn.flask.{id(self)}"
        self.without_csrf_tokens: list[Blueprint] = []
        self._begun = False

    def open_session(self, app: Flask, request: Request) -> FlaskSession:
        """The request's session. Where it may not have one, `before_request` says why, before the application runs."""
        environ, wiring = request.environ, self.wiring
        refusal = wiring.refusal(environ)
        found: Exchange | Problem | SojournError | None = refusal
        if refusal is None or (refusal.code == "cross-origin" and _has_csrf_tokens(app, environ["REQUEST_METHOD"])):
            try:
                found = wiring.open(environ)
            except SojournError as error:
                found = error
        environ[self._key] = found
        if type(found) is Exchange:
            return as_flask_session(found.session, self.user_key)
        return as_flask_session(wiring.manager.anonymous(), self.user_key)

    def before_request(self) -> Response | None:
        """Flask's before_request: answer what may not be served, raise what went wrong."""
        if not self._begun:
            self._begin(current_app)
        found = _environ().get(self._key)
        if type(found) is Exchange:
            return None
        if isinstance(found, Problem):
            return answer_with(found)
        if isinstance(found, SojournError):
            raise found
        raise ConfigurationError(
            "Another extension replaced app.session_interface after sojourn.flask.init_app. Remove it: an application "
            "has one session layer."
        )

    def _begin(self, app: Flask) -> None:
        """At the first request all is set up, whatever the order was. Raises ConfigurationError for a late setting."""
        refuse_late_settings(app.config, self.settings)
        csrf: Any = app.extensions.get("csrf")
        for endpoints in self.without_csrf_tokens if hasattr(csrf, "exempt") else ():
            csrf.exempt(endpoints)
        self._begun = True

    def exchange(self) -> Exchange:
        """The exchange of the request at hand. Raises ConfigurationError where there is none."""
        found = _environ().get(self._key)
        if type(found) is not Exchange:
            raise ConfigurationError("This request has no session: it was refused, or is not this application's.")
        return found

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Commit, and put into the response what browser and caches must know; a problem instead where it failed."""
        exchange = _environ().get(self._key)
        if type(exchange) is not Exchange:
            return
        assert isinstance(session, FlaskSession)
        streamed = response.is_streamed
        session.note_answer(whole=not streamed)
        try:
            exchange.finish(response.status_code)
        except SojournError as error:
            self._replace(app, exchange, response, error)
            streamed = response.is_streamed
        headers = response.headers
        if exchange.is_silent and not any([name.lower() == "vary" for name, _ in headers]):
            if exchange.session._accessed:
                headers.add("Vary", self.wiring.transport.vary)
        else:
            told = headers.to_wsgi_list()
            exchange.add_headers(told)
            headers[:] = told
        if streamed:
            response.call_on_close(exchange.check_late_changes)

    def _replace(self, app: Flask, exchange: Exchange, response: Response, error: SojournError) -> None:
        """Answer with what the application's error handler makes of `error`, which may leave a flash message."""
        _become(response, app.make_response(app.handle_user_exception(error)))
        if isinstance(error, StoreUnavailable):
            return
        try:
            exchange.finish(response.status_code)
        except SojournError as again:
            _become(response, answer_with(problem_to_send(again)))


def _environ() -> dict[str, Any]:
    # Each attribute by way of the proxy is dear.
    at_hand: Request = request._get_current_object()  # type: ignore[attr-defined]  # Flask types the proxy as what it is for
    return at_hand.environ


def answer_with(problem: Problem) -> Response:
    """A problem as Flask's response."""
    return Response(problem.body(), problem.status, problem.headers())


def _become(response: Response, other: Response) -> None:
    close = getattr(response.response, "close", None)
    if close is not None:
        close()
    # What CORS said is true of any answer to this request, and without it, or with it twice, as flask-cors speaks for
    # error handlers too, a page of another origin cannot read one.
    said = [pair for pair in response.headers if pair[0].lower().startswith("access-control-")]
    cors = [pair for pair in said if pair[0] not in other.headers]
    response.response, response.status = other.response, other.status
    response.direct_passthrough = other.direct_passthrough
    response.headers[:] = [*other.headers, *cors]


def _has_csrf_tokens(app: Flask, method: str) -> bool:
    """Whether Flask-WTF's CSRFProtect looks after this request: it checks tokens, and knows the exempt views."""
    config: dict[str, Any] = app.config
    return bool(
        "csrf" in app.extensions
        and config.get("WTF_CSRF_ENABLED")
        and config.get("WTF_CSRF_CHECK_DEFAULT")
        and method in config.get("WTF_CSRF_METHODS", ())
    )
