"""The store's commands, on every kind of server. On SQLite they have tests of their own."""

from __future__ import annotations

import pytest

from sojourn import SessionManager, open_store
from tests.cli.program import Program
from tests.cli.stores import empty_store


@pytest.mark.parametrize("store", ["postgres", "redis-socket", "redis-cluster", "redis-sentinel", "valkey"])
def test_sessions_are_seen_ended_counted_and_cleaned_up(
    store: str, request: pytest.FixtureRequest, sojourn: Program
) -> None:
    url = empty_store(store, request)
    manager = SessionManager(open_store(url))
    for user in ("ada", "ada", "bob", None):
        session = manager.anonymous()
        session["cart"] = ["tea"]
        if user is not None:
            session.login(user)
        manager.commit(session)
    ids = [session.id for session in manager.list("ada")]
    env = {"SOJOURN_STORE": url}

    assert sojourn("list", "--json", env=env).json["total"] == 4
    assert [each["id"] for each in sojourn("list", "--user", "ada", "--json", env=env).json["sessions"]] == ids
    assert sojourn("show", ids[0][:8], "--json", env=env).json["session"]["data"] == {"cart": ["tea"]}
    assert sojourn("revoke", ids[0], env=env).code == 0
    assert sojourn("revoke", "--user", "ada", "--json", env=env).json == {"ended": 1}
    assert sojourn("revoke", "--all", "--yes", "--json", env=env).json == {"ended": 2}
    counts = sojourn("stats", "--json", env=env).json
    assert (counts["live"], counts["ended"]) == (0, 4)
    sojourn("cleanup", "--keep-ended", "0s", env=env)
    assert sojourn("stats", "--json", env=env).json["ended"] == 0
    manager.close()
