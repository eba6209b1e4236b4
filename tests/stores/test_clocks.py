"""Servers whose clocks do not agree, on every kind of store: an idle timeout comes late by nobody's clock for long."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sojourn import Policy, SessionManager
from sojourn.core.store import Applied, Commit, Refused, Store
from sojourn.stores.memory import MemoryStore
from sojourn.testing.records import HOUR, MINUTE, NOW
from tests.store_kinds import FEW, open_kind


class Servers:
    """Two of them, and what each takes for now."""

    def __init__(self, store: Store) -> None:
        self.ahead = self.right = NOW
        policy = Policy(idle_timeout=1800, absolute_timeout=12 * 3600, touch_interval=60, rotate_interval=None)
        self.one_ahead = SessionManager(store, policy, clock=lambda: self.ahead)
        self.one_right = SessionManager(store, policy, clock=lambda: self.right)

    def pass_time(self, milliseconds: int) -> None:
        self.ahead += milliseconds
        self.right += milliseconds


class Counting(MemoryStore):
    writes = 0

    def commit(self, commit: Commit) -> Applied | Refused:
        self.writes += 1
        return super().commit(commit)


@pytest.fixture
def servers(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Servers]:
    store = open_kind(request.param, request, tmp_path)
    yield Servers(store)
    store.close()


def log_in(manager: SessionManager) -> str:
    session = manager.anonymous()
    session.login("ada")
    reply = manager.commit(session)
    assert reply.token is not None
    return reply.token.reveal()


def visit(manager: SessionManager, token: str, *, passive: bool = False) -> str | None:
    session = manager.open(token)
    session.passive = passive
    manager.commit(session)
    return session.user_id or session.end_reason


@pytest.mark.parametrize("servers", FEW, indirect=True)
@pytest.mark.parametrize("passive", [False, True], ids=["active", "passive"])
def test_activity_noted_in_the_future_is_put_right_by_the_next_request(servers: Servers, passive: bool) -> None:
    token = log_in(servers.one_right)
    servers.ahead += 20 * MINUTE
    assert visit(servers.one_ahead, token) == "ada"
    servers.pass_time(MINUTE // 2)
    assert visit(servers.one_right, token, passive=passive) == "ada"

    # Half an hour after that visit, and not after the time that the other had in mind.
    servers.pass_time(30 * MINUTE - 1)
    assert visit(servers.one_right, token, passive=True) == "ada"
    servers.pass_time(1)
    assert visit(servers.one_right, token) == "idle_timeout"


def test_clocks_that_agree_within_moments_cost_few_writes() -> None:
    """A touch by each, once in its interval; and one more for who comes in just those moments."""
    store = Counting()
    servers = Servers(store)
    token = log_in(servers.one_right)
    servers.ahead += 50
    for _ in range(HOUR // 10_000):
        servers.pass_time(10_000)
        for manager in (servers.one_ahead, servers.one_right):
            assert visit(manager, token) == "ada"

    assert store.writes <= 2 * 60
