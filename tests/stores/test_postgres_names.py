"""No name leads to what a stranger planted: tables, functions and operators are ours or the server's own."""

from __future__ import annotations

import asyncio
from contextlib import closing
from threading import Thread

import psycopg
import pytest
from psycopg_pool import ConnectionPool

from sojourn import ConfigurationError
from sojourn.core.store import Store, WatchableStore
from sojourn.stores.postgres import AsyncPostgresStore, PostgresStore, migrate
from sojourn.testing import blocking
from sojourn.testing.records import NOW, commit, live, put
from tests.servers.postgres import PostgresServer
from tests.stores.recording_watcher import RecordingWatcher

TABLES = ("sojourn_migration", "sojourn_session", "sojourn_bar", "sojourn_mark")
# Of what our statements and the trigger call, and of operators between types that meet there by chance.
PLANTED = """
CREATE SCHEMA planted;
CREATE TABLE planted.calls (what text);
CREATE FUNCTION planted.hashtext(text) RETURNS int LANGUAGE sql AS
    $$INSERT INTO planted.calls VALUES ('hashtext'); SELECT 1$$;
CREATE FUNCTION planted.hashtext(varchar) RETURNS int LANGUAGE sql AS
    $$INSERT INTO planted.calls VALUES ('hashtext'); SELECT 1$$;
CREATE FUNCTION planted.pg_notify(text, text) RETURNS void LANGUAGE sql AS
    $$INSERT INTO planted.calls VALUES ('pg_notify')$$;
CREATE FUNCTION planted.pg_try_advisory_xact_lock(int, int) RETURNS bool LANGUAGE sql AS
    $$INSERT INTO planted.calls VALUES ('lock'); SELECT true$$;
CREATE FUNCTION planted.pg_advisory_xact_lock(int, int) RETURNS void LANGUAGE sql AS
    $$INSERT INTO planted.calls VALUES ('lock')$$;
CREATE FUNCTION planted.pg_advisory_lock_shared(int, int) RETURNS void LANGUAGE sql AS
    $$INSERT INTO planted.calls VALUES ('lock')$$;
CREATE FUNCTION planted.abs(numeric) RETURNS numeric LANGUAGE sql AS
    $$INSERT INTO planted.calls VALUES ('abs'); SELECT 0::numeric$$;
CREATE FUNCTION planted.octet_length(text) RETURNS int LANGUAGE sql AS
    $$INSERT INTO planted.calls VALUES ('octet_length'); SELECT 0$$;
CREATE FUNCTION planted.set_config(text, text, bool) RETURNS text LANGUAGE sql AS
    $$INSERT INTO planted.calls VALUES ('set_config'); SELECT 'off'$$;
CREATE FUNCTION planted.pg_backend_pid() RETURNS int LANGUAGE sql AS
    $$INSERT INTO planted.calls VALUES ('pg_backend_pid'); SELECT 1$$;
CREATE FUNCTION planted.at_most(numeric, bigint) RETURNS bool LANGUAGE sql AS
    $$INSERT INTO planted.calls VALUES ('<='); SELECT true$$;
CREATE OPERATOR planted.<= (LEFTARG = numeric, RIGHTARG = bigint, FUNCTION = planted.at_most);
"""


def execute(conninfo: str, *statements: str) -> list[tuple[object, ...]]:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        cursor = connection.cursor()
        for statement in statements:
            cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def role_of(database: str, name: str) -> tuple[str, str]:
    """A new role, and the conninfo of who has it."""
    role = f"{database.rpartition('/')[2]}_{name}"
    execute(database, f"CREATE ROLE {role} LOGIN")
    return role, database.replace("postgres@", f"{role}@")


def allow(database: str, role: str) -> None:
    execute(database, f"GRANT SELECT, INSERT, UPDATE, DELETE ON {', '.join(TABLES)} TO {role}")


