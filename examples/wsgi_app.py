"""A plain WSGI application with log-in, a bag and a page that uses the browser client: no framework.

waitress-serve --port 8000 examples.wsgi_app:app       then open http://localhost:8000
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from hmac import compare_digest
from pathlib import Path
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

from sojourn import LoginRequired, Policy, Session, SessionManager, open_store
from sojourn.wsgi import BrowserEndpoints, SessionMiddleware, mount, session_of

PAGE = Path(__file__).with_name("browser.html").read_bytes()

manager = SessionManager(
    open_store(os.environ.get("SOJOURN_STORE", "sqlite:///sessions.sqlite3")),
    Policy(idle_timeout=15 * 60, absolute_timeout=8 * 3600, max_sessions=5),
)


def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    name, _, rest = environ["PATH_INFO"].removeprefix("/").partition("/")
    if not name:
        start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
        return [PAGE]
    handler = HANDLERS.get((environ["REQUEST_METHOD"], name))
    status, found = handler(session_of(environ), environ, rest) if handler else ("404 Not Found", {})
    start_response(status, [("Content-Type", "application/json")])
    return [json.dumps(found).encode()]


Answer = tuple[str, object]


def log_in(session: Session, environ: WSGIEnvironment, _: str) -> Answer:
    """Everybody's password is "sesame". Yours are hashed, in your database."""
    form: dict[str, Any] = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
    if not compare_digest(form["password"].encode(), b"sesame"):
        return "403 Forbidden", {"detail": "This name and password do not go together."}
    session.login(form["user"])
    return "200 OK", {}


def add_to_bag(session: Session, _: WSGIEnvironment, item: str) -> Answer:
    """Works without a log-in too; a log-in takes the bag along."""
    bag: list[str] = session.setdefault("bag", [])
    bag.append(item)
    return "200 OK", bag


def account(session: Session, *_: object) -> Answer:
    if session.user_id is None:
        # Answered with 401, and why the session ended.
        raise LoginRequired(session.end_reason)
    return "200 OK", {"user": session.user_id}


HANDLERS: dict[tuple[str, str], Callable[[Session, WSGIEnvironment, str], Answer]] = {
    ("POST", "login"): log_in,
    ("POST", "bag"): add_to_bag,
    ("GET", "account"): account,
}

app = SessionMiddleware(mount(answer, "/session", BrowserEndpoints(writable={"theme"}, readable={"bag"})), manager)
