"""A SQLite file of sessions that a server uses: changed behind its back, so that nobody has to wait."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from msgspec.structs import replace

from sojourn.stores.sqlite.rows import select_all, update

__all__ = ["make_older"]


def make_older(file: Path, seconds: float) -> None:
    """All sessions were seen so much longer ago."""
    with closing(sqlite3.connect(file)) as connection, connection:
        for record in select_all(connection, "", ())[0]:
            update(connection, record, replace(record, seen_at=record.seen_at - int(seconds * 1000)))
