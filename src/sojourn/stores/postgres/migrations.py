"""Migrations: a database brought to the schema that this Sojourn writes, or judged by it."""

from __future__ import annotations

import psycopg
from psycopg.rows import scalar_row

from sojourn.core.errors import ConfigurationError

from .connections import complete
from .errors import SchemaBehind, unreachable
from .schema import MIGRATION_LOCK, MIGRATIONS
from .statement import qualified
from .tables import SELECT_TABLES, judge_tables

__all__ = [
    "SELECT_ENCODINGS",
    "SELECT_NEEDED",
    "SELECT_VERSION",
    "is_newer",
    "judge_encodings",
    "judge_version",
    "migrate",
]

CONNECT_TIMEOUT = 5.0
# The second is for a newer database alone: it has the column, whatever this Sojourn made.
SELECT_VERSION = "SELECT coalesce(pg_catalog.max(number), 0) FROM ours.sojourn_migration"
SELECT_NEEDED = "SELECT pg_catalog.max(needs) FROM ours.sojourn_migration"
SELECT_ENCODINGS = """
SELECT pg_catalog.current_setting('server_encoding'), pg_catalog.current_setting('client_encoding')
"""

_SELECT_SCHEMA = "SELECT pg_catalog.quote_ident(pg_catalog.current_schema())"
_NOTE = "INSERT INTO ours.sojourn_migration (number, name, needs) VALUES (%s, %s, %s)"
_LEDGER = """
CREATE TABLE IF NOT EXISTS ours.sojourn_migration (
    number integer PRIMARY KEY,
    name text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    needs integer NOT NULL
)
"""
# For a ledger from before the column. No code knew less than the first two.
_NEEDS = "ALTER TABLE ours.sojourn_migration ADD COLUMN IF NOT EXISTS needs integer NOT NULL DEFAULT 2"


def migrate(conninfo: str) -> list[str]:
    """Bring the database to this Sojourn's schema; the migrations that were missing, as "1 sessions".

    Each is a transaction, and two who call it at once wait for one another. A newer database that this Sojourn can
    serve is left as it is. Raises ConfigurationError where it cannot, or where the database cannot hold every text or
    refuses, StoreUnavailable where it cannot be reached.
    """
    try:
        with psycopg.connect(
            complete(conninfo, CONNECT_TIMEOUT), autocommit=True, prepare_threshold=None
        ) as connection:
            return [f"{number} {MIGRATIONS[number - 1].name}" for number in _apply_missing(connection)]
    except psycopg.OperationalError as error:
        raise unreachable(error) from error
    except psycopg.Error as error:
        raise ConfigurationError(f"PostgreSQL refused the migration: {error.diag.message_primary}.") from error


def is_newer(found: int) -> bool:
    """Whether the database has migrations that this Sojourn does not know."""
    return found > len(MIGRATIONS)


def judge_version(found: int, needed: int) -> None:
    """Raise ConfigurationError, with the mend, unless this Sojourn can serve the database.

    `found` is its newest migration, `needed` how many one has to know to serve it.
    """
    known = len(MIGRATIONS)
    if found < known:
        raise SchemaBehind(
            f"The PostgreSQL database is at migration {found} of {known}. Run `sojourn migrate --store URL`, or call "
            "sojourn.stores.postgres.migrate()."
        )
    if needed > known:
        raise ConfigurationError(
            f"The PostgreSQL database is at migration {found}, which needs a Sojourn that knows migration {needed}, "
            f"and this one knows {known}. Update Sojourn."
        )


def judge_encodings(database: str | bytes, client: str | bytes) -> None:
    """Raise ConfigurationError, with the mend, unless the database holds, and the connection carries, every text."""
    if _name(database) != "UTF8":
        raise ConfigurationError(
            f"The PostgreSQL database is in {_name(database)}, which cannot hold every text. Make one in UTF-8: "
            "CREATE DATABASE name ENCODING 'UTF8' TEMPLATE template0"
        )
    if _name(client) != "UTF8":
        raise ConfigurationError(
            f"A connection of your pool speaks {_name(client)}, which cannot carry every text. Give the pool "
            'kwargs={"client_encoding": "utf8"}'
        )


def _name(encoding: str | bytes) -> str:
    # Over a connection without an encoding, psycopg gives bytes.
    return encoding.decode() if isinstance(encoding, bytes) else encoding


def _apply_missing(connection: psycopg.Connection) -> list[int]:
    applied = []
    judge_encodings(*connection.execute(SELECT_ENCODINGS).fetchall()[0])
    for number, (name, needs, statements) in enumerate(MIGRATIONS, 1):
        with connection.transaction():
            connection.execute("SELECT pg_catalog.pg_advisory_xact_lock(%s, 0)", (MIGRATION_LOCK,))
            schema = _schema(connection)
            connection.execute(qualified(_LEDGER, schema, False))
            numbers = connection.cursor(row_factory=scalar_row)
            [version] = numbers.execute(qualified(SELECT_VERSION, schema, False)).fetchall()
            if is_newer(version):
                judge_version(version, *numbers.execute(qualified(SELECT_NEEDED, schema, False)).fetchall())
            if version >= number:
                continue
            for statement in (_NEEDS, *statements):
                connection.execute(qualified(statement, schema, False))
            connection.execute(qualified(_NOTE, schema, True), (number, name, needs))
        applied.append(number)
    return applied


def _schema(connection: psycopg.Connection) -> str:
    """Where the tables are, or are to be: the first schema on the search_path. Then nothing else is on it."""
    found = judge_tables(connection.execute(SELECT_TABLES).fetchall())
    [(first,)] = connection.execute(_SELECT_SCHEMA).fetchall()
    if first is None:
        raise ConfigurationError("search_path names no schema that is there: CREATE SCHEMA it first, or grant its use.")
    connection.execute("SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true)")
    return found or str(first)
