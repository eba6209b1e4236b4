"""Shops: the examples that are one shop in several frameworks, with examples/browser.html, and how each is served."""

from __future__ import annotations

import json
import os
import sys
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from tests.conftest import StartServer
from tests.server import Server

__all__ = ["SERVED", "SHOPS", "Visitor", "serve_shop"]

ROOT = Path(__file__).parents[1]
UVICORN = ["-m", "uvicorn", "--app-dir", str(ROOT / "examples"), "--port", "{port}"]

SHOPS = {
    "fastapi": [*UVICORN, "fastapi_app:app"],
    "litestar": [*UVICORN, "litestar_app:app"],
    "quart": [*UVICORN, "quart_app:app"],
    "asgi": [*UVICORN, "asgi_app:app"],
    "flask": ["-m", "flask", "--app", str(ROOT / "examples/flask_app.py"), "run", "--port", "{port}"],
    "wsgi": ["-m", "waitress", "--listen", "127.0.0.1:{port}", "examples.wsgi_app:app"],
    "django": [str(ROOT / "examples/django_app/manage.py"), "runserver", "--noreload", "{port}"],
}

GUNICORN = ["gunicorn", "--workers", "2", "--threads", "4", "--chdir", str(ROOT), "--bind", "127.0.0.1:{port}"]

# And those that speak WSGI on servers with threads and processes.
SERVED = {
    **SHOPS,
    "flask on waitress": ["-m", "waitress", "--listen", "127.0.0.1:{port}", "examples.flask_app:app"],
    "flask on gunicorn": ["-m", *GUNICORN, "examples.flask_app:app"],
    "wsgi on gunicorn": ["-m", *GUNICORN, "examples.wsgi_app:app"],
}


class Visitor:
    """A browser, as far as these need one: it keeps the session's cookie, which is Secure, as they do for localhost."""

    def __init__(self, server: Server, cookie: str = "") -> None:
        self._port = server.port
        self.cookie = cookie

    def __call__(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
        """The status, and the body: what it says where it is JSON, else its text."""
        connection = HTTPConnection("localhost", self._port, timeout=30)
        headers |= {"Cookie": self.cookie} if self.cookie else {}
        headers |= {"Content-Type": "application/json"} if body is not None else {}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        text = response.read()
        connection.close()
        for value in response.headers.get_all("Set-Cookie") or []:
            pair, _, attributes = value.partition("; ")
            if pair.startswith(("__Host-session=", "sessionid=")):
                self.cookie = "" if "Max-Age=0" in attributes else pair
        return response.status, json.loads(text) if text.startswith((b"{", b"[")) else text.decode()


def serve_shop(start_server: StartServer, name: str, folder: Path) -> Server:
    """The shop of this name, its store in `folder`, by the one command that its docstring names."""
    env = {
        "SOJOURN_STORE": f"sqlite:///{folder}/sessions.sqlite3",
        "SHOP_FOLDER": str(folder),
        # After what the tests themselves look in first: another release of Django, say.
        "PYTHONPATH": os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(ROOT)])),
    }
    return start_server([sys.executable, *SERVED[name]], env=env)