def work(store: Store) -> None:
    """Every kind of statement."""
    record = put(store, "ada", data={"cart": b"[]"})
    assert store.commit(commit(record, increments={"n": 2})) is not None
    store.commit(commit(live(store, record.id), seen_at=NOW + 1))
    assert live(store, record.id).data["n"] == b"2"
    assert [each.id for each in store.list("ada", NOW)] == [record.id]
    assert store.stats(NOW).live == 1
    assert list(store.scan("", 9))
    assert list(store.end_all("ada", "revoked", NOW + 2)) == [record.id]
    store.bar(NOW + 3)
    store.end_expired(NOW + 4, 9)
    store.delete_expired(NOW + 5, 9)


# Functions and operators


@pytest.mark.parametrize("kind", ["threads", "loop", "a pool of the caller's"])
def test_a_planted_function_or_operator_is_never_called_though_its_schema_comes_first(
    postgres: PostgresServer, kind: str
) -> None:
    """Even before pg_catalog, and while the tables are made."""
    conninfo = postgres.new_database()
    execute(conninfo, PLANTED)
    mine = f"{conninfo}?options=-csearch_path%3Dpublic,planted,pg_catalog"
    migrate(mine)
    if kind == "loop":
        store: Store = blocking(AsyncPostgresStore(mine))
        work(store)
        store.close()
    elif kind == "threads":
        with closing(PostgresStore(mine)) as own:
            work(own)
    else:
        with ConnectionPool(mine, open=True) as pool:
            work(PostgresStore(pool))

    assert execute(conninfo, "SELECT * FROM planted.calls") == []


def test_a_listener_calls_nothing_planted(postgres: PostgresServer) -> None:
    conninfo = postgres.new_database()
    execute(conninfo, PLANTED)
    mine = f"{conninfo}?options=-csearch_path%3Dpublic,planted,pg_catalog"
    migrate(mine)
    with closing(PostgresStore(mine)) as store:
        hear_one_write(store)

    assert execute(conninfo, "SELECT * FROM planted.calls") == []


def hear_one_write(store: WatchableStore) -> None:
    watcher = RecordingWatcher()
    listening = Thread(target=store.watch, args=(watcher, 0.1), daemon=True)
    listening.start()
    watcher.wait_until_sound()
    record = put(store)
    store.commit(commit(record, increments={"n": 1}))
    watcher.wait_for(record)
    watcher.closed = True
    listening.join()


# Tables


def test_a_table_that_is_planted_earlier_on_the_path_later_on_is_never_used(database: str) -> None:
    """Also over a caller's pool, which keeps its search_path."""
    path = f"{database}?options=-csearch_path%3Dearly,public"
    execute(database, "CREATE SCHEMA early")
    with ConnectionPool(path, open=True) as pool, closing(PostgresStore(path)) as own:
        theirs = PostgresStore(pool)
        put(own), put(theirs)
        execute(database, *[f"CREATE TABLE early.{table} (LIKE public.{table})" for table in TABLES])
        for store in (own, theirs):
            before = put(store)
            assert live(store, before.id) == before
        assert execute(database, "SELECT * FROM early.sojourn_session") == []
        assert len(execute(database, "SELECT * FROM public.sojourn_session")) == 4


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("where", ["public", "$user"])
def test_a_table_of_a_stranger_is_refused_by_name(database: str, table: str, where: str) -> None:
    """In the schema of all, or in one that has the name of the application's role and is the stranger's own."""
    app, conninfo = role_of(database, "app")
    stranger, _ = role_of(database, "stranger")
    allow(database, app)
    PostgresStore(conninfo).close()
    schema = "public"
    if where == "$user":
        schema = app
        execute(database, f"CREATE SCHEMA {app} AUTHORIZATION {stranger}", f"GRANT USAGE ON SCHEMA {app} TO {app}")
        execute(database, f"CREATE TABLE {app}.{table} (LIKE public.{table})")
    execute(database, f"ALTER TABLE {schema}.{table} OWNER TO {stranger}")

    for kind in (PostgresStore, AsyncPostgresStore):
        with pytest.raises(
            ConfigurationError, match=rf"{schema}\.{table} in PostgreSQL belongs to the role '{stranger}'"
        ):
            kind(conninfo)
    with pytest.raises(ConfigurationError, match=f"belongs to the role '{stranger}'"):
        migrate(conninfo)
    if where == "public":
        # A superuser would run the triggers of the table with all rights.
        with pytest.raises(ConfigurationError, match=f"belongs to the role '{stranger}'"):
            migrate(database)
        with ConnectionPool(conninfo, open=True) as pool:
            store = PostgresStore(pool)
            with pytest.raises(ConfigurationError, match=f"belongs to the role '{stranger}'"):
                store.get("0" * 32)


