"""Rows as records. Pure, but for the connection it is handed."""

from __future__ import annotations

import sqlite3
from typing import Any

import msgspec
from msgspec.structs import force_setattr, replace

from sojourn.core.codec import EncodedObject, join
from sojourn.core.errors import StoreUnavailable
from sojourn.core.record import Record

__all__ = ["SELECT_ONE", "insert", "record_of", "select", "select_all", "update"]

_SELECT = "SELECT record, data FROM session "
SELECT_ONE = _SELECT + "WHERE id = ?"
_INSERT = "INSERT INTO session (id, realm, user_id, expires_at, ended_at, record, data) VALUES (?, ?, ?, ?, ?, ?, ?)"

_decode = msgspec.json.Decoder(Record).decode


def select(id: str, connection: sqlite3.Connection | sqlite3.Cursor) -> Record | None:
    """The record under `id`."""
    row = connection.execute(SELECT_ONE, (id,)).fetchone()
    return None if row is None else record_of(row)


def select_all(connection: sqlite3.Connection, where: str, values: tuple[Any, ...]) -> list[Record]:
    """The records that match the clauses `where`, with its `values`."""
    return [record_of(row) for row in connection.execute(_SELECT + where, values)]


def insert(connection: sqlite3.Connection, record: Record) -> None:
    """Add a row. Raises sqlite3.IntegrityError for an id that is taken."""
    index = (record.id, record.realm, record.user_id, record.expires_at, record.ended_at)
    connection.execute(_INSERT, (*index, _text(record), join(record.data)))


def update(connection: sqlite3.Connection, before: Record, after: Record) -> None:
    """Write the columns in which `after` differs. An index is only written if its column is."""
    row: dict[str, Any] = {"record": _text(after)}
    if after.data is not before.data:
        row["data"] = join(after.data)
    if after.expires_at != before.expires_at:
        row["expires_at"] = after.expires_at
    if after.ended_at != before.ended_at:
        row["ended_at"] = after.ended_at
    names = ", ".join(f"{name} = ?" for name in row)
    # The names are this file's own; values are bound.
    connection.execute(f"UPDATE session SET {names} WHERE id = ?", (*row.values(), after.id))


def record_of(row: tuple[str, str]) -> Record:
    """The record that a row holds. Raises StoreUnavailable for what was never written here."""
    try:
        record = _decode(row[0])
    except (msgspec.DecodeError, RecursionError):
        raise StoreUnavailable("A row of the session file is not the record that was written.") from None
    # The record is not shared yet: its other half is put in, instead of copying it to have both.
    force_setattr(record, "data", EncodedObject(row[1]))
    return record


def _text(record: Record) -> str:
    return msgspec.json.encode(replace(record, data={})).decode()
