"""An end is final: whatever a slow request does afterwards, the session stays ended.

In 200 tries on each store, and in 200 where the two are truly at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

import pytest

from sojourn import Policy, Session, SessionEnded, SessionManager
from sojourn.core.store import Store

from .stores import store

__all__ = ["store"]

TRIES = 200
NOW = 1_800_000_000_000


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> int:
        return self.now


def write(session: Session) -> None:
    session["late"] = True


def append(session: Session) -> None:
    session["list"].append("late")


def count(session: Session) -> None:
    session.increment("n")


def regenerate(session: Session) -> None:
    session.regenerate()


def read(session: Session) -> None:
    """Due to touch and to rotate, as its policy says."""
    assert session["list"] == []


SLOW: list[Callable[[Session], None]] = [write, append, count, regenerate, read]


def log_out(manager: SessionManager, token: str, clock: Clock) -> None:
    session = manager.open(token)
    session.logout()
    manager.commit(session)


def revoke(manager: SessionManager, token: str, clock: Clock) -> None:
    assert manager.revoke(manager.open(token).id or "")


def revoke_all(manager: SessionManager, token: str, clock: Clock) -> None:
    manager.revoke_all("ada")


def log_in_elsewhere(manager: SessionManager, token: str, clock: Clock) -> None:
    """The cap is one: another log-in of the user ends this session."""
    session = manager.anonymous()
    session.login("ada")
    manager.commit(session)


def log_in_again(manager: SessionManager, token: str, clock: Clock) -> None:
    session = manager.open(token)
    session.login("ada")
    manager.commit(session)


def expire(manager: SessionManager, token: str, clock: Clock) -> None:
    clock.now += 13 * 3_600_000


ENDS = [log_out, revoke, revoke_all, log_in_elsewhere, log_in_again, expire]


def log_in(manager: SessionManager) -> str:
    session = manager.anonymous()
    session.update({"list": [], "n": 1})
    session.login("ada")
    reply = manager.commit(session)
    assert reply.token is not None
    return reply.token.reveal()


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
@pytest.mark.parametrize("work", SLOW, ids=lambda work: work.__name__)
def test_a_slow_request_never_brings_a_session_back(
    store: Store, work: Callable[[Session], None], end: Callable[[SessionManager, str, Clock], None]
) -> None:
    clock = Clock()
    # Every request is due to be touched and its secret to be renewed, so that even a reader writes.
    policy = Policy(touch_interval=0, rotate_interval=0, max_sessions=1)
    manager = SessionManager(store, policy, clock=clock)
    back = []
    for _ in range(-(-TRIES // (len(SLOW) * len(ENDS)))):
        token = log_in(manager)
        clock.now += 1
        slow = manager.open(token)
        work(slow)
        end(manager, token, clock)
        try:
            reply = manager.commit(slow)
            assert work is read
            assert reply.token is None
        except SessionEnded:
            assert work is not read
        again = manager.open(token)
        if again.status == "active" or again.user_id is not None or dict(again):
            back.append(token)

    assert back == []


def test_a_race_of_writers_with_a_log_out_ends_with_the_log_out(store: Store) -> None:
    """Truly at once: the writer commits while the log-out does."""
    manager = SessionManager(store, Policy(touch_interval=0, rotate_interval=0))
    back = 0
    for _ in range(TRIES):
        token = log_in(manager)
        sessions = [manager.open(token) for _ in range(3)]
        sessions[0].logout()
        write(sessions[1])
        gate = threading.Barrier(len(sessions))

        def commit(session: Session, gate: threading.Barrier = gate) -> None:
            gate.wait()
            with suppress(SessionEnded):
                manager.commit(session)

        threads = [threading.Thread(target=commit, args=(session,)) for session in sessions]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        back += manager.open(token).status == "active"

    assert back == 0


def test_a_token_from_before_a_log_in_gains_nothing(store: Store) -> None:
    """Fixation: the attacker planted the token, the victim logged in with it."""
    manager = SessionManager(store)
    planted = manager.anonymous()
    planted.start()
    token = manager.commit(planted).token
    assert token is not None
    victim = manager.open(token.reveal())
    victim.login("ada")
    fresh = manager.commit(victim).token
    assert fresh is not None
    attacker = manager.open(token.reveal())

    assert (attacker.status, attacker.end_reason, attacker.user_id) == ("ended", "replaced", None)
    assert fresh.id != token.id
    assert manager.open(fresh.reveal()).user_id == "ada"
