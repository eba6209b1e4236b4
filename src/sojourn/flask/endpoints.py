"""BrowserEndpoints: the endpoints of sojourn.browser as a Flask blueprint."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from flask import Blueprint, Response, current_app, request
from flask.blueprints import BlueprintSetupState

from sojourn.browser import BrowserOptions, Request
from sojourn.browser.endpoints import MAX_BODY, REAUTHENTICATE_WITHIN
from sojourn.core.errors import ConfigurationError
from sojourn.core.user_key import user_member

from .interface import SojournInterface, answer_with

__all__ = ["BrowserEndpoints"]

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


class BrowserEndpoints(Blueprint):
    """What the browser client calls: `app.register_blueprint(BrowserEndpoints(readable={"theme"}))`, at `/session`.

    `writable` names the keys of a session that its browser may write, and read; `readable` those that it may only
    read. The server's own stay unseen. Sessions elsewhere are ended only by who logged in in the last
    `reauthenticate_within` seconds (ASVS 7.5.2); None asks for no recent log-in. Another place: `url_prefix`. Flask-WTF
    asks no token here: these take JSON from your own origin only. Raises ConfigurationError for keys that no browser
    may have, and where it is registered before `init_app` was called.
    """

    def __init__(
        self,
        *,
        readable: Collection[str] = (),
        writable: Collection[str] = (),
        reauthenticate_within: float | None = REAUTHENTICATE_WITHIN,
        url_prefix: str = "/session",
    ) -> None:
        super().__init__("sojourn", __name__, url_prefix=url_prefix)
        self._options = BrowserOptions(readable, writable, reauthenticate_within)
        for rule in ("", "/", "/<path:path>"):
            self.add_url_rule(rule, "endpoints", self._answer, methods=METHODS, strict_slashes=False)
        self.record(self._join)

    def _join(self, state: BlueprintSetupState) -> None:
        interface = state.app.extensions.get("sojourn")
        if not isinstance(interface, SojournInterface):
            raise ConfigurationError("BrowserEndpoints needs sessions: call sojourn.flask.init_app(app, …) before.")
        member = user_member(interface.user_key)
        if member in self._options.writable:
            raise ConfigurationError(f"writable has {member!r}, which says who is logged in: no browser may write it.")
        interface.without_csrf_tokens.append(self)

    def _answer(self, path: str = "") -> Response:
        interface: Any = current_app.session_interface
        assert isinstance(interface, SojournInterface)
        # Where Flask-WTF looks after the application, the check of the origin is still made here.
        refusal = interface.wiring.refusal(request.environ)
        if refusal is not None:
            return answer_with(refusal)
        asked = Request(
            # Werkzeug leaves the body out by itself, and counts it.
            "GET" if request.method == "HEAD" else request.method,
            f"/{path}" if path else "",
            request.content_type or "",
            _read_body(),
            request.headers.get("If-None-Match", ""),
        )
        answer = interface.exchange().answer_browser(asked, self._options)
        return Response(answer.body, answer.status, list(answer.headers))


def _read_body() -> bytes:
    length = request.content_length
    if length is not None and length <= MAX_BODY:
        # Also what a before_request of the application read already.
        return request.get_data()
    # One byte more than is allowed is enough to know.
    return request.stream.read(MAX_BODY + 1)
