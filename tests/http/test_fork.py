"""A server that loads the application and then forks: its processes share no connection that was open before."""

from __future__ import annotations

from pathlib import Path

import pytest

from sojourn.stores.postgres import migrate
from tests.http.crowd import Ask, ask_at_once
from tests.http.kinds import Kind
from tests.http.site import Site, serve
from tests.servers.postgres import PostgresServer
from tests.servers.redis import RedisServer

USERS = 100


CASES = [("wsgi", "sqlite"), ("wsgi", "redis"), ("wsgi", "postgres"), ("flask", "sqlite"), ("django", "sqlite")]


def empty_store(name: str, request: pytest.FixtureRequest, folder: Path) -> str:
    """Its URL."""
    if name == "redis":
        redis: RedisServer = request.getfixturevalue("redis_server")
        redis.clear()
        return redis.url
    if name == "postgres":
        postgres: PostgresServer = request.getfixturevalue("postgres")
        conninfo = postgres.new_database()
        migrate(conninfo)
        return conninfo
    return f"sqlite:///{folder}/sessions.sqlite3"


@pytest.mark.parametrize(("framework", "store"), CASES)
def test_users_never_cross_where_the_store_was_used_before_the_fork(
    framework: str, store: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    kind = Kind(framework, "gunicorn", more=["--preload", "--workers", "3", "--threads", "8"])
    with serve(kind, tmp_path, empty_store(store, request, tmp_path), processes=False, used_before=True) as site:
        tokens = [log_in(site, f"user{n}") for n in range(USERS)]
        for _ in range(3):
            answers = ask_at_once(site.server.port, [Ask("GET", "/nap/show", token) for token in tokens])
            assert [answer.status for answer in answers] == [200] * USERS
            assert [answer.json()["user"] for answer in answers] == [f"user{n}" for n in range(USERS)]


def log_in(site: Site, user: str) -> str:
    browser = site.browser()
    token = browser.log_in(user)
    browser.close()
    return token
