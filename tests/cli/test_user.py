"""`sojourn export` and `sojourn erase`, as a process on a real file."""

from __future__ import annotations

from contextlib import closing

from sojourn import SessionManager, open_store
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
