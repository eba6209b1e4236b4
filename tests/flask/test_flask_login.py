"""Flask-Login, unchanged, over Sojourn: its log-in makes a new session, and its log-out ends one."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask, flash, get_flashed_messages
from flask.testing import FlaskClient
from flask_login import (  # type: ignore[import-untyped]
    FlaskLoginClient,
    LoginManager,
    UserMixin,
    confirm_login,
    current_user,
    fresh_login_required,
    login_required,
    login_user,
    logout_user,
)

from sojourn import Policy
from sojourn.flask import session
from tests.flask.world import COOKIE, World

REMEMBER = "remember_token"


class User(UserMixin):  # type: ignore[misc]  # Flask-Login has no types
    def __init__(self, name: str) -> None:
        self.id = name


class Shop(World):
    """The world with Flask-Login's own views, as its documentation writes them."""

    def __init__(self, policy: Policy | None = None, **config: Any) -> None:
        app = Flask(__name__)
        app.config.update(SECRET_KEY="for the remember cookie", **config)
        login_manager = LoginManager(app)
        login_manager.user_loader(User)
        super().__init__(app, policy=policy)

        @app.post("/enter/<name>")
        def enter(name: str) -> Any:
            login_user(User(name))
            return {}

        @app.post("/remember/<name>")
        def remember(name: str) -> Any:
            login_user(User(name), remember=True)
            return {}

        @app.post("/permanent/<name>")
        def permanent(name: str) -> Any:
            session.permanent = True
            login_user(User(name))
            return {}

        @app.post("/leave")
        @login_required  # type: ignore[untyped-decorator]
        def leave() -> Any:
            logout_user()
            flash("Good bye")
            return {}

        @app.get("/me")
        @login_required  # type: ignore[untyped-decorator]
        def me() -> Any:
            return {"me": current_user.get_id(), "ours": session.user_id}

        @app.get("/fresh")
        @fresh_login_required  # type: ignore[untyped-decorator]
        def fresh() -> Any:
            return {}

        @app.post("/confirm")
        @login_required  # type: ignore[untyped-decorator]
        def confirm() -> Any:
            confirm_login()
            return {}

        @app.get("/flashed")
        def flashed() -> Any:
            return get_flashed_messages()


def has_cookie(browser: FlaskClient, name: str) -> bool:
    return browser.get_cookie(name) is not None


def test_a_log_in_is_ours_with_a_new_id_and_a_device_in_the_list() -> None:
    shop = Shop()
    shop.browser.post("/put", json={"cart": ["tea"]})
    planted = shop.token()
    assert shop.browser.get("/me").status_code == 401
    shop.browser.post("/enter/ada")

    assert shop.browser.get("/me").json == {"me": "ada", "ours": "ada"}
    assert shop.token()[:36] != planted[:36]
    assert shop.browser.get("/show").get_json()["cart"] == ["tea"]
    assert shop.new_browser(planted).get("/me").status_code == 401
    assert [each.user_id for each in shop.manager.list("ada")] == ["ada"]


def test_a_log_out_ends_the_session_and_keeps_what_is_flashed() -> None:
    shop = Shop()
    shop.browser.post("/put", json={"cart": ["tea"]})
    shop.browser.post("/enter/ada")
    token = shop.token()
    shop.browser.post("/leave")

    assert shop.manager.open(token).end_reason == "logout"
    assert shop.new_browser(token).get("/me").status_code == 401
    assert shop.browser.get("/me").status_code == 401
    assert shop.browser.get("/flashed").json == ["Good bye"]
    assert "cart" not in shop.browser.get("/show").get_json()


def test_a_revoked_session_logs_flask_login_out() -> None:
    shop = Shop()
    shop.browser.post("/enter/ada")
    shop.manager.revoke_all("ada")

    assert shop.browser.get("/me").status_code == 401


def test_another_user_gets_nothing_of_the_one_before() -> None:
    shop = Shop()
    shop.browser.post("/enter/ada")
    shop.browser.post("/put", json={"cart": ["tea"]})
    shop.browser.post("/enter/bob")

    assert shop.browser.get("/me").json == {"me": "bob", "ours": "bob"}
    assert "cart" not in shop.browser.get("/show").get_json()
    assert shop.manager.list("ada") == []


def test_to_log_in_again_is_to_authenticate_anew() -> None:
    shop = Shop()
    shop.browser.post("/enter/ada")
    first = shop.token()
    shop.now += 60_000
    shop.browser.post("/enter/ada")
    (now,) = shop.manager.list("ada")

    assert shop.token()[:36] != first[:36]
    assert now.authenticated_at == shop.now


def test_permanent_is_the_longer_life() -> None:
    shop = Shop()
    answer = shop.browser.post("/permanent/ada")

    assert f"; Max-Age={30 * 86400};" in answer.headers["Set-Cookie"]
    assert shop.manager.list("ada")[0].remember


def test_the_remember_cookie_begins_a_session_that_is_not_fresh() -> None:
    shop = Shop()
    shop.browser.post("/remember/ada")
    assert has_cookie(shop.browser, REMEMBER)
    assert shop.browser.get("/fresh").status_code == 200
    shop.browser.delete_cookie(COOKIE)

    assert shop.browser.get("/me").json == {"me": "ada", "ours": "ada"}
    assert shop.browser.get("/fresh").status_code == 401
    assert len(shop.manager.list("ada")) == 2
    restored = shop.token()
    shop.browser.post("/confirm")
    assert shop.browser.get("/fresh").status_code == 200
    assert shop.token()[:36] != restored[:36]


def test_a_log_out_takes_the_remember_cookie_along() -> None:
    shop = Shop()
    shop.browser.post("/remember/ada")
    shop.browser.post("/leave")

    assert not has_cookie(shop.browser, REMEMBER)
    assert shop.browser.get("/me").status_code == 401


def test_a_refused_log_in_leaves_no_remember_cookie() -> None:
    shop = Shop(Policy(max_sessions=1, on_limit="refuse"))
    shop.browser.post("/enter/ada")
    other = shop.new_browser()

    assert other.post("/remember/ada").status_code == 409
    assert not has_cookie(other, REMEMBER)
    assert other.get("/me").status_code == 401


@pytest.mark.parametrize("mode", ["basic", "strong"])
def test_session_protection_works(mode: str) -> None:
    shop = Shop(SESSION_PROTECTION=mode)
    shop.browser.post("/enter/ada", headers={"User-Agent": "Mine/1"})
    assert shop.browser.get("/fresh", headers={"User-Agent": "Mine/1"}).status_code == 200
    token = shop.token()

    assert shop.browser.get("/fresh", headers={"User-Agent": "Other/1"}).status_code == 401
    assert (shop.manager.open(token).status == "ended") == (mode == "strong")


def test_flask_login_s_own_test_client_works() -> None:
    shop = Shop()
    shop.app.test_client_class = FlaskLoginClient
    with shop.app.test_client(user=User("ada")) as browser:
        assert browser.get("/me").json == {"me": "ada", "ours": "ada"}


def test_reading_a_page_writes_nothing() -> None:
    shop = Shop()
    shop.browser.post("/enter/ada")
    shop.store.asked.clear()
    answer = shop.browser.get("/me")

    assert shop.store.asked == ["get"]
    assert "Set-Cookie" not in answer.headers
