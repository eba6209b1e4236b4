"""Shops: the examples that are one shop in several frameworks, with examples/browser.html, and how each is served."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.conftest import StartServer
from tests.server import Server

__all__ = ["SHOPS", "serve_shop"]

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


def serve_shop(start_server: StartServer, name: str, folder: Path) -> Server:
    """The shop of this name, its store in `folder`, by the one command that its docstring names."""
    env = {
        "SOJOURN_STORE": f"sqlite:///{folder}/sessions.sqlite3",
        "SHOP_FOLDER": str(folder),
        "PYTHONPATH": str(ROOT),
    }
    return start_server([sys.executable, *SHOPS[name]], env=env)
