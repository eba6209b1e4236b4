"""The schema: made once by migrations, and looked at before anything else is done."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool, ConnectionPool

from sojourn import ConfigurationError, StoreUnavailable
from sojourn.stores.postgres import AsyncPostgresStore, PostgresStore, migrate
from sojourn.testing.records import put
from tests.servers.port import find_port
from tests.servers.postgres import PostgresServer

BEHIND = "DELETE FROM sojourn_migration"
AHEAD = "INSERT INTO sojourn_migration (number, name) VALUES (99, 'from the future')"
ALL = ["1 sessions", "2 realms, instants and marks"]


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

    assert sorted(applied) == [[], [], [], ALL]


@pytest.mark.parametrize("kind", [PostgresStore, AsyncPostgresStore])
def test_a_database_without_tables_is_refused_with_the_mend(
    postgres: PostgresServer, kind: type[PostgresStore | AsyncPostgresStore]
) -> None:
    with pytest.raises(ConfigurationError, match="Run `sojourn migrate --store URL`"):
        kind(postgres.new_database())


def test_an_older_database_is_refused_with_the_mend(database: str) -> None:
    execute(database, BEHIND)

    with pytest.raises(ConfigurationError, match=r"migration 0 of 2\. Run `sojourn migrate"):
        PostgresStore(database)


def test_a_newer_database_is_refused_with_the_mend(database: str) -> None:
    execute(database, AHEAD)

    with pytest.raises(ConfigurationError, match=r"knows 2\. Update Sojourn"):
        PostgresStore(database)
    with pytest.raises(ConfigurationError, match="Update Sojourn"):
        migrate(database)


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
