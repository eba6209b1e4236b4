"""A row that nobody can read spoils nothing else: lists leave it out, the log names it, and it can be ended."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import psycopg
import pytest

from sojourn import Client, ConfigurationError, SessionManager, UnreadableRecord
from sojourn.core.record import Record
from sojourn.core.store import Applied, Create, Limit, Store
from sojourn.stores.postgres import AsyncPostgresStore, PostgresStore
from sojourn.stores.redis import AsyncRedisStore, RedisStore
from sojourn.stores.redis.key_names import session_key
from sojourn.stores.sqlite import AsyncSQLiteStore, SQLiteStore
from sojourn.testing import blocking
from sojourn.testing.records import NOW, make_record, put
from tests.servers.redis import RedisServer

KINDS = ["sqlite", "async sqlite", "postgres", "async postgres", "redis", "async redis", "redis garbage"]

Break = Callable[[str], None]


class Kind:
    """A store, and what makes the row of an id unreadable."""

    def __init__(self, store: Store, spoil: Break) -> None:
        self.store, self.spoil = store, spoil
        self.manager = SessionManager(store, clock=lambda: NOW + 1)


def on_sqlite(kind: str, folder: Path) -> Kind:
    path = folder / "sessions.sqlite3"
    store = blocking(AsyncSQLiteStore(path)) if "async" in kind else SQLiteStore(path)

    def spoil(id: str) -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            changed = """json_set(record, '$.client', json('{"user_agent":null}'))"""
            connection.execute(f"UPDATE session SET record = {changed} WHERE id = ?", (id,))

    return Kind(store, spoil)


def on_postgres(kind: str, conninfo: str) -> Kind:
    store = blocking(AsyncPostgresStore(conninfo)) if "async" in kind else PostgresStore(conninfo)

    def spoil(id: str) -> None:
        changed = """jsonb_set(record::jsonb, '{client}', '{"user_agent":null}')::json"""
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute(f"UPDATE sojourn_session SET record = {changed} WHERE id = %s", (id,))

    return Kind(store, spoil)


def on_redis(kind: str, server: RedisServer) -> Kind:
    server.clear()
    store = blocking(AsyncRedisStore(server.url)) if "async" in kind else RedisStore(server.url)

    def spoil(id: str) -> None:
        if "garbage" in kind:
            server.ask("SET", session_key(id), "sj1-not-ours", "PX", 10**9)
            return
        # What the scripts look at stays as it is: only the part that they pass on is spoilt.
        script = "local s = cmsgpack.unpack(redis.call('GET', KEYS[1])) s[10] = 'spoilt' "
        script += "redis.call('SET', KEYS[1], cmsgpack.pack(s), 'KEEPTTL')"
        server.ask("EVAL", script, 1, session_key(id))

    return Kind(store, spoil)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kind]:
    name: str = request.param
    if "sqlite" in name:
        made = on_sqlite(name, tmp_path)
    elif "postgres" in name:
        made = on_postgres(name, request.getfixturevalue("database"))
    else:
        made = on_redis(name, request.getfixturevalue("redis_server"))
    yield made
    made.store.close()


@pytest.fixture
def rows(kind: Kind) -> tuple[Record, list[Record]]:
    """Three of one user's; the first that is given is spoilt."""
    records = [put(kind.store, "ada") for _ in range(3)]
    kind.spoil(records[1].id)
    return records[1], [records[0], records[2]]


def test_it_is_an_outage_for_its_own_browser_and_says_which_it_is(
    kind: Kind, rows: tuple[Record, list[Record]]
) -> None:
    spoilt, sound = rows
    with pytest.raises(UnreadableRecord, match=spoilt.id) as raised:
        kind.store.get(spoilt.id)

    assert raised.value.id == spoilt.id
    assert all(kind.store.get(record.id) == record for record in sound)


def test_every_list_leaves_it_out_and_the_log_names_it(
    kind: Kind, rows: tuple[Record, list[Record]], caplog: pytest.LogCaptureFixture
) -> None:
    spoilt, sound = rows
    with caplog.at_level(logging.WARNING, "sojourn"):
        listed = {session.id for session in kind.manager.list("ada")}
        assert spoilt.id in caplog.text
        caplog.clear()
        scanned = {session.id for session in kind.manager.scan()}
        assert spoilt.id in caplog.text

    assert listed == scanned == {record.id for record in sound}
    assert kind.manager.stats().live >= 2


def test_a_page_that_holds_no_other_is_passed_over(kind: Kind, rows: tuple[Record, list[Record]]) -> None:
    _, sound = rows
    found, after = [], ""
    while page := kind.store.scan(after, 1):
        found.append(page[0].id)
        after = page[-1].id

    assert found == sorted(record.id for record in sound)


def test_it_can_be_revoked(kind: Kind, rows: tuple[Record, list[Record]]) -> None:
    spoilt, sound = rows

    assert kind.manager.revoke(spoilt.id)
    assert kind.store.get(spoilt.id) is None
    assert not kind.manager.revoke(spoilt.id)
    assert {session.id for session in kind.manager.list("ada")} == {record.id for record in sound}


def test_revoke_all_ends_it_with_the_others(kind: Kind, rows: tuple[Record, list[Record]]) -> None:
    spoilt, sound = rows

    assert kind.manager.revoke_all("ada") == 3
    assert kind.manager.list("ada") == []
    assert all(kind.store.get(record.id).end_reason == "revoked" for record in sound)  # type: ignore[union-attr]
    assert not kind.manager.revoke(spoilt.id)


def test_its_user_can_log_in_again(kind: Kind, rows: tuple[Record, list[Record]]) -> None:
    create = Create(record=make_record("ada"), now=NOW + 1, began_at=NOW, limit=Limit(2, end_oldest=True))

    assert isinstance(kind.store.create(create), Applied)
    assert create.record.id in {session.id for session in kind.manager.list("ada")}


def test_those_who_are_read_together_with_it_are_served(database: str) -> None:
    made = on_postgres("", database)
    records = [put(made.store, "ada") for _ in range(3)]
    made.spoil(records[1].id)

    async def read() -> list[Record | BaseException | None]:
        store = AsyncPostgresStore(database)
        found = await asyncio.gather(*[store.get(record.id) for record in records], return_exceptions=True)
        await store.close()
        return found

    found = asyncio.run(read())
    assert (found[0], found[2]) == (records[0], records[2])
    assert isinstance(found[1], UnreadableRecord)
    made.store.close()


def test_data_that_is_damaged_spoils_no_list(tmp_path: Path) -> None:
    made = on_sqlite("", tmp_path)
    damaged, sound = put(made.store, "ada", data={"a": b"1"}), put(made.store, "ada")
    with closing(sqlite3.connect(tmp_path / "sessions.sqlite3", isolation_level=None)) as connection:
        connection.execute("UPDATE session SET data = '{\"a\":' WHERE id = ?", (damaged.id,))

    assert [session.id for session in made.manager.list("ada")] == [sound.id]
    assert made.manager.revoke(damaged.id)
    made.store.close()


# How none comes to be


@pytest.mark.parametrize("fields", [{"user_agent": None}, {"ip": None}, {"ip": b"192.0.2.1"}, {"user_agent": "\ud800"}])
def test_a_client_that_could_not_be_read_again_is_never_made(fields: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(fields))):
        Client(**fields)


def test_nor_read() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"user_agent":null}', type=Client)
