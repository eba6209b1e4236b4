"""`sojourn migrate`, as a process on a real server."""

from __future__ import annotations

import json

import pytest

from tests.cli.program import Program
from tests.servers.port import find_port
from tests.servers.postgres import PostgresServer

ALL = ["1 sessions", "2 realms, instants and marks", "3 audit trail"]


def test_an_empty_database_is_made_ready_and_then_left_alone(postgres: PostgresServer, sojourn: Program) -> None:
    url = postgres.new_database()
    before = sojourn("stats", "--store", url)
    assert before.code == 2
    assert "Run `sojourn migrate --store URL`" in before.err

    env = {"SOJOURN_STORE": url, "SOJOURN_AUDIT": url}
    first = sojourn("migrate", env=env)
    assert (first.code, first.out, first.err) == (0, "".join(f"applied {each}\n" for each in ALL), "")
    again = sojourn("migrate", env=env)
    assert (again.code, again.out, again.err) == (0, "up to date\n", "")
    assert sojourn("stats", "--store", url).code == 0
    # In the table that it made.
    (told,) = sojourn("audit", "--json", env=env).out.splitlines()
    assert (json.loads(told)["what"], json.loads(told)["applied"]) == ("migrated", ALL)


def test_it_tells_scripts_what_was_applied(postgres: PostgresServer, sojourn: Program) -> None:
    url = postgres.new_database()
    assert sojourn("migrate", "--store", url, "--json").json == {"applied": ALL}
    # The application's URL, with the cache that it has there.
    assert sojourn("migrate", "--store", f"{url}?cache=64MiB", "--json").json == {"applied": []}


@pytest.mark.parametrize("url", ["sqlite:///sessions.sqlite3", "memory:", "redis://localhost"])
def test_other_stores_need_none(url: str, sojourn: Program) -> None:
    done = sojourn("migrate", "--store", url)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("nothing to migrate")
    assert list(sojourn.folder.iterdir()) == []


def test_a_server_that_is_away_is_no_traceback(sojourn: Program) -> None:
    done = sojourn("migrate", "--store", f"postgresql://ada:secret@127.0.0.1:{find_port()}/app")
    assert (done.code, done.out) == (3, "")
    assert "PostgreSQL cannot be reached" in done.err
    assert "refused" in done.err
    assert "secret" not in done.err


def test_what_libpq_cannot_read_is_told_without_being_repeated(sojourn: Program) -> None:
    done = sojourn("migrate", "--store", "postgresql://ada:secret@localhost/app?colour=blue")
    assert done.code == 2
    assert "Write postgresql://" in done.err
    assert "secret" not in done.err
