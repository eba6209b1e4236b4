"""Python sites on the session service: the middleware under uvicorn, and a manager for threads."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from adapters.tests.http_site import HttpSite

__all__ = ["Asgi", "Threads", "Wsgi"]

ROOT = Path(__file__).parents[2]
APP = "adapters.tests.remote_app"


class Asgi(HttpSite):
    """sojourn.asgi over an AsyncRemoteSessionManager, under uvicorn, which tells all that it can."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        uvicorn = [sys.executable, "-m", "uvicorn", "--factory", f"{APP}:asgi", "--port", "{port}"]
        super().__init__(folder, [*uvicorn, "--log-level", "trace"], {"PYTHONPATH": str(ROOT), **environment})


class Wsgi(HttpSite):
    """sojourn.wsgi over a RemoteSessionManager, under waitress."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        waitress = [sys.executable, "-m", "waitress", "--call", "--listen", "127.0.0.1:{port}", f"{APP}:wsgi"]
        super().__init__(folder, waitress, {"PYTHONPATH": str(ROOT), **environment})


class Threads(HttpSite):
    """A RemoteSessionManager under Python's own server, with a thread for each request."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        super().__init__(folder, [sys.executable, "-m", APP], {"PYTHONPATH": str(ROOT), **environment})
