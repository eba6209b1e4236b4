"""The schema: made once by migrations, and looked at before anything else is done."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool, ConnectionPool

from sojourn import ConfigurationError, StoreUnavailable
from sojourn.stores.postgres import AsyncPostgresStore, PostgresStore, migrate, migrations
from sojourn.stores.postgres.schema import MIGRATIONS, Migration
from sojourn.testing import StoreContract
from sojourn.testing.records import put
from tests.servers.port import find_port
from tests.servers.postgres import PostgresServer

BEHIND = "DELETE FROM sojourn_migration"
AHEAD = "INSERT INTO sojourn_migration (number, name, needs) VALUES (99, 'from the future', 98)"
ALL = ["1 sessions", "2 realms, instants and marks", "3 audit trail"]


def execute(conninfo: str, statement: str) -> None:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(statement)


def test_migrations_are_applied_once(postgres: PostgresServer) -> None:
    conninfo = postgres.new_database()

    assert migrate(conninfo) == ALL
    store = PostgresStore(conninfo)
    record = put(store, "ada")
    assert migrate(conninfo) == []
    assert store.get(record.id) == record
    store.close()


def test_migrations_at_the_same_time_wait_for_one_another(postgres: PostgresServer) -> None:
    conninfo = postgres.new_database()
    with ThreadPoolExecutor(4) as pool:
        applied = list(pool.map(migrate, [conninfo] * 4))

    # Whoever comes first to one.
    assert sorted(name for each in applied for name in each) == ALL


@pytest.mark.parametrize("kind", [PostgresStore, AsyncPostgresStore])
def test_a_database_without_tables_is_refused_with_the_mend(
    postgres: PostgresServer, kind: type[PostgresStore | AsyncPostgresStore]
) -> None:
    with pytest.raises(ConfigurationError, match="Run `sojourn migrate --store URL`"):
        kind(postgres.new_database())


def test_an_older_database_is_refused_with_the_mend(database: str) -> None:
    execute(database, BEHIND)

    with pytest.raises(ConfigurationError, match=r"migration 0 of 3\. Run `sojourn migrate"):
        PostgresStore(database)


def test_a_newer_database_is_refused_with_the_mend(database: str) -> None:
    execute(database, AHEAD)

    told = r"at migration 99, which needs a Sojourn that knows migration 98, and this one knows 3\. Update Sojourn"
    for refusing in (PostgresStore, AsyncPostgresStore, migrate):
        with pytest.raises(ConfigurationError, match=told):
            refusing(database)


# What a later Sojourn may do: add first; and take away once no code that is in use looks at it any more.
EXPAND = Migration(
    "labels",
    2,
    (
        "ALTER TABLE ours.sojourn_session ADD COLUMN label text NOT NULL DEFAULT ''",
        "ALTER TABLE ours.sojourn_bar ADD COLUMN why text",
        "ALTER TABLE ours.sojourn_mark ADD COLUMN label text",
        "CREATE INDEX sojourn_session_label ON ours.sojourn_session (label)",
        "CREATE TABLE ours.sojourn_label (label text PRIMARY KEY)",
    ),
)
CONTRACT = Migration("bytes are counted anew", 4, ("ALTER TABLE ours.sojourn_session DROP COLUMN bytes",))


def migrate_as_later(conninfo: str, *later: Migration) -> list[str]:
    """Migrate as a Sojourn does that has these migrations too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(migrations, "MIGRATIONS", (*MIGRATIONS, *later))
        return migrate(conninfo)


@pytest.fixture(scope="module")
def expanded(postgres: PostgresServer) -> str:
    """A database that a later Sojourn has added to."""
    conninfo = postgres.new_database()
    assert migrate_as_later(conninfo, EXPAND) == [*ALL, "4 labels"]
    return conninfo


class TestAnExpandedDatabase(StoreContract):
    """Code that does not know the newest migration keeps every promise of a store."""

    @pytest.fixture(autouse=True)
    def _open(self, expanded: str) -> None:
        execute(expanded, "TRUNCATE sojourn_session, sojourn_bar, sojourn_mark")
        self.store = PostgresStore(expanded)

    def setup_method(self) -> None:
        """The fixture opens it."""


def test_a_database_is_expanded_under_an_older_sojourn_and_contracted_once_that_is_gone(database: str) -> None:
    older = PostgresStore(database)
    record = put(older, "ada")
    assert migrate_as_later(database, EXPAND) == ["4 labels"]
    assert migrate(database) == []  # an older one, rolled back to, begins with that
    again = PostgresStore(database)
    both = put(again, "ada")
    assert {found.id for found in older.list("ada", record.created_at)} == {record.id, both.id}
    older.close()
    again.close()

    assert migrate_as_later(database, EXPAND, CONTRACT) == ["5 bytes are counted anew"]
    told = "at migration 5, which needs a Sojourn that knows migration 4, and this one knows 3"
    for refusing in (PostgresStore, migrate):
        with pytest.raises(ConfigurationError, match=told):
            refusing(database)
    assert migrate_as_later(database, EXPAND) == []  # which does not look at it: it may serve it


