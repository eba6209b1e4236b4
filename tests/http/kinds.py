"""Kinds: every integration on a real server, by a name, and the few things in which one differs with good reason."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field

__all__ = ["KINDS", "Kind"]

PYTHON = sys.executable
UVICORN = [PYTHON, "-m", "uvicorn", "{app}:app", "--port", "{port}", "--log-level", "warning"]
HYPERCORN = [PYTHON, "-m", "hypercorn", "{app}:app", "--bind", "127.0.0.1:{port}", "--log-level", "warning"]
GUNICORN = [PYTHON, "-m", "gunicorn", "{app}:app", "--bind", "127.0.0.1:{port}", "--worker-class", "gthread"]
GUNICORN += ["--threads", "16", "--keep-alive", "30", "--log-level", "warning", "--no-control-socket"]
WAITRESS = [PYTHON, "-m", "waitress", "--listen", "127.0.0.1:{port}", "--threads", "16", "--connection-limit", "1100"]
# A thousand connections are too many for select().
WAITRESS += ["--asyncore-use-poll", "--backlog", "2048", "--channel-timeout", "60", "{app}:app"]

PROCESSES = {
    "uvicorn": ["--workers", "2"],
    "hypercorn": ["--workers", "2"],
    "gunicorn": ["--workers", "2"],
    "waitress": [],
}
SERVERS = {"uvicorn": UVICORN, "hypercorn": HYPERCORN, "gunicorn": GUNICORN, "waitress": WAITRESS}


@dataclass(frozen=True)
class Kind:
    """One framework on one server.

    `differs` names the tests that do not hold for it, each with the reason. `lazy`: no session is opened for a request
    that never looks at it. `more` is said to the server.
    """

    framework: str
    server: str
    differs: dict[str, str] = field(default_factory=dict)
    lazy: bool = False
    more: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.framework} {self.server}"

    def command(self, *, processes: bool) -> list[str]:
        """What serves it; "{port}" is left open."""
        more = [*(PROCESSES[self.server] if processes else []), *self.more]
        app = f"tests.http.apps.{self.framework.replace(' ', '_')}_site"
        return [word.replace("{app}", app) for word in [*SERVERS[self.server], *more]]


FLASK = {
    "test_a_slow_request_that_empties_the_session_does_not_bring_it_back_either": (
        "In Flask session.clear() is the way to log out: it ends the session, as often as it is called."
    ),
}
NO_CHUNKS = {
    "test_a_body_in_chunks_is_read_as_one": "Under WSGI Django reads no body that comes without Content-Length.",
}

KINDS = [
    Kind("asgi", "uvicorn"),
    Kind("starlette", "uvicorn"),
    Kind("fastapi", "uvicorn"),
    Kind("litestar", "uvicorn"),
    Kind("quart", "uvicorn"),
    Kind("wsgi", "gunicorn"),
    Kind("wsgi", "waitress"),
    Kind("flask", "gunicorn", differs=FLASK),
    Kind("django", "gunicorn", differs=NO_CHUNKS, lazy=True),
    Kind("django asgi", "uvicorn", lazy=True),
]
