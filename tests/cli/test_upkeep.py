"""`sojourn cleanup` and `sojourn stats`, as processes on a real file."""

from __future__ import annotations

import pytest

from tests.cli.conftest import DAY, HOUR, Sessions
from tests.cli.program import Program


def test_cleanup_deletes_what_ended_long_ago_and_nothing_else(sessions: Sessions, sojourn: Program) -> None:
    live, recent = sessions.make("ada"), sessions.make("bob", ago=2 * HOUR)
    old = sessions.make("cyd", ago=3 * DAY)
    done = sojourn("cleanup", "--store", sessions.url)
    assert (done.code, done.err) == (0, "")
    assert done.out == "1 session deleted that ended more than 24 h ago.\n"
    assert [bool(sessions.manager.get(id)) for id in (live, recent, old)] == [True, True, False]


def test_cleanup_may_keep_less(sessions: Sessions, sojourn: Program) -> None:
    sessions.make("bob", ago=2 * HOUR)
    done = sojourn("cleanup", "--store", sessions.url, "--keep-ended", "1h", "--json")
    assert (done.code, done.json) == (0, {"deleted": 1})


def test_cleanup_of_nothing_is_success_too(sessions: Sessions, sojourn: Program) -> None:
    done = sojourn("cleanup", "--store", sessions.url)
    assert (done.code, done.out) == (0, "0 sessions deleted that ended more than 24 h ago.\n")


def test_cleanup_shows_its_progress_on_a_terminal_only(sessions: Sessions, sojourn: Program) -> None:
    for _ in range(501):  # more than one batch
        sessions.make(ago=3 * DAY)
    seen = sojourn.on_terminal("cleanup", "--store", sessions.url)
    assert "\r200 deleted\r400 deleted\r501 deleted\r" in seen.out
    assert seen.out.endswith("\r501 sessions deleted that ended more than 24 h ago.\r\n")
    sessions.make(ago=3 * DAY)
    assert "\r" not in sojourn("cleanup", "--store", sessions.url).out


def test_stats_counts_what_the_store_holds(sessions: Sessions, sojourn: Program) -> None:
    sessions.make("ada")
    sessions.make()
    sessions.make("bob", ago=2 * HOUR)
    sessions.manager.revoke(sessions.make("cyd"))
    done = sojourn("stats", "--store", sessions.url)
    assert done.code == 0
    assert [line.split()[:2] for line in done.out.splitlines()][:5] == [
        ["live", "2"],
        ["users", "1"],
        ["bound", "0"],
        ["ended", "1"],
        ["expired", "1"],
    ]
    counts = sojourn("stats", "--store", sessions.url, "--json").json
    assert set(counts) == {"now", "live", "users", "bound", "ended", "expired", "bytes"}
    assert (counts["live"], counts["users"], counts["ended"], counts["expired"]) == (2, 1, 1, 1)


@pytest.mark.parametrize("where", [[], ["--realm", ""]])
def test_stats_tells_the_share_of_sessions_that_are_bound_to_a_key(
    sessions: Sessions, sojourn: Program, where: list[str]
) -> None:
    assert "bound    0  to a key\n" in sojourn("stats", "--store", sessions.url, *where).out
    sessions.make("ada"), sessions.make_bound("ada"), sessions.make_bound("bob")
    sessions.manager.revoke(sessions.make_bound("cyd"))

    assert "bound    2  to a key, 66 % of the live\n" in sojourn("stats", "--store", sessions.url, *where).out
    assert sojourn("stats", "--store", sessions.url, *where, "--json").json["bound"] == 2


def test_cleanup_can_give_the_room_back(sessions: Sessions, sojourn: Program) -> None:
    for _ in range(100):
        sessions.make(ago=3 * DAY, filling="x" * 4000)
    sessions.manager.close()
    before = sessions.path.stat().st_size
    kept = sojourn("cleanup", "--store", sessions.url, "--vacuum")

    assert (kept.code, kept.err) == (0, "")
    assert sessions.path.stat().st_size < before / 2


def test_cleanup_gives_no_room_back_where_there_is_no_file(sojourn: Program) -> None:
    refused = sojourn("cleanup", "--store", "redis://localhost", "--vacuum")

    assert refused.code == 2
    assert "--vacuum is for SQLite" in refused.err
