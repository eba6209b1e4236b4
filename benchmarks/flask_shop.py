"""The shop in Flask, bare or with Flask-Session over Redis, called as a WSGI server would call it."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from itertools import count
from typing import Any

from .request import new_scope
from .shop import SESSION

__all__ = ["FLASK", "FLASK_SESSION", "FlaskShop", "flask_is_there", "views"]

FLASK = "Flask, no sessions"
FLASK_SESSION = "Flask-Session, Redis"

Headers = list[tuple[str, str]]


class FlaskShop:
    """One application; with a Redis at `url` it keeps sessions there, without one it has none."""

    def __init__(self, url: str | None) -> None:
        # By name: the environment that checks types has no such packages.
        flask = import_module("flask")
        self._app: Callable[..., Any] = _app(flask, url)
        self._cookie = b""
        if url:
            (headers,) = self.visit("/fill")
            self._cookie = next(value for name, value in headers if name == "Set-Cookie").partition(";")[0].encode()
        self.visit("/read")

    def visit(self, path: str) -> list[Headers]:
        """Ask for one page, as the browser with the session; the headers of the answer."""
        return self.call(self.environ(path))

    def forget(self) -> None:
        """Visit as a new browser each time from here on."""
        self._cookie = b""

    def environ(self, path: str) -> dict[str, Any]:
        """What a WSGI server makes of the request."""
        return {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": path,
            "SCRIPT_NAME": "",
            "QUERY_STRING": "",
            "SERVER_NAME": "10.0.0.2",
            "SERVER_PORT": "8000",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "203.0.113.7",
            "wsgi.url_scheme": "https",
            "wsgi.version": (1, 0),
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
        } | {
            "HTTP_" + name.decode().upper().replace("-", "_"): value.decode()
            for name, value in new_scope(path, self._cookie)["headers"]
        }

    def call(self, environ: dict[str, Any]) -> list[Headers]:
        """Answer one request, and drop the body."""
        started: list[Headers] = []
        body = self._app(environ, lambda status, headers, exc_info=None: started.append(_ok(status, headers)))
        for _ in body:
            pass
        if hasattr(body, "close"):
            body.close()
        return started


def flask_is_there() -> bool:
    """Whether Flask and Flask-Session are installed."""
    return find_spec("flask") is not None and find_spec("flask_session") is not None


def _ok(status: str, headers: Headers) -> Headers:
    assert status.startswith("200 "), f"Flask answered {status}"
    return headers


def views(flask: Any) -> dict[str, Callable[[], str]]:
    """The pages that use the session, by what they do."""
    visits = count(100)

    def fill() -> str:
        flask.session.update(SESSION)
        return "dark"

    def read() -> str:
        return str(flask.session["theme"])

    def change() -> str:
        flask.session["visits"] = next(visits)
        return "dark"

    return {view.__name__: view for view in (fill, read, change)}


def _app(flask: Any, url: str | None) -> Any:
    app = flask.Flask(__name__)
    if not url:
        for path in ("/read", "/change"):
            app.add_url_rule(path, path, lambda: "dark")
        # Flask has no bare form: without a key its own session stays unopened.
        return app
    app.config.update(SESSION_TYPE="redis", SESSION_REDIS=import_module("redis").Redis.from_url(url))
    import_module("flask_session").Session(app)
    for path, view in views(flask).items():
        app.add_url_rule(f"/{path}", path, view)
    return app
