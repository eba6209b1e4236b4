"""docs/stores/postgres.md does what it says, on a real server."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg

from sojourn import SessionManager
from sojourn.stores.postgres import PostgresStore, store

PAGE = (Path(__file__).parents[2] / "docs/stores/postgres.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_its_sql_runs(database: str) -> None:
    manager = SessionManager(PostgresStore(database))
    session = manager.anonymous()
    session.login("ada")
    session["cart"] = ["tea"]
    manager.commit(session)
    manager.close()
    app = database.rpartition("/")[2] + "_page"
    grants, select = blocks("sql")
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {app}")
        connection.execute(grants.replace("TO app", f"TO {app}"))
        rows = connection.execute(select).fetchall()
    assert [(row[0], row[1], row[4]) for row in rows] == [(session.id, "ada", ["tea"])]


def test_its_defaults_are_the_code_s() -> None:
    assert f"max_connections={store.MAX_CONNECTIONS}, timeout={store.TIMEOUT}" in PAGE
