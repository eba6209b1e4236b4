"""A key of the session that says who is logged in, as in session layers that know no log-in."""

from __future__ import annotations

import pytest

from sojourn import Session, SessionManager
from sojourn.core.user_key import keyed
from sojourn.stores.memory import MemoryStore


@pytest.fixture
def manager() -> SessionManager:
    return SessionManager(MemoryStore())


def opened(manager: SessionManager, token: str | None, user_key: str) -> Session:
    session = manager.open(token) if token else manager.anonymous()
    keyed(session, user_key)
    return session


def commit(manager: SessionManager, session: Session) -> str:
    reply = manager.commit(session)
    return reply.token.reveal() if reply.token else ""


@pytest.mark.parametrize(("user_key", "key", "value"), [("user_id", "user_id", 7), ("user.id", "user", {"id": 7})])
def test_a_planted_session_is_not_the_one_that_a_log_in_makes(
    manager: SessionManager, user_key: str, key: str, value: object
) -> None:
    planted = opened(manager, None, user_key)
    planted["cart"] = ["tea"]
    thief = commit(manager, planted)
    session = opened(manager, thief, user_key)
    session[key] = value
    token = commit(manager, session)

    assert manager.open(token).user_id == "7"
    assert dict(manager.open(token)) == {"cart": ["tea"], key: value}
    assert manager.open(thief).status == "ended"


@pytest.mark.parametrize("how", ["clear", "pop", "None"])
def test_to_remove_it_is_a_log_out(manager: SessionManager, how: str) -> None:
    session = opened(manager, None, "user_id")
    session["user_id"] = "ada"
    token = commit(manager, session)
    session = opened(manager, token, "user_id")
    if how == "clear":
        session.clear()
    elif how == "pop":
        session.pop("user_id")
    else:
        session["user_id"] = None
    manager.commit(session)

    assert (manager.open(token).status, manager.open(token).end_reason) == ("ended", "logout")
