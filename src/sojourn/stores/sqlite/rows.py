"""Rows as records. Pure, but for the connection it is handed."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import force_setattr, replace

from sojourn.core.codec import EncodedObject, join
from sojourn.core.errors import UnreadableRecord
from sojourn.core.record import Record

__all__ = ["SELECT_ONE", "delete", "insert", "record_of", "select", "select_all", "select_page", "update"]

logger = logging.getLogger("sojourn")

SELECT_ONE = "SELECT record, data FROM session WHERE id = ?"
_SELECT = "SELECT id, record, data FROM session "
_UPDATE_DATA = "UPDATE session SET record = ?, data = ? WHERE id = ?"
_INSERT = "INSERT INTO session (id, realm, user_id, expires_at, ended_at, record, data) VALUES (?, ?, ?, ?, ?, ?, ?)"

_decode = msgspec.json.Decoder(Record).decode


def select(id: str, connection: sqlite3.Connection | sqlite3.Cursor) -> Record | None:
    """The record under `id`. Raises UnreadableRecord."""
    row = connection.execute(SELECT_ONE, (id,)).fetchone()
    return None if row is None else record_of(id, row)


def select_all(connection: sqlite3.Connection, where: str, values: tuple[Any, ...]) -> tuple[list[Record], list[str]]:
    """The records that match the clauses `where`, with its `values`, and the ids of those that cannot be read."""
    found, unreadable = [], []
    for id, *row in connection.execute(_SELECT + where, values):
        try:
            found.append(record_of(id, row))
        except UnreadableRecord as error:
            logger.warning("%s", error)
            unreadable.append(id)
    return found, unreadable


def select_page(
    connection: sqlite3.Connection, where: str, values: tuple[Any, ...], after: str, limit: int
) -> list[Record]:
    """Up to `limit` records for which `where` holds, in order of id past `after`; none only at the end."""
    while True:
        found, unreadable = select_all(
            connection, f"WHERE {where} AND id > ? ORDER BY id LIMIT ?", (*values, after, limit)
        )
        if found or not unreadable:
            return found
        after = unreadable[-1]


def delete(connection: sqlite3.Connection, ids: Sequence[str]) -> None:
    """Remove rows."""
    connection.executemany("DELETE FROM session WHERE id = ?", [(id,) for id in ids])


def insert(connection: sqlite3.Connection, record: Record) -> None:
    """Add a row. Raises sqlite3.IntegrityError for an id that is taken."""
    index = (record.id, record.realm, record.user_id, record.expires_at, record.ended_at)
    connection.execute(_INSERT, (*index, _text(record), join(record.data)))


def update(connection: sqlite3.Connection, before: Record, after: Record) -> None:
    """Write the columns in which `after` differs. An index is only written if its column is."""
    if after.data is not before.data and after.ended_at is None and after.seen_at == before.seen_at:
        # What most requests change: in words that SQLite has prepared already.
        connection.execute(_UPDATE_DATA, (_text(after), join(after.data), after.id))
        return
    row: dict[str, Any] = {"record = ?": _text(after)}
    if after.data is not before.data:
        row["data = ?"] = join(after.data)
    if (expires_at := after.expires_at) != before.expires_at:
        row["expires_at = ?"] = expires_at
    if after.ended_at != before.ended_at:
        row["ended_at = ?"] = after.ended_at
    # The names are this file's own; values are bound.
    connection.execute(f"UPDATE session SET {', '.join(row)} WHERE id = ?", (*row.values(), after.id))


def record_of(id: str, row: Sequence[str]) -> Record:
    """The record that a row holds: its columns `record` and `data`. Raises UnreadableRecord."""
    try:
        record = _decode(row[0])
    except (msgspec.DecodeError, RecursionError):
        raise UnreadableRecord(id) from None
    # The record is not shared yet: its other half is put in, instead of copying it to have both.
    force_setattr(record, "data", EncodedObject(row[1]))
    return record


def _text(record: Record) -> str:
    return msgspec.json.encode(replace(record, data={})).decode()
