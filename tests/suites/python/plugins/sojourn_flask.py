"""Our sessions in every Flask application of a test run, from its first request on: a plugin of pytest."""

from __future__ import annotations

from typing import Any

from flask import Flask, Request
from flask.sessions import SecureCookieSessionInterface, SessionInterface

from sojourn import SessionManager
from sojourn.flask import init_app
from sojourn.stores.store_url import open_store

MANAGERS: list[SessionManager] = []
"""Of the applications so far."""


def kept_in(cookie: str) -> dict[str, Any] | None:
    """What the session of this Set-Cookie line, or of this cookie's value, holds; None where it opens none."""
    token = cookie.partition("__Host-session=")[2].partition(";")[0] or cookie
    for manager in MANAGERS:
        session = manager.open(token)
        if session.status == "active":
            return dict(session)
    return None


class AtFirstRequest(SessionInterface):
    """What an application has before: it may yet be set up, and init_app is to read its settings."""

    def open_session(self, app: Flask, request: Request) -> Any:
        app.session_interface = SecureCookieSessionInterface()
        manager = SessionManager(open_store("memory:"))
        init_app(app, manager)
        MANAGERS.append(manager)
        return app.session_interface.open_session(app, request)

    def save_session(self, app: Flask, session: Any, response: Any) -> None:
        raise AssertionError("There is no session of this one's.")


Flask.session_interface = AtFirstRequest()
