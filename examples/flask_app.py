"""A Flask application with log-in, a bag, devices, and a page that uses the browser client.

flask --app examples/flask_app.py run --port 8000       then open http://localhost:8000
"""

from __future__ import annotations

import os
from hmac import compare_digest
from pathlib import Path

from flask import Flask, abort, request

from sojourn import Lifetime, LoginRequired, Policy, ReauthenticationRequired, SessionManager, open_store
from sojourn.flask import BrowserEndpoints, init_app, session

PAGE = Path(__file__).with_name("browser.html").read_text("utf-8")


manager = SessionManager(
    open_store(os.environ.get("SOJOURN_STORE", "sqlite:///sessions.sqlite3")),
    Policy(
        idle_timeout=15 * 60,
        absolute_timeout=8 * 3600,
        remember=Lifetime(idle_timeout=7 * 86400, absolute_timeout=30 * 86400),
        max_sessions=5,
    ),
)
app = Flask(__name__)
init_app(app, manager)
app.register_blueprint(BrowserEndpoints(writable={"theme"}, readable={"bag"}))
app.register_error_handler(403, lambda error: ({"detail": error.description}, 403))


@app.get("/")
def page() -> str:
    return PAGE


@app.post("/login")
def login() -> dict[str, str]:
    """Everybody's password is "sesame". Yours are hashed, in your database."""
    form = request.get_json()
    if not compare_digest(form["password"].encode(), b"sesame"):
        abort(403, "This name and password do not go together.")
    session.login(form["user"], remember=form.get("remember", False))
    return {}


@app.post("/bag/<item>")
def add_to_bag(item: str) -> list[str]:
    """Works without a log-in too; a log-in takes the bag along."""
    bag: list[str] = session.setdefault("bag", [])
    bag.append(item)
    return bag


def user(*, within: float | None = None) -> str:
    """Who is logged in; an error, answered with 401, where nobody is, or not in the last `within` seconds."""
    at = session.authenticated_at
    if session.user_id is None or at is None:
        raise LoginRequired(session.end_reason)
    if within is not None and session.opened_at - at > within * 1000:
        raise ReauthenticationRequired(within)
    return session.user_id


@app.get("/account")
def account() -> dict[str, str | int]:
    return {"user": user(), "devices": len(manager.list(user()))}


@app.post("/password")
def change_password() -> dict[str, int]:
    """Ends every other session of the user, and renews this one."""
    ended = manager.revoke_all(user(within=300), keep=session.id)
    session.regenerate()
    return {"ended": ended}
