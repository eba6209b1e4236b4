"""Guests: real packages that keep what they want in `flask.session`."""

from __future__ import annotations

from typing import Any

import flask
from authlib.oidc.core import UserInfo  # type: ignore[import-untyped]
from flask_dance.consumer import OAuth2ConsumerBlueprint  # type: ignore[import-untyped]
from oauthlib.oauth2.rfc6749.tokens import OAuth2Token  # type: ignore[import-untyped]

from tests.flask.world import World


def test_flask_dance_keeps_its_token() -> None:
    world = World()
    dance = OAuth2ConsumerBlueprint(
        "shop", __name__, client_id="x", base_url="https://provider.test", token_url="https://provider.test/token"
    )
    world.app.register_blueprint(dance, url_prefix="/dance")

    @world.app.get("/signed-in")
    def signed_in() -> Any:
        dance.token = OAuth2Token({"access_token": "t", "scope": ["mail"], "token_type": "bearer", "expires_in": 60})
        return {}

    @world.app.get("/token")
    def token() -> Any:
        return {"token": dance.token["access_token"], "authorized": dance.session.authorized}

    assert world.browser.get("/signed-in").status_code == 200
    assert world.browser.get("/token").json == {"token": "t", "authorized": True}


def test_authlib_s_userinfo_is_kept_as_json() -> None:
    world = World()

    @world.app.get("/signed-in")
    def signed_in() -> Any:
        flask.session["user"] = UserInfo(sub="ada", groups=("a", "b"))
        return {}

    assert world.browser.get("/signed-in").status_code == 200
    assert world.browser.get("/show").json == {"user": {"sub": "ada", "groups": ["a", "b"]}}