def test_a_ledger_from_before_it_said_what_is_needed_says_so_from_the_next_migration_on(database: str) -> None:
    execute(database, "ALTER TABLE sojourn_migration DROP COLUMN needs")
    PostgresStore(database).close()
    assert migrate(database) == []

    assert migrate_as_later(database, EXPAND) == ["4 labels"]
    PostgresStore(database).close()


def test_each_migration_needs_what_there_is_and_no_less_than_the_one_before() -> None:
    needs = [migration.needs for migration in MIGRATIONS]

    assert needs == sorted(needs)
    assert all(1 <= needed <= number for number, needed in enumerate(needs, 1))


def test_a_callers_pool_is_judged_with_its_first_use(postgres: PostgresServer, database: str) -> None:
    """It may be opened only after the store is made."""
    with ConnectionPool(postgres.new_database(), open=False) as pool:
        store = PostgresStore(pool)
        with pytest.raises(ConfigurationError, match="Run `sojourn migrate"):
            store.get("0" * 32)

    async def use() -> None:
        execute(database, AHEAD)
        async with AsyncConnectionPool(database, open=False) as pool:
            store = AsyncPostgresStore(pool)
            with pytest.raises(ConfigurationError, match="Update Sojourn"):
                await store.get("0" * 32)

    asyncio.run(use())


def test_a_role_that_may_not_is_told_what_it_needs(postgres: PostgresServer, database: str) -> None:
    role = database.rpartition("/")[2] + "_app"
    execute(database, f"CREATE ROLE {role} LOGIN")
    conninfo = database.replace("postgres@", f"{role}@")

    with pytest.raises(ConfigurationError, match=r"sojourn_migration.*Grant the application's role SELECT"):
        PostgresStore(conninfo)
    with pytest.raises(ConfigurationError, match="PostgreSQL refused the migration: permission denied"):
        migrate(postgres.new_database().replace("postgres@", f"{role}@"))
    execute(database, f"GRANT SELECT, INSERT, UPDATE, DELETE ON sojourn_session, sojourn_bar, sojourn_mark TO {role}")
    execute(database, f"GRANT SELECT ON sojourn_migration TO {role}")
    store = PostgresStore(conninfo)
    record = put(store, "ada")
    assert [record] == store.list("ada", record.created_at)
    store.close()


def test_a_server_that_is_away_is_told_without_the_password() -> None:
    conninfo = f"postgresql://ada:secret@127.0.0.1:{find_port()}/app"

    for call in (PostgresStore, AsyncPostgresStore, migrate):
        with pytest.raises(StoreUnavailable, match=r"cannot be reached.*refused") as caught:
            call(conninfo)
        assert "secret" not in str(caught.value)


def test_a_conninfo_that_cannot_be_read_is_not_repeated() -> None:
    with pytest.raises(ConfigurationError, match="Write postgresql://") as caught:
        PostgresStore("postgresql://ada:secret@localhost/app?colour=blue")
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


# Encodings


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_that_cannot_hold_every_text_is_refused_by_name(postgres: PostgresServer, encoding: str) -> None:
    """When it is migrated, and, should it have the tables nevertheless, when a store is made."""
    name = f"in_{encoding.lower()}"
    execute(postgres.conninfo, f"CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0 LOCALE 'C'")
    conninfo = f"{postgres.conninfo.rpartition('/')[0]}/{name}"
    with pytest.raises(ConfigurationError, match=f"is in {encoding}.*ENCODING 'UTF8'"):
        migrate(conninfo)
    execute(conninfo, "CREATE TABLE sojourn_migration (number integer)")
    execute(conninfo, f"INSERT INTO sojourn_migration VALUES ({len(MIGRATIONS)})")

    for kind in (PostgresStore, AsyncPostgresStore):
        with pytest.raises(ConfigurationError, match=f"is in {encoding}"):
            kind(conninfo)


@pytest.mark.parametrize("chosen", ["", "?client_encoding=latin1"])
def test_what_a_client_speaks_by_default_is_not_what_a_store_speaks(
    database: str, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    store = PostgresStore(database + chosen)
    record = put(store, "Ада", data={"κ": '"🦊"'.encode()})

    assert store.get(record.id) == record
    store.close()


@pytest.mark.parametrize("encoding", ["latin1", "sql_ascii"])
def test_a_callers_pool_that_cannot_carry_every_text_is_refused_by_name(database: str, encoding: str) -> None:
    with ConnectionPool(database, kwargs={"client_encoding": encoding}, min_size=1) as pool:
        store = PostgresStore(pool)
        with pytest.raises(ConfigurationError, match=f"speaks {encoding.upper()}.*client_encoding"):
            store.get("0" * 32)
