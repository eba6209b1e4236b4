"""Outbox: messages that are to be delivered, in a SQLite file, each until it was taken."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from sojourn.core.errors import ConfigurationError

__all__ = ["Cursor", "Message", "Outbox"]

SCHEMA = """
CREATE TABLE IF NOT EXISTS message (
    n INTEGER PRIMARY KEY, id TEXT NOT NULL, subject TEXT NOT NULL, body TEXT NOT NULL,
    made_at INTEGER NOT NULL, due_at INTEGER NOT NULL, tries INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS message_subject ON message (subject, n);
CREATE TABLE IF NOT EXISTS cursor (
    one INTEGER PRIMARY KEY CHECK (one = 1), n INTEGER NOT NULL, inode INTEGER NOT NULL, offset INTEGER NOT NULL
) STRICT;
"""


class Cursor(NamedTuple):
    """How far the trail was read: the last entry's number, in which file, and behind which byte."""

    n: int
    inode: int
    offset: int


class Message(NamedTuple):
    """The entry `n`, to be delivered. Those of one `subject` are delivered in order. Times are Unix ms."""

    n: int
    id: str
    subject: str
    body: str
    made_at: int
    due_at: int
    tries: int = 0


class Outbox:
    """For one thread. Raises ConfigurationError where the file cannot be used."""

    def __init__(self, path: Path) -> None:
        try:
            # A process that is killed loses nothing by that; a loss of power may deliver a message twice.
            self._db = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.executescript(SCHEMA)
            path.chmod(0o600)
        except (sqlite3.Error, OSError) as error:
            raise ConfigurationError(f"The outbox {path} cannot be used: {error}.") from None

    def cursor(self) -> Cursor | None:
        """How far the trail was read; None at first."""
        row = self._db.execute("SELECT n, inode, offset FROM cursor").fetchone()
        return Cursor(*row) if row else None

    def put(self, messages: Iterable[Message], cursor: Cursor) -> None:
        """Keep messages, and how far the trail was read with them: both or neither."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.executemany("INSERT OR IGNORE INTO message VALUES (?, ?, ?, ?, ?, ?, ?)", messages)
            self._db.execute("INSERT OR REPLACE INTO cursor VALUES (1, ?, ?, ?)", cursor)
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise

    def due(self, now: int, limit: int) -> list[Message]:
        """Up to `limit` that are due, the oldest first: of each subject its oldest alone."""
        rows = self._db.execute(
            "SELECT n, id, subject, body, made_at, due_at, tries FROM message m WHERE due_at <= ? AND NOT EXISTS "
            "(SELECT 1 FROM message WHERE subject = m.subject AND n < m.n) ORDER BY n LIMIT ?",
            (now, limit),
        )
        return [Message(*row) for row in rows.fetchall()]

    def drop(self, message: Message) -> None:
        """It was taken, or is given up."""
        self._db.execute("DELETE FROM message WHERE n = ?", (message.n,))

    def put_off(self, message: Message, until: int) -> None:
        """It was not taken."""
        self._db.execute("UPDATE message SET due_at = ?, tries = tries + 1 WHERE n = ?", (until, message.n))

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()
