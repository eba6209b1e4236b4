"""Site: one application's sessions, over a store in memory, with its clock and what was told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sojourn import Client, Event, Policy, Session, SessionManager
from sojourn.core.record import Record
from sojourn.core.store import Store
from sojourn.core.token import Token
from sojourn.stores.memory import MemoryStore
from tests.unit.clock import Clock


class Site:
    """A manager, and what a test asks it for. Two visits with one token are two requests at once."""

    def __init__(self, policy: Policy | None = None, store: Store | None = None) -> None:
        self.store = store or MemoryStore()
        self.clock = Clock()
        self.events: list[Event] = []
        self.manager = SessionManager(self.store, policy, on_event=self.events.append, clock=self.clock)

    def begin(self, user_id: str | None = None, remember: bool = False, **data: Any) -> str:
        """The token of a new session that holds `data`."""
        session = self.manager.anonymous(Client("192.0.2.1", "Mozilla/5.0"))
        session.update(data)
        session.start()
        if user_id is not None:
            session.login(user_id, remember=remember)
        token = self.manager.commit(session).token
        assert token is not None
        self.events.clear()
        return token.reveal()

    def visit(self, token: str) -> Session:
        """The session that a request with `token` gets."""
        return self.manager.open(token)

    def commit(self, session: Session) -> str | None:
        """Commit; the new token, if the answer has one."""
        token = self.manager.commit(session).token
        return token.reveal() if token else None

    def record(self, token: str) -> Record:
        """What the store has of the token's session, which must be there."""
        record = self.store.get(id_of(token))
        assert record is not None
        return record

    def told(self) -> Sequence[str]:
        """The names of the events so far, which are forgotten then."""
        names = [type(event).__name__ for event in self.events]
        self.events.clear()
        return names


def id_of(token: str) -> str:
    """A token's public half."""
    return token[4:36]


def token_for(record: Record) -> Token:
    """A token that opens `record`, whose own nobody kept."""
    token = Token(record.id, "0" * 64)
    token.hash = record.secrets.current
    return token
