"""A small Flask application with a session, for the tests."""

from __future__ import annotations

from typing import Any

from flask import Flask, jsonify, request
from flask.testing import FlaskClient

from sojourn import Policy, SessionManager
from sojourn.core.events import Event
from sojourn.flask import BrowserEndpoints, init_app, session
from tests.counting_store import CountingStore

COOKIE = "__Host-session"
URL = "https://shop.test"


class World:
    """An application, its manager on a clock that tests move, and a browser."""

    def __init__(
        self, app: Flask | None = None, *, policy: Policy | None = None, endpoints: bool = True, **options: Any
    ) -> None:
        self.now = 1_800_000_000_000
        self.events: list[Event] = []
        self.store = CountingStore()
        self.manager = SessionManager(self.store, policy, on_event=self.events.append, clock=lambda: self.now)
        self.app = app or Flask(__name__)
        self.app.testing = True
        init_app(self.app, self.manager, **options)
        if endpoints:
            self.app.register_blueprint(BrowserEndpoints(readable={"theme"}, writable={"theme"}))
        add_views(self.app)
        self._browser: FlaskClient | None = None

    @property
    def browser(self) -> FlaskClient:
        """The one that is the same throughout a test."""
        if self._browser is None:
            self._browser = self.new_browser()
        return self._browser

    def new_browser(self, token: str = "") -> FlaskClient:
        browser = self.app.test_client()
        if token:
            browser.set_cookie(COOKIE, token)
        return browser

    def token(self, browser: FlaskClient | None = None) -> str:
        """The token in the cookie jar; empty where there is none."""
        cookie = (browser or self.browser).get_cookie(COOKIE)
        return cookie.value if cookie else ""


def add_views(app: Flask) -> None:
    @app.post("/in/<user>")
    def log_in(user: str) -> Any:
        session.login(user)
        return {}

    @app.post("/out")
    def log_out() -> Any:
        session.logout()
        return {}

    @app.get("/show")
    def show() -> Any:
        return jsonify(dict(session))

    @app.post("/put")
    def put() -> Any:
        session.update(request.get_json())
        return {}

    @app.get("/plain")
    def plain() -> Any:
        return {"public": True}
