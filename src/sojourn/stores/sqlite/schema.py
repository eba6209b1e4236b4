"""The table, and a file made ready for it."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from sojourn.core.errors import ConfigurationError, StoreUnavailable

__all__ = ["SCHEMA", "SCHEMA_VERSION", "require_ready", "set_up"]

SCHEMA_VERSION = 2

# `record` and `data` are JSON text, for an operator's `data ->> '$.cart'`: two columns, because reading twenty takes
# SQLite twice as long. The others repeat what is in `record`, for the queries that need an index.
SCHEMA = (
    """
    CREATE TABLE session (
        id TEXT PRIMARY KEY,
        realm TEXT NOT NULL,
        user_id TEXT,
        expires_at INTEGER NOT NULL,
        ended_at INTEGER,
        record TEXT NOT NULL,
        data TEXT NOT NULL
    ) STRICT
    """,
    "CREATE INDEX session_user ON session (realm, user_id, id) WHERE user_id IS NOT NULL AND ended_at IS NULL",
    "CREATE INDEX session_expiry ON session (expires_at)",
    # The instants of Store.bar, whose user is empty, and of Store.end_all.
    "CREATE TABLE bar (realm TEXT, user TEXT, at INTEGER NOT NULL, PRIMARY KEY (realm, user)) STRICT, WITHOUT ROWID",
    "CREATE TABLE mark (id TEXT PRIMARY KEY, session_id TEXT NOT NULL, ends_at INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    "CREATE INDEX mark_end ON mark (ends_at)",
    # As in PostgreSQL. `needs`: the least format that code has to know to serve a file that has this one.
    "CREATE TABLE sojourn_migration (number INTEGER PRIMARY KEY, name TEXT NOT NULL, needs INTEGER NOT NULL) STRICT",
    f"INSERT INTO sojourn_migration (number, name, needs) VALUES ({SCHEMA_VERSION}, 'sessions', {SCHEMA_VERSION})",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)


def _needed(connection: sqlite3.Connection, found: int) -> int:
    """The format that code has to know to serve a newer file: the file's own, where it does not say less."""
    if not connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'sojourn_migration'").fetchone()[0]:
        return found
    newest, needed = connection.execute("SELECT max(number), max(needs) FROM sojourn_migration").fetchone()
    return int(needed) if newest == found else found


def _is_ours(connection: sqlite3.Connection, path: Path) -> bool:
    """Whether the file has tables that this Sojourn can serve; False for one that is empty.

    Raises ConfigurationError for any other.
    """
    found = connection.execute("PRAGMA user_version").fetchone()[0]
    if found == SCHEMA_VERSION:
        return True
    if found == 1:
        raise ConfigurationError(f"{path} was written by a Sojourn from before its first release. Delete it.")
    if found > SCHEMA_VERSION:
        needed = _needed(connection, found)
        if needed <= SCHEMA_VERSION:
            return True
        raise ConfigurationError(
            f"{path} was written by a newer Sojourn: format {found}, which needs one that knows format {needed}, and "
            f"this one knows {SCHEMA_VERSION}. Update Sojourn."
        )
    if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise ConfigurationError(f"{path} is a database of another program. Give sessions a file of their own.")
    return False


def set_up(connection: sqlite3.Connection, path: Path, timeout: float) -> None:
    """Make the table in an empty file. Raises ConfigurationError for a file that is not ours.

    Waits `timeout` seconds for another process, then raises StoreUnavailable.
    """
    try:
        if not _is_ours(connection, path):
            connection.execute("BEGIN IMMEDIATE")
            # Judged again under the lock: processes that start together must not both create.
            if not _is_ours(connection, path):
                for statement in SCHEMA:
                    connection.execute(statement)
            connection.execute("COMMIT")
        _set_wal(connection, timeout)
    except sqlite3.OperationalError as error:
        raise StoreUnavailable(f"The session file {path} did not answer: {error}.") from error
    except sqlite3.DatabaseError as error:
        raise ConfigurationError(f"{path} cannot be used as a session file: {error}.") from error


def require_ready(connection: sqlite3.Connection, path: Path) -> None:
    """Raise ConfigurationError for a file that can only be read, and has no sessions of this format in it."""
    try:
        ours = _is_ours(connection, path)
    except sqlite3.Error as error:
        raise ConfigurationError(f"{path} cannot be read as a session file: {error}.") from error
    if not ours:
        raise ConfigurationError(f"{path} has no sessions in it, and cannot be written.")


def _set_wal(connection: sqlite3.Connection, timeout: float) -> None:
    # The mode stays in the file. Changing it does not wait for locks by itself, as other statements do.
    give_up = time.monotonic() + timeout
    while connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.01)
