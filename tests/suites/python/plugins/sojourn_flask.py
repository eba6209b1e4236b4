"""Our sessions in every Flask application of a test run, from its first request on: a plugin of pytest."""

from __future__ import annotations

from typing import Any

from flask import Flask, Request
from flask.sessions import SecureCookieSessionInterface, SessionInterface

from sojourn import SessionManager
from sojourn.flask import init_app
from sojourn.stores.store_url import open_store


class AtFirstRequest(SessionInterface):
    """What an application has before: it may yet be set up, and init_app is to read its settings."""

    def open_session(self, app: Flask, request: Request) -> Any:
        app.session_interface = SecureCookieSessionInterface()
        init_app(app, SessionManager(open_store("memory:")))
        return app.session_interface.open_session(app, request)

    def save_session(self, app: Flask, session: Any, response: Any) -> None:
        raise AssertionError("There is no session of this one's.")


Flask.session_interface = AtFirstRequest()
