"""Flask with Authlib: as docs/security.md has it."""

from __future__ import annotations

import os
from urllib.parse import urlencode

from authlib.integrations.flask_client import OAuth, OAuthError  # type: ignore[import-untyped]
from flask import Flask, redirect, request, url_for
from flask.typing import ResponseReturnValue

from sojourn import SessionManager, open_store
from sojourn.flask import init_app, session

PROVIDER = os.environ["SITE_PROVIDER"]

app = Flask(__name__)
init_app(app, SessionManager(open_store(os.environ["SITE_STORE"])), cross_site_paths={"/back"})
provider = OAuth(app).register(
    "provider",
    client_id="shop",
    client_secret="s",
    server_metadata_url=f"{PROVIDER}/.well-known/openid-configuration",
    client_kwargs={"scope": "openid profile"},
)


@app.get("/")
def show() -> ResponseReturnValue:
    return {"user": session.user_id, "cart": session.get("cart", []), "userinfo": session.get("user")}


@app.get("/add")
def add() -> ResponseReturnValue:
    session["cart"] = ["tea"]
    return "added"


@app.get("/enter")
def enter() -> ResponseReturnValue:
    answer: ResponseReturnValue = provider.authorize_redirect(url_for("back", _external=True))
    return answer


@app.post("/back")
def posted_back() -> ResponseReturnValue:
    return redirect("/back?" + urlencode([*request.form.items()]), 303)


@app.get("/back")
def back() -> ResponseReturnValue:
    try:
        token = provider.authorize_access_token()
    except OAuthError as error:
        return str(error), 403
    session.login(token["userinfo"]["sub"])
    session["user"] = token["userinfo"]  # as Authlib's own examples do
    return redirect("/")
