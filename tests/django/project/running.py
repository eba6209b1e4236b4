"""The project on a real server: gunicorn's processes and threads, forked after the project was loaded, or uvicorn's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from tests.server import Server, run_server

__all__ = ["SERVERS", "Visitor", "run_project"]

ROOT = Path(__file__).parents[3]
COOKIE = "sessionid"
GUNICORN = ["gunicorn", "tests.django.project.servers:wsgi", "--bind", "127.0.0.1:{port}", "--no-control-socket"]
UVICORN = ["uvicorn", "tests.django.project.servers:asgi", "--port", "{port}", "--log-level", "warning"]
SERVERS = {
    "gunicorn": [*GUNICORN, "--preload", "--workers", "2", "--worker-class", "gthread", "--threads", "8"],
    "uvicorn": [*UVICORN, "--workers", "2"],
}


@contextmanager
def run_project(server: str, layer: str, folder: Path, **env: str) -> Iterator[Server]:
    """The project, with a database, the superuser ada (sesame), and one of the two SessionMiddlewares."""
    paths = [os.environ.get("PYTHONPATH"), str(ROOT), str(ROOT / "src")]
    given = {
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "DJANGO_SETTINGS_MODULE": "tests.django.project.settings",
        "PROJECT_FOLDER": str(folder),
        "PROJECT_LAYER": layer,
        "DJANGO_SUPERUSER_PASSWORD": "sesame",
        **env,
    }
    made = ["createsuperuser", "--noinput", "--username", "ada", "--email", "ada@example.com"]
    for command in (["migrate", "--verbosity", "0"], made):
        subprocess.run(
            [sys.executable, "-m", "django", *command], env={**os.environ, **given}, check=True, capture_output=True
        )
    with run_server(
        [sys.executable, "-m", *SERVERS[server]], folder / "output.log", path="/plain", env=given
    ) as running:
        yield running


class Visitor:
    """A browser that keeps the session's cookie."""

    def __init__(self, port: int, token: str = "") -> None:
        self.port, self.token = port, token

    def twin(self) -> Visitor:
        """Another tab: the same cookie."""
        return Visitor(self.port, self.token)

    def __call__(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        connection = HTTPConnection("localhost", self.port, timeout=30)
        headers = {"Cookie": f"{COOKIE}={self.token}"} if self.token else {}
        connection.request(method, path, json.dumps(body), headers | {"Content-Type": "application/json"})
        response = connection.getresponse()
        text = response.read()
        connection.close()
        for value in response.headers.get_all("Set-Cookie") or []:
            if value.startswith(f"{COOKIE}="):
                self.token = value.partition("=")[2].partition(";")[0].strip('"')
        return response.status, json.loads(text) if text.startswith(b"{") else text.decode()
