"""`sojourn export` and `sojourn erase`, as a process on a real file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from sojourn import Policy, SessionManager, open_store
from tests.cli.conftest import Sessions
from tests.cli.program import Program


def test_export_tells_all_that_is_held_and_no_secret(sessions: Sessions, sojourn: Program) -> None:
    live, dead = sessions.make("ada", cart=["tea"]), sessions.make("ada")
    sessions.make("bob")
    sessions.manager.revoke(dead)

    done = sojourn("export", "--user", "ada", "--store", sessions.url)

    found = {session["id"]: session for session in done.json["sessions"]}
    assert found.keys() == {live, dead}
    assert (found[live]["data"], found[live]["ip"]) == ({"cart": ["tea"]}, "203.0.113.9")
    assert not [token for token in sessions.tokens if token.reveal()[37:] in done.out]
    assert sojourn("export", "--user", "eve", "--store", sessions.url).code == 1


def test_erase_leaves_nothing_of_the_user_and_a_dry_run_all(sessions: Sessions, sojourn: Program) -> None:
    sessions.make("ada")
    sessions.manager.revoke(sessions.make("ada"))
    other = sessions.make("bob")

    dry = sojourn("erase", "--user", "ada", "--dry-run", "--store", sessions.url)
    assert (dry.code, dry.out) == (0, "2 sessions of ada would be erased.\n")
    assert len(sessions.manager.scan()) == 3
    assert sojourn("erase", "--user", "ada", "--store", sessions.url).out == "2 sessions of ada erased.\n"
    assert [session.id for session in sessions.manager.scan()] == [other]
    assert sojourn("erase", "--user", "ada", "--store", sessions.url).code == 1


def test_a_realm_is_exported_erased_and_revoked_alone(sessions: Sessions, sojourn: Program) -> None:
    mine = sessions.make("ada")
    with closing(SessionManager(open_store(sessions.url), realm="shop")) as shop:
        for user in ("ada", "ada", "bob"):
            session = shop.anonymous()
            session.login(user)
            shop.commit(session)
    there = ("--realm", "shop", "--store", sessions.url)

    assert len(sojourn("export", "--user", "ada", *there).json["sessions"]) == 2
    assert sojourn("erase", "--user", "ada", *there, "--json").json == {"erased": 2}
    assert sojourn("revoke", "--all", "--yes", *there, "--json").json == {"ended": 1}
    assert [session.id for session in sessions.manager.list("ada")] == [mine]


def spoil(sessions: Sessions, id: str) -> None:
    """Write data there that is no JSON, as a disk or a hand may."""
    with closing(sqlite3.connect(sessions.path)) as file, file:
        (data,) = file.execute("SELECT data FROM session WHERE id = ?", (id,)).fetchone()
        spoiled = data.replace(b"tea", b'te"') if isinstance(data, bytes) else data.replace("tea", 'te"')
        assert spoiled != data
        file.execute("UPDATE session SET data = ? WHERE id = ?", (spoiled, id))


def test_export_goes_on_where_the_data_of_a_session_cannot_be_read_and_says_so(
    sessions: Sessions, sojourn: Program
) -> None:
    spoiled, sound = sessions.make("ada", cart="tea"), sessions.make("ada", cart="milk")
    spoil(sessions, spoiled)

    done = sojourn("export", "--user", "ada", "--store", sessions.url)

    found = {session["id"]: session for session in done.json["sessions"]}
    assert done.code == 0
    assert found[sound]["data"] == {"cart": "milk"}
    assert (found[spoiled]["data"], found[spoiled]["ip"]) == (None, "203.0.113.9")
    assert done.err == f"The data of session {spoiled} cannot be read; all else of it is there.\n"
    listed = sojourn("list", "--store", sessions.url, "--json").json["sessions"]
    assert {session["id"] for session in listed} == {spoiled, sound}
    assert sojourn("erase", "--user", "ada", "--store", sessions.url, "--json").json == {"erased": 2}


@pytest.fixture
def shop(sessions: Sessions) -> Iterator[SessionManager]:
    """An application on the same store, with a realm."""
    with closing(SessionManager(open_store(sessions.url), realm="shop")) as manager:
        yield manager


def log_in(manager: SessionManager, user: str) -> str:
    session = manager.anonymous()
    session.login(user)
    manager.commit(session)
    assert session.id is not None
    return session.id


def test_list_show_and_stats_are_of_a_realm_or_of_all(
    sessions: Sessions, sojourn: Program, shop: SessionManager
) -> None:
    mine, theirs, dead = sessions.make("ada"), log_in(shop, "ada"), log_in(shop, "bob")
    shop.revoke(dead)

    def listed(*words: str) -> set[str]:
        found = sojourn("list", "--store", sessions.url, "--json", *words).json["sessions"]
        return {session["id"] for session in found}

    assert listed() == {mine, theirs}
    assert listed("--realm", "shop") == {theirs}
    assert listed("--realm", "") == {mine}
    assert listed("--realm", "shop", "--all") == {theirs, dead}
    assert listed("--user", "ada") == {mine}
    assert listed("--user", "ada", "--realm", "shop") == {theirs}
    assert listed("--user", "ada", "--all") == {mine, theirs}

    def shown(*words: str) -> int:
        return sojourn("show", "--store", sessions.url, *words).code

    for id in (theirs, theirs[:12]):
        assert (shown(id), shown(id, "--realm", "shop"), shown(id, "--realm", "")) == (0, 0, 1)

    counts = sojourn("stats", "--realm", "shop", "--store", sessions.url, "--json").json
    assert {name: counts[name] for name in ("live", "ended", "expired", "users")} == {
        "live": 1,
        "ended": 1,
        "expired": 0,
        "users": 1,
    }


def test_revoke_counts_and_ends_those_of_its_realm_alone(
    sessions: Sessions, sojourn: Program, shop: SessionManager
) -> None:
    mine = sessions.make("ada", ago=3600 * 1, ip="203.0.113.9")
    log_in(shop, "ada")

    words = ("revoke", "--older-than", "0s", "--realm", "shop", "--store", sessions.url, "--json")
    assert sojourn(*words, "--dry-run").json["would_end"] == 1
    assert sojourn(*words, "--yes").json == {"ended": 1}
    assert [session.end_reason for session in sessions.manager.scan() if session.id == mine] != ["revoked"]


def test_list_of_a_user_is_not_cut_at_a_page(sessions: Sessions, sojourn: Program) -> None:
    with closing(SessionManager(open_store(sessions.url), policy=Policy(max_sessions=None))) as manager:
        for _ in range(150):
            log_in(manager, "ada")

    assert sojourn("list", "--user", "ada", "--store", sessions.url, "--json").json["total"] == 150
    assert sojourn("revoke", "--user", "ada", "--ip", "::/0", "--dry-run", "--store", sessions.url).code == 1


def test_progress_is_shown_on_a_terminal_only(sessions: Sessions, sojourn: Program) -> None:
    sessions.make("ada")
    for words in (("list",), ("stats", "--realm", ""), ("erase", "--user", "ada", "--dry-run")):
        assert "1 read" in sojourn.on_terminal(*words, "--store", sessions.url).out
        assert "read" not in sojourn(*words, "--store", sessions.url).err
