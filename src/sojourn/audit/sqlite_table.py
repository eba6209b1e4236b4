"""SQLiteTable: the trail's table in a session file, or in a file of its own."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TypeVar

from sojourn.core.errors import ConfigurationError
from sojourn.stores.sqlite.file import WRITE_TIMEOUT, SQLiteFile

from .chain import START, Chain, Link, Row, cut, grown
from .entry import Entry

__all__ = ["SQLiteTable"]

T = TypeVar("T")

# Made by whoever writes first. No format of the file, as sessions are read and written without it.
SCHEMA = (
    "CREATE TABLE IF NOT EXISTS sojourn_audit (n INTEGER PRIMARY KEY, entry TEXT NOT NULL) STRICT",
    """
    CREATE TABLE IF NOT EXISTS sojourn_audit_chain (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        cut_n INTEGER NOT NULL,
        cut_hash TEXT NOT NULL,
        n INTEGER NOT NULL,
        hash TEXT NOT NULL
    ) STRICT
    """,
)
READ = "SELECT n, entry FROM sojourn_audit WHERE n > ? ORDER BY n LIMIT ?"
READ_BACK = "SELECT n, entry FROM sojourn_audit WHERE n < ? ORDER BY n DESC LIMIT ?"


class SQLiteTable:
    """For threads and processes of one machine. Raises as SQLiteFile, and ConfigurationError where none is to be made.

    An entry that is written is on disk: it survives a loss of power.
    """

    def __init__(self, path: str, *, make: bool) -> None:
        self._file = SQLiteFile(path, WRITE_TIMEOUT)
        if self._file.scan(_is_there):
            return
        if not make:
            raise ConfigurationError(f"There is no audit trail in {path}: nothing was written yet, or elsewhere.")
        self._file.write(_make, durable=True)

    def append(self, entries: Sequence[Entry]) -> None:
        """As Table.append."""
        self._file.write(partial(_append, entries), durable=True)

    def cut(self, before: str, limit: int) -> int:
        """As Table.cut."""
        return self._file.write(partial(_cut, before, limit))

    def read(self, after: int, limit: int) -> list[Row]:
        """As Table.read."""
        return self._file.scan(partial(_read, READ, after, limit))

    def read_back(self, before: int, limit: int) -> list[Row]:
        """As Table.read_back."""
        return self._file.scan(partial(_read, READ_BACK, before, limit))

    def look(self, look: Callable[[Chain, Iterable[Row]], T]) -> T:
        """As Table.look."""
        return self._file.scan(partial(_look, look))

    def close(self) -> None:
        """As Table.close."""
        self._file.close()


def _is_there(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'sojourn_audit_chain'").fetchone())


def _make(connection: sqlite3.Connection) -> None:
    for statement in SCHEMA:
        connection.execute(statement)
    connection.execute("INSERT OR IGNORE INTO sojourn_audit_chain VALUES (1, ?, ?, ?, ?)", (*START, *START))


def _chain(connection: sqlite3.Connection) -> Chain:
    cut_n, cut_hash, n, hash = connection.execute("SELECT cut_n, cut_hash, n, hash FROM sojourn_audit_chain").fetchone()
    return Chain(Link(cut_n, cut_hash), Link(n, hash))


def _append(entries: Sequence[Entry], connection: sqlite3.Connection) -> None:
    rows, chain = grown(_chain(connection), entries)
    connection.executemany("INSERT INTO sojourn_audit (n, entry) VALUES (?, ?)", rows)
    connection.execute("UPDATE sojourn_audit_chain SET n = ?, hash = ?", chain.last)


def _cut(before: str, limit: int, connection: sqlite3.Connection) -> int:
    chain = cut(_chain(connection), _read(READ, 0, limit, connection), before)
    connection.execute("UPDATE sojourn_audit_chain SET cut_n = ?, cut_hash = ?", chain.cut)
    return connection.execute("DELETE FROM sojourn_audit WHERE n <= ?", (chain.cut.n,)).rowcount


def _read(statement: str, edge: int, limit: int, connection: sqlite3.Connection) -> list[Row]:
    return connection.execute(statement, (edge, limit)).fetchall()


def _look(look: Callable[[Chain, Iterable[Row]], T], connection: sqlite3.Connection) -> T:
    connection.execute("BEGIN")
    return look(_chain(connection), connection.execute("SELECT n, entry FROM sojourn_audit ORDER BY n"))