def owned_by(database: str, owner: str) -> None:
    execute(database, *[f"ALTER TABLE {table} OWNER TO {owner}" for table in TABLES])


def test_tables_of_the_databases_owner_of_the_schemas_of_ones_own_and_of_a_group_are_taken(database: str) -> None:
    name = database.rpartition("/")[2]
    app, conninfo = role_of(database, "app")
    maker, _ = role_of(database, "maker")
    allow(database, app)
    owned_by(database, maker)
    with pytest.raises(ConfigurationError, match="belongs to the role"):
        PostgresStore(conninfo)

    execute(database, f"GRANT {maker} TO {app}")
    PostgresStore(conninfo).close()
    execute(database, f"REVOKE {maker} FROM {app}", f"ALTER DATABASE {name} OWNER TO {maker}")
    PostgresStore(conninfo).close()
    execute(database, f"ALTER DATABASE {name} OWNER TO postgres", f"ALTER SCHEMA public OWNER TO {maker}")
    execute(database, f"GRANT USAGE ON SCHEMA public TO {app}")
    PostgresStore(conninfo).close()
    execute(database, "ALTER SCHEMA public OWNER TO postgres")
    owned_by(database, app)
    with closing(PostgresStore(conninfo)) as store:
        work(store)


def test_a_schema_may_have_any_name(postgres: PostgresServer) -> None:
    conninfo = postgres.new_database()
    execute(conninfo, """CREATE SCHEMA "it's 100% ours. ""now"" {0}" """)
    execute(
        conninfo,
        f"""ALTER DATABASE {conninfo.rpartition("/")[2]} SET search_path = "it's 100% ours. ""now"" {{0}}" """,
    )
    assert len(migrate(conninfo)) > 0
    async_store = blocking(AsyncPostgresStore(conninfo))
    put(async_store)
    async_store.close()
    found = execute(conninfo, "SELECT current_schema(), count(*) FROM sojourn_session")
    assert found == [("""it's 100% ours. "now" {0}""", 1)]
    execute(conninfo, "TRUNCATE sojourn_session")
    with closing(PostgresStore(conninfo)) as store:
        work(store)


def test_a_path_without_a_schema_is_told(postgres: PostgresServer) -> None:
    with pytest.raises(ConfigurationError, match="search_path names no schema that is there"):
        migrate(f"{postgres.new_database()}?options=-csearch_path%3Dnowhere")


def test_a_connection_of_the_stores_own_finds_only_what_is_the_servers(database: str) -> None:
    path = "SELECT current_setting('search_path')"
    with closing(PostgresStore(database)) as store, store._connections.lend(9e9, 9e9) as connection:
        assert connection.execute(path).fetchall() == [("pg_catalog, pg_temp",)]

    async def ask() -> object:
        store = AsyncPostgresStore(database)
        try:
            async with store._connections.lend(9e9, 9e9) as connection:
                return await (await connection.execute(path)).fetchall()
        finally:
            await store.close()

    assert asyncio.run(ask()) == [("pg_catalog, pg_temp",)]
