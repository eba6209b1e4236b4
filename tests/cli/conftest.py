"""A real SQLite file with the sessions that a small application left in it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sojourn import Client, Policy, SessionManager, open_store
from sojourn.core.binding import Presented
from sojourn.core.proof import Asked
from sojourn.core.token import Token
from tests.cli.program import Program
from tests.keys import Key

CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
)
MINUTE, HOUR, DAY = 60, 3600, 86400


@dataclass
class Sessions:
    """Makes sessions in the file at `path`, as they would be had they been made so many seconds `ago`."""

    path: Path
    tokens: list[Token] = field(default_factory=list)
    _ago: int = 0

    def __post_init__(self) -> None:
        self.started = int(time.time() * 1000)
        self.manager = SessionManager(open_store(self.url), clock=lambda: self.started - self._ago * 1000)

    @property
    def url(self) -> str:
        return f"sqlite:///{self.path}"

    def make(
        self,
        user: str | None = None,
        *,
        ago: int = 0,
        agent: str = CHROME,
        ip: str = "203.0.113.9",
        remember: bool = False,
        **data: Any,
    ) -> str:
        """A session; its id."""
        self._ago = ago
        session = self.manager.anonymous(Client(ip, agent))
        session.update(data or {"visits": 1})
        if user is not None:
            session.login(user, remember=remember)
        reply = self.manager.commit(session)
        self._ago = 0
        assert reply.token is not None
        self.tokens.append(reply.token)
        return reply.token.id

    def make_bound(self, user: str) -> str:
        """A session that is bound to a key."""
        manager = SessionManager(open_store(self.url), Policy(binding="prefer"), clock=lambda: self.started)
        proof = Key().proof("POST", "https://shop.test/log-in", iat=self.started // 1000)
        session = manager.anonymous(presented=Presented(proof, False, Asked("POST", "https://shop.test", "/log-in")))
        session.login(user)
        reply = manager.commit(session)
        manager.close()
        assert reply.token is not None
        self.tokens.append(reply.token)
        return reply.token.id


@pytest.fixture
def sessions(tmp_path: Path) -> Iterator[Sessions]:
    """An empty store of a file."""
    made = Sessions(tmp_path / "sessions.sqlite3")
    yield made
    made.manager.close()


@pytest.fixture
def sojourn(tmp_path: Path) -> Program:
    """The program, run in the test's own folder."""
    return Program(tmp_path)
