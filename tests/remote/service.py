"""A session service for tests, and a manager of each kind over it."""

from __future__ import annotations

import asyncio
import http.client
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from sojourn import Session, SessionManager
from sojourn.core.commit import Reply
from sojourn.remote import AsyncRemoteSessionManager, RemoteSessionManager
from tests.server import Server
from tests.servers.waiting import wait_until

SOJOURN = str(Path(sys.executable).parent / "sojourn")
KINDS = ("threads", "loop")
_ELSEWHERE = "GET elsewhere 404"


@dataclass(frozen=True)
class Service:
    """A running service and an API key for it."""

    server: Server
    keys: Path
    key: str

    @property
    def url(self) -> str:
        return self.server.url

    def asked(self) -> list[str]:
        """The requests to /v1 that it has answered so far."""
        heard = self.server.output().count(_ELSEWHERE)
        with closing(http.client.HTTPConnection("localhost", self.server.port, timeout=30)) as connection:
            connection.request("GET", "/elsewhere")  # a line may come after its answer, but not after the next one's
            connection.getresponse().read()
        wait_until(lambda: self.server.output().count(_ELSEWHERE) > heard, "the log")
        return [line for line in self.server.output().splitlines() if "/v1/" in line]


def make_key(keys: Path, *scopes: str) -> str:
    command = [SOJOURN, "keys", "make", "--keys", str(keys), "--name", f"test {secrets.token_hex(4)}"]
    for scope in scopes or ("sessions", "admin"):
        command += ["--scope", scope]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def command(folder: Path, keys: Path, policy: str = "", *more: str) -> list[str]:
    """What starts a service on SQLite in `folder`, with `policy` as TOML."""
    config = folder / "service.toml"
    config.write_text(f"[policy]\n{policy}\n")
    store = f"sqlite:///{folder / 'sessions.db'}"
    given = ["--config", str(config), "--store", store, "--keys", str(keys), "--log-level", "debug"]
    return [SOJOURN, "serve", *given, *(more or ("--port", "{port}"))]


class OnLoop:
    """An AsyncRemoteSessionManager whose methods wait, on an event loop of its own."""

    def __init__(self, manager: AsyncRemoteSessionManager) -> None:
        self._manager = manager
        self._runner = asyncio.Runner()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._manager, name)
        if not asyncio.iscoroutinefunction(found):
            return found

        async def wait(*given: Any, **named: Any) -> Any:
            return await found(*given, **named)

        return lambda *given, **named: self._runner.run(wait(*given, **named))

    def close(self) -> None:
        self._runner.run(self._manager.close())
        self._runner.close()


@contextmanager
def manager_of(kind: str, service: str, key: str, timeout: float = 2.0) -> Iterator[RemoteSessionManager]:
    """A manager for threads, or one for an event loop that looks like it."""
    if kind == "threads":
        manager = RemoteSessionManager(service, key, timeout=timeout)
    else:
        manager = cast("RemoteSessionManager", OnLoop(AsyncRemoteSessionManager(service, key, timeout=timeout)))
    try:
        yield manager
    finally:
        manager.close()


def token_of(reply: Reply) -> str:
    assert reply.token is not None
    return reply.token.reveal()


def begin(manager: SessionManager, user_id: str | None = None, **data: Any) -> str:
    """The token of a new session."""
    session = manager.anonymous()
    session.update(data)
    session.start()
    if user_id:
        session.login(user_id)
    return token_of(manager.commit(session))


def change(manager: RemoteSessionManager, token: str, **data: Any) -> Session:
    session = manager.open(token)
    session.update(data)
    manager.commit(session)
    return session
