"""Sites: the APIs of tests/browser/cors, and other servers, each in a process of its own for as long as a test."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from adapters.tests.express_site import build
from adapters.tests.session_service import SessionService
from tests.server import Server, run_server
from tests.servers.port import find_port

from .npm import NODE

__all__ = ["COMMANDS", "Sites"]

HERE = Path(__file__).parent
UVICORN = [sys.executable, "-m", "uvicorn", "--log-level", "warning", "--port", "{port}"]
GUNICORN = [sys.executable, "-m", "gunicorn", "--bind", "127.0.0.1:{port}", "--no-control-socket"]
COMMANDS = {
    "starlette": [*UVICORN, "tests.browser.cors.starlette_site:app"],
    "fastapi": [*UVICORN, "tests.browser.cors.fastapi_site:app"],
    "flask": [*GUNICORN, "tests.browser.cors.flask_site:app"],
    "django": [*GUNICORN, "tests.browser.cors.django_site:app"],
    "express": [NODE, str(HERE / "cors/express_site.js"), "{port}"],
}


class Sites:
    """Starts sites of a test, and ends them."""

    def __init__(self, running: ExitStack, folder: Path) -> None:
        self._running = running
        self._folder = folder

    def run(self, command: Sequence[str], **options: Any) -> Server:
        """Any other server, as `run_server` runs it."""
        log = self._folder / f"{find_port()}.log"
        return self._running.enter_context(run_server(command, log, **options))

    def start(
        self,
        framework: str,
        *,
        allowed: Sequence[str] = (),
        trusted: Sequence[str] = (),
        **more: str,
    ) -> Server:
        """A site whose CORS lets pages of `allowed` read its answers, and whose Sojourn trusts those of `trusted`."""
        folder = Path(mkdtemp(dir=self._folder))
        env = {
            "SITE_STORE": f"sqlite:///{folder}/sessions.sqlite3",
            "SITE_ALLOWED": json.dumps(allowed),
            "SITE_TRUSTED": json.dumps(trusted),
            **more,
        }
        if framework == "express":
            service = SessionService(folder / "service")
            self._running.callback(service.stop)
            env |= {"SOJOURN_EXPRESS": str(build()), "SITE_KEY": service.key, "SITE_SERVICE": service.url, **more}
        return self.run(COMMANDS[framework], path="/me", env=env)
