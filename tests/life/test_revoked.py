"""After an end of all: nothing that existed, was under way, or could be adopted, opens; not later either."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

from sojourn import CookieOptions, Policy, Session, SessionEnded, SessionManager
from sojourn.adopt import Adoption, Old
from tests.store_kinds import open_kind
from tests.unit.clock import Clock

KINDS = ("memory", "sqlite", "postgres", "redis", "redis cluster", "async valkey", "cached postgres")
TRIES = 500
HOUR = 3_600_000
POLICY = Policy(idle_timeout=80 * 3600, absolute_timeout=90 * 3600, max_sessions=None)


class OldSite:
    """A session layer that keeps what it had: nobody can delete in it. A cookie's value is the user's name."""

    kind = "old"
    cookie = CookieOptions(name="old", path="/", domain=None)

    def __init__(self, logged_in_at: int) -> None:
        self._logged_in_at = logged_in_at

    def verify(self, value: str, now: int) -> str | None:
        return value

    def read(self, key: str, now: int) -> Old | None:
        # Every second one knows when the log-in was.
        known = int(key.removeprefix("user-")) % 2 == 0
        return Old({"cart": ["tea"]}, key, self._logged_in_at if known else None)

    def retire(self, key: str) -> None:
        pass


class World:
    """A store of some kind, a clock, and an adoption from an old site."""

    def __init__(self, manager: SessionManager, clock: Clock) -> None:
        self.manager, self.clock = manager, clock
        self.adoption = Adoption(OldSite(clock()), until=_day(clock))

    def log_in(self, user: str) -> str:
        session = self.manager.anonymous()
        session.login(user)
        return self.commit(session)

    def commit(self, session: Session) -> str:
        token = self.manager.commit(session).token
        assert token is not None
        return token.reveal()

    def opens(self, token: str) -> bool:
        return self.manager.open(token).status == "active"

    def adopts(self, user: str) -> bool:
        found = self.adoption.open(self.manager, f"old={user}".encode())
        return found is not None and found.session.status == "active"

    def comes_too_late(self, session: Session) -> bool:
        try:
            self.manager.commit(session)
        except SessionEnded:
            return True
        return False


def _day(clock: Clock) -> datetime:
    return datetime.fromtimestamp(clock() / 1000, UTC) + timedelta(days=30)


class Try(NamedTuple):
    """What is asked once all has been ended, and what is asked again and again after it."""

    at_once: Callable[[], bool]
    later: Callable[[], bool]


def existing(world: World, user: str) -> Try:
    token = world.log_in(user)
    return Try(lambda: world.opens(token), lambda: world.opens(token))


def under_way(world: World, user: str) -> Try:
    session = world.manager.anonymous()
    session.login(user)
    return Try(lambda: not world.comes_too_late(session), lambda: False)


def logged_in_again(world: World, user: str) -> Try:
    token = world.log_in(user)
    session = world.manager.open(token)
    session.login(user)
    return Try(lambda: not world.comes_too_late(session), lambda: world.opens(token))


def adopted(world: World, user: str) -> Try:
    assert world.adopts(user)
    return Try(lambda: world.adopts(user), lambda: world.adopts(user))


def to_be_adopted(world: World, user: str) -> Try:
    return Try(lambda: world.adopts(user), lambda: world.adopts(user))


SITUATIONS = (existing, under_way, logged_in_again, adopted, to_be_adopted)


@pytest.mark.parametrize("everybody", [False, True], ids=["revoke_all", "revoke_everything"])
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_opens_after_an_end_of_all(
    kind: str, everybody: bool, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    clock = Clock()
    manager = SessionManager(open_kind(kind, request, tmp_path), POLICY, clock=clock)
    world = World(manager, clock)
    users = [f"user-{number}" for number in range(TRIES)]
    tries = {user: SITUATIONS[number % len(SITUATIONS)](world, user) for number, user in enumerate(users)}

    clock.forward(5)
    if everybody:
        manager.revoke_everything()
    opened = []
    for user, each in tries.items():
        if not everybody:
            manager.revoke_all(user)
        clock.forward(1)
        if each.at_once():
            opened.append(user)
    assert opened == []

    for _ in range(4):
        clock.forward(10 * HOUR)
        manager.delete_expired()
        assert [user for user, each in tries.items() if each.later()] == []
    # It is the past that was ended: who logs in now is in.
    assert all(world.opens(world.log_in(user)) for user in users[:5])
    manager.close()
