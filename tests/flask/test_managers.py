"""Flask over other managers: the session service, and one that takes over the sessions of Flask's own cookie."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask, flash, get_flashed_messages, jsonify
from flask import session as flask_session

from sojourn import Session, SessionManager
from sojourn.adopt import Adoption, FlaskCookie
from sojourn.flask import FlaskSession, init_app, session
from sojourn.remote import RemoteSessionManager
from sojourn.stores.memory import MemoryStore
from tests.conftest import StartServer
from tests.remote.service import command, make_key

KEY = "the application's secret key"


@pytest.fixture(scope="module")
def remote(start_server: StartServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RemoteSessionManager]:
    folder = tmp_path_factory.mktemp("service")
    key = make_key(folder / "keys.json")
    manager = RemoteSessionManager(start_server(command(folder, folder / "keys.json"), path="/health").url, key)
    yield manager
    manager.close()


def new_app() -> Flask:
    """An application that knows nothing of Sojourn: it runs on Flask's own sessions as well."""
    app = Flask(__name__)
    app.testing = True

    @app.post("/enter/<name>")
    def enter(name: str) -> Any:
        flask_session["_user_id"] = name
        flask_session["cart"] = ["tea"]
        flash("Welcome")
        return {}

    @app.post("/leave")
    def leave() -> Any:
        flask_session.clear()
        return {}

    @app.get("/show")
    def show() -> Any:
        return jsonify(user=flask_session.get("_user_id"), cart=flask_session.get("cart"), said=get_flashed_messages())

    return app


def test_a_session_of_the_service_is_flask_s(remote: RemoteSessionManager) -> None:
    app = new_app()
    init_app(app, remote)
    browser = app.test_client()
    with app.test_request_context():
        assert isinstance(session, FlaskSession)
        assert type(session._get_current_object()).__mro__.index(Session) > 1  # type: ignore[attr-defined]

    browser.post("/enter/ada")
    assert browser.get("/show").json == {"user": "ada", "cart": ["tea"], "said": ["Welcome"]}
    assert [each.user_id for each in remote.list("ada")] == ["ada"]
    cookie = browser.get_cookie("__Host-session")
    assert cookie is not None
    browser.post("/leave")
    assert remote.open(cookie.value).end_reason == "logout"


def test_who_was_signed_in_with_flask_s_own_cookie_stays_so() -> None:
    before, after = new_app(), new_app()
    before.secret_key = KEY
    manager = SessionManager(MemoryStore())
    until = datetime.now(UTC) + timedelta(days=30)
    init_app(after, manager, adopt=Adoption(FlaskCookie(KEY), until=until))
    old, new = before.test_client(), after.test_client()
    old.post("/enter/ada")
    cookie = old.get_cookie("session")
    assert cookie is not None
    new.set_cookie("session", cookie.value)
    answer = new.get("/show")

    assert answer.json == {"user": "ada", "cart": ["tea"], "said": ["Welcome"]}
    assert [each.user_id for each in manager.list("ada")] == ["ada"]
    assert new.get_cookie("session") is None
    assert new.get_cookie("__Host-session") is not None
    assert new.get("/show").json == {"user": "ada", "cart": ["tea"], "said": []}
