"""PostgresTable: the trail's table in a PostgreSQL database that `sojourn migrate` has made ready."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import psycopg
from psycopg import errors
from psycopg.rows import tuple_row

from sojourn.core.errors import ConfigurationError
from sojourn.stores.postgres.connections import PostgresConnections, complete
from sojourn.stores.postgres.errors import MAX_RETRIES, may_retry, translated
from sojourn.stores.postgres.statement import Statement, Steps, qualified
from sojourn.stores.postgres.statements import BEGIN, COMMIT
from sojourn.stores.postgres.store import STATS_TIMEOUT, TIMEOUT, perform, require_schema

from .chain import Chain, Link, Row, cut, grown
from .entry import Entry

__all__ = ["PostgresTable"]

T = TypeVar("T")

CONNECTIONS = 2
# What is written waits here for one another, on every machine.
LOCK_CHAIN = Statement("SELECT cut_n, cut_hash, n, hash FROM ours.sojourn_audit_chain FOR UPDATE")
SELECT_CHAIN = "SELECT cut_n, cut_hash, n, hash FROM ours.sojourn_audit_chain"
SELECT_ALL = "SELECT n, entry FROM ours.sojourn_audit ORDER BY n"
READ = "SELECT n, entry FROM ours.sojourn_audit WHERE n OPERATOR(pg_catalog.>) %s ORDER BY n LIMIT %s"
READ_BACK = "SELECT n, entry FROM ours.sojourn_audit WHERE n OPERATOR(pg_catalog.<) %s ORDER BY n DESC LIMIT %s"
INSERT = """
INSERT INTO ours.sojourn_audit (n, entry)
SELECT * FROM ROWS FROM (pg_catalog.unnest(%s::pg_catalog.int8[]), pg_catalog.unnest(%s::pg_catalog.text[]))
"""
SET_LAST = "UPDATE ours.sojourn_audit_chain SET n = %s, hash = %s"
SET_CUT = "UPDATE ours.sojourn_audit_chain SET cut_n = %s, cut_hash = %s"
DELETE = "DELETE FROM ours.sojourn_audit WHERE n OPERATOR(pg_catalog.<=) %s"
SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"


class PostgresTable:
    """For threads and processes of any number of machines. Raises as PostgresStore."""

    def __init__(self, conninfo: str) -> None:
        where = complete(conninfo, TIMEOUT)
        self._schema = require_schema(where, TIMEOUT)
        self._connections = PostgresConnections(where, CONNECTIONS, TIMEOUT)

    def append(self, entries: Sequence[Entry]) -> None:
        """As Table.append."""
        self._run(partial(_append, entries))

    def cut(self, before: str, limit: int) -> int:
        """As Table.cut."""
        return self._run(partial(_cut, before, limit))

    def read(self, after: int, limit: int) -> list[Row]:
        """As Table.read."""
        return self._run(partial(_read, READ, after, limit))

    def read_back(self, before: int, limit: int) -> list[Row]:
        """As Table.read_back."""
        return self._run(partial(_read, READ_BACK, before, limit))

    def look(self, look: Callable[[Chain, Iterable[Row]], T]) -> T:
        """As Table.look."""
        with self._lend(STATS_TIMEOUT) as connection, connection.transaction():
            connection.execute(SNAPSHOT)
            # The second is fetched in pieces.
            with (
                connection.cursor(row_factory=tuple_row) as chain,
                connection.cursor("sojourn_audit", row_factory=tuple_row) as rows,
            ):
                [found] = chain.execute(self._ours(SELECT_CHAIN)).fetchall()
                return look(_chain(found), rows.execute(self._ours(SELECT_ALL)))

    def close(self) -> None:
        """As Table.close."""
        self._connections.close()

    def _ours(self, sql: str) -> Any:
        return qualified(sql, self._schema, False)

    def _run(self, work: Callable[[], Steps[T]]) -> T:
        for _ in range(MAX_RETRIES):
            try:
                return self._try(work)
            except psycopg.Error as error:
                # What may have been written is not written twice.
                if not may_retry(error, repeatable=False):
                    raise
        return self._try(work)

    def _try(self, work: Callable[[], Steps[T]]) -> T:
        with self._lend(TIMEOUT) as connection:
            return perform(connection, work(), self._schema)

    @contextmanager
    def _lend(self, patience: float) -> Iterator[psycopg.Connection[Any]]:
        now = time.monotonic()
        try:
            with self._connections.lend(now + TIMEOUT, now + patience) as connection:
                yield connection
        except psycopg.Error as error:
            raise _translated(error) from error


def _translated(error: psycopg.Error) -> Exception:
    if isinstance(error, errors.InsufficientPrivilege):
        return ConfigurationError(
            f"PostgreSQL refuses the audit trail: {error.diag.message_primary}. Grant who writes it SELECT and INSERT "
            "on sojourn_audit, and SELECT and UPDATE on sojourn_audit_chain; with keep_days, DELETE on sojourn_audit; "
            "who reads it, SELECT on both."
        )
    return translated(error)


def _chain(row: Sequence[Any]) -> Chain:
    return Chain(Link(*row[:2]), Link(*row[2:]))


def _append(entries: Sequence[Entry]) -> Steps[None]:
    _, [found] = yield [BEGIN, LOCK_CHAIN]
    rows, chain = grown(_chain(found), entries)
    columns = [list(column) for column in zip(*rows, strict=True)]
    yield [Statement(INSERT, columns), Statement(SET_LAST, chain.last), COMMIT]


def _cut(before: str, limit: int) -> Steps[int]:
    _, [found], oldest = yield [BEGIN, LOCK_CHAIN, Statement(READ, (0, limit))]
    chain = cut(_chain(found), oldest, before)
    _, deleted, _ = yield [
        Statement(SET_CUT, chain.cut),
        Statement(DELETE + " RETURNING 1", (chain.cut.n,)),
        COMMIT,
    ]
    return len(deleted)


def _read(statement: str, edge: int, limit: int) -> Steps[list[Row]]:
    [rows] = yield [Statement(statement, (edge, limit))]
    return [(int(n), str(entry)) for n, entry in rows]
