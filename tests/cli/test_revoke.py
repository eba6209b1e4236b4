"""`sojourn revoke`, as a process on a real file."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing

import pytest

from sojourn import SessionEnded, SessionManager, open_store
from tests.cli.conftest import DAY, HOUR, MINUTE, Sessions
from tests.cli.program import Program


def test_revoke_ends_one_session_for_good(sessions: Sessions, sojourn: Program) -> None:
    id, other = sessions.make("ada"), sessions.make("ada")
    done = sojourn("revoke", id, "--store", sessions.url)
    assert (done.code, done.out) == (0, "The session is ended.\n")
    opened = sessions.manager.open(sessions.tokens[0].reveal())
    assert (opened.status, opened.end_reason) == ("ended", "revoked")
    assert [session.id for session in sessions.manager.list("ada")] == [other]


def test_revoke_of_what_is_over_says_why_and_exits_1(sessions: Sessions, sojourn: Program) -> None:
    id = sessions.make("ada")
    assert sojourn("revoke", id, "--store", sessions.url, "--json").json == {"ended": 1}
    done = sojourn("revoke", id, "--store", sessions.url)
    assert done.code == 1
    assert "over already: revoked" in done.err
    done = sojourn("revoke", "f" * 32, "--store", sessions.url, "--json")
    assert (done.code, done.json) == (1, {"ended": 0})


def test_revoke_of_a_user_ends_all_of_theirs(sessions: Sessions, sojourn: Program) -> None:
    for user in ("ada", "ada", "bob"):
        sessions.make(user)
    done = sojourn("revoke", "--user", "ada", "--store", sessions.url)
    assert (done.code, done.out) == (0, "2 sessions of ada ended.\n")
    assert len(sessions.manager.list("bob")) == 1
    assert sojourn("revoke", "--user", "ada", "--store", sessions.url).code == 1


def test_revoke_all_ends_every_live_session(sessions: Sessions, sojourn: Program) -> None:
    for number in range(25):
        sessions.make(f"user{number % 7}" if number % 2 else None)
    timed_out = sessions.make(ago=HOUR)
    done = sojourn("revoke", "--all", "--yes", "--store", sessions.url, "--json")
    assert (done.code, done.json) == (0, {"ended": 25})
    assert sessions.manager.stats().live == 0
    info = sessions.manager.get(timed_out)
    assert info is not None
    assert info.end_reason == "idle_timeout"
    assert sojourn("revoke", "--all", "--yes", "--store", sessions.url).code == 1


def test_revoke_all_catches_a_session_that_changes_its_id_all_the_time(sessions: Sessions, sojourn: Program) -> None:
    for number in range(100):
        sessions.make(f"user{number}")
    reasons: list[str | None] = []

    def keep_moving() -> None:
        with closing(SessionManager(open_store(sessions.url))) as manager:
            session = manager.open(sessions.tokens[50].reveal())
            try:
                while session.status == "active":
                    session.regenerate()
                    manager.commit(session)
            except SessionEnded as ended:
                reasons.append(ended.reason)
            else:
                reasons.append(session.end_reason)

    moving = threading.Thread(target=keep_moving, daemon=True)
    moving.start()
    done = sojourn("revoke", "--all", "--yes", "--store", sessions.url)
    moving.join(30)
    assert done.code == 0
    assert reasons == ["revoked"]
    assert sessions.manager.stats().live == 0


def test_revoke_all_needs_yes_where_nobody_can_answer(sessions: Sessions, sojourn: Program) -> None:
    sessions.make("ada")
    done = sojourn("revoke", "--all", "--store", sessions.url, text="y\n")
    assert done.code == 2
    assert "--yes" in done.err
    assert sessions.manager.stats().live == 1


def test_revoke_all_asks_on_a_terminal(sessions: Sessions, sojourn: Program) -> None:
    sessions.make("ada")
    command = ["revoke", "--all", "--store", sessions.url]
    declined = sojourn.on_terminal(*command, text="n\n")
    assert declined.code == 1
    assert "End all 1 session, of 1 user and of visitors? [y/N]" in declined.out
    assert "Nothing was ended." in declined.out
    assert sessions.manager.stats().live == 1
    interrupted = sojourn.on_terminal(*command, text="\x04")
    assert interrupted.code == 130
    assert sessions.manager.stats().live == 1
    agreed = sojourn.on_terminal(*command, text="y\n")
    assert agreed.code == 0
    assert "1 session ended." in agreed.out
    assert sessions.manager.stats().live == 0


def live(sessions: Sessions) -> set[str]:
    return {session.id for session in sessions.manager.scan(limit=1000) if session.end_reason is None}


def test_revoke_of_an_address_ends_what_began_there(sessions: Sessions, sojourn: Program) -> None:
    for user in ("ada", "bob", None):
        sessions.make(user, ip="203.0.113.9")
    kept = {sessions.make("ada", ip="198.51.100.7"), sessions.make(ip="203.0.114.9")}
    done = sojourn("revoke", "--ip", "203.0.113.0/24", "--yes", "--store", sessions.url)
    assert (done.code, done.out) == (0, "3 sessions ended.\n")
    assert live(sessions) == kept
    again = sojourn("revoke", "--ip", "203.0.113.0/24", "--yes", "--store", sessions.url, "--json")
    assert (again.code, again.json) == (1, {"ended": 0})


def test_revoke_of_old_ones_ends_what_began_before(sessions: Sessions, sojourn: Program) -> None:
    old = {sessions.make("ada", ago=2 * DAY, remember=True), sessions.make("bob", ago=25 * HOUR, remember=True)}
    kept = {sessions.make("ada", ago=23 * HOUR, remember=True), sessions.make()}
    assert live(sessions) == old | kept
    done = sojourn("revoke", "--older-than", "1d", "--yes", "--store", sessions.url, "--json")
    assert (done.code, done.json) == (0, {"ended": 2})
    assert live(sessions) == kept


def test_revoke_of_a_user_may_be_narrowed_down_and_then_does_not_ask(sessions: Sessions, sojourn: Program) -> None:
    gone = sessions.make("ada", ago=2 * DAY, remember=True, ip="192.0.2.1")
    kept = {
        sessions.make("ada", ago=2 * DAY, remember=True),
        sessions.make("ada", ip="192.0.2.1"),
        sessions.make("bob", ago=2 * DAY, remember=True, ip="192.0.2.1"),
    }
    command = ["revoke", "--user", "ada", "--older-than", "1d", "--ip", "192.0.2.1", "--store", sessions.url]
    assert sojourn(*command, "--dry-run").out == "1 session of ada would end.\n"
    done = sojourn(*command)
    assert (done.code, done.out) == (0, "1 session of ada ended.\n")
    assert live(sessions) == kept
    assert gone not in kept


def test_a_dry_run_counts_and_ends_none(sessions: Sessions, sojourn: Program) -> None:
    id = sessions.make("ada", ip="192.0.2.1")
    sessions.make("bob", ago=20 * MINUTE)
    dead = sessions.make("cyd", ago=DAY)
    before = live(sessions)
    for words, count in [
        (["--all"], 2),
        (["--user", "ada"], 1),
        (["--user", "cyd"], 0),
        (["--ip", "192.0.2.1"], 1),
        (["--older-than", "10m"], 1),
        (["--older-than", "1h"], 0),
        ([id[:8]], 1),
        ([dead], 0),
        (["f" * 32], 0),
    ]:
        done = sojourn("revoke", *words, "--dry-run", "--json", "--store", sessions.url)
        assert (done.code, done.json) == (0 if count else 1, {"ended": 0, "would_end": count}), words
    assert sojourn("revoke", "--all", "--dry-run", "--store", sessions.url).out == "2 sessions would end.\n"
    assert live(sessions) == before


def test_revoke_of_some_asks_on_a_terminal_and_needs_yes_elsewhere(sessions: Sessions, sojourn: Program) -> None:
    sessions.make("ada", ip="192.0.2.1")
    sessions.make(ip="192.0.2.1")
    sessions.make("bob")
    command = ["revoke", "--ip", "192.0.2.1", "--store", sessions.url]
    refused = sojourn(*command, text="y\n")
    assert refused.code == 2
    assert "--yes" in refused.err
    declined = sojourn.on_terminal(*command, text="n\n")
    assert "End 2 sessions, of 1 user and of visitors? [y/N]" in declined.out
    assert len(live(sessions)) == 3
    assert sojourn.on_terminal(*command, text="y\n").code == 0
    assert len(live(sessions)) == 1


@pytest.mark.parametrize("address", ["", "203.0.113", "203.0.113.0/33", "example.com", "2001:db8::/x"])
def test_what_is_no_address_is_told(sessions: Sessions, sojourn: Program, address: str) -> None:
    sessions.make()
    for command in (["revoke", "--yes"], ["list"]):
        done = sojourn(*command, "--ip", address, "--store", sessions.url)
        assert done.code == 2
        assert "is no address. Write 203.0.113.9" in done.err
    assert len(live(sessions)) == 1


def test_revoke_takes_exactly_one_way_to_say_which(sessions: Sessions, sojourn: Program) -> None:
    id = sessions.make("ada")
    for words in (
        [],
        ["--dry-run"],
        [id, "--user", "ada"],
        [id, "--ip", "192.0.2.1"],
        ["--user", "ada", "--all", "--yes"],
        ["--older-than", "1d", "--all", "--yes"],
        [id, "--all", "--yes"],
    ):
        done = sojourn("revoke", *words, "--store", sessions.url)
        assert done.code == 2, words
        assert "Say which sessions" in done.err
    assert sessions.manager.stats().live == 1


def test_a_session_that_cannot_be_read_is_named_and_can_be_ended(sessions: Sessions, sojourn: Program) -> None:
    spoilt, sound = sessions.make("ada"), sessions.make("ada")
    with closing(sqlite3.connect(sessions.path, isolation_level=None)) as connection:
        connection.execute("UPDATE session SET record = '{}' WHERE id = ?", (spoilt,))
    listed = sojourn("list", "--user", "ada", "--store", sessions.url, "--json")
    shown = sojourn("show", spoilt, "--store", sessions.url)

    assert [session["id"] for session in listed.json["sessions"]] == [sound]
    assert f"sojourn revoke {spoilt}" in listed.err
    assert (shown.code, shown.out) == (3, "")
    assert sojourn("revoke", spoilt, "--store", sessions.url).out == "The session is ended.\n"
    assert sojourn("show", spoilt, "--store", sessions.url).code == 1
