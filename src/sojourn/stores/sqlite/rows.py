"""The table, and its rows as records. Pure, but for the connection it is handed."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

import msgspec

from sojourn.record import Client, Dated, Record, Secrets

__all__ = ["SCHEMA", "SCHEMA_VERSION", "insert", "select", "select_all", "update"]

SCHEMA_VERSION = 1

# Data is JSON text, for an operator's `data ->> '$.cart'`. `expires_at` is Record.expires_at, for clean-up alone.
# `rotation` is null for the many sessions that are younger than one rotation.
SCHEMA = (
    """
    CREATE TABLE session (
        id TEXT PRIMARY KEY,
        user_id TEXT,
        created_at INTEGER NOT NULL,
        authenticated_at INTEGER,
        seen_at INTEGER NOT NULL,
        idle_timeout INTEGER NOT NULL,
        absolute_expires_at INTEGER NOT NULL,
        expires_at INTEGER NOT NULL,
        ended_at INTEGER,
        end_reason TEXT,
        version INTEGER NOT NULL,
        remember INTEGER NOT NULL,
        ip TEXT NOT NULL,
        user_agent TEXT NOT NULL,
        key_thumbprint TEXT,
        secret BLOB NOT NULL,
        rotated_at INTEGER NOT NULL,
        rotation BLOB,
        data TEXT NOT NULL
    ) WITHOUT ROWID, STRICT
    """,
    "CREATE INDEX session_user ON session (user_id) WHERE user_id IS NOT NULL AND ended_at IS NULL",
    "CREATE INDEX session_expiry ON session (expires_at)",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)

_COLUMNS = (
    "id, user_id, created_at, authenticated_at, seen_at, idle_timeout, absolute_expires_at, ended_at, end_reason, "
    "version, remember, ip, user_agent, key_thumbprint, secret, rotated_at, rotation, data"
)
_SELECT = f"SELECT {_COLUMNS} FROM session "  # both parts are ours
_SELECT_ONE = _SELECT + "WHERE id = ?"

_split_data = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_rotation = msgspec.msgpack.Decoder(tuple[tuple[Dated, ...], tuple[Dated, ...]])


def select(id: str, connection: sqlite3.Connection) -> Record | None:
    """The record under `id`."""
    row = connection.execute(_SELECT_ONE, (id,)).fetchone()
    return None if row is None else _record(row)


def select_all(connection: sqlite3.Connection, where: str, values: tuple[Any, ...]) -> list[Record]:
    """The records that match the clauses `where`, with its `values`."""
    return [_record(row) for row in connection.execute(_SELECT + where, values)]


def insert(connection: sqlite3.Connection, record: Record) -> None:
    """Add a row. Raises sqlite3.IntegrityError for an id that is taken."""
    row = _columns(record)
    names = ", ".join(row)
    marks = ", ".join("?" * len(row))
    # Names are this file's own; values are bound.
    connection.execute(f"INSERT INTO session ({names}) VALUES ({marks})", tuple(row.values()))


def update(connection: sqlite3.Connection, before: Record, after: Record) -> None:
    """Write the columns in which `after` differs. An index is only written if its column is."""
    old, new = _columns(before), _columns(after)
    row = {name: value for name, value in new.items() if value != old[name]}
    if row:
        names = ", ".join(f"{name} = ?" for name in row)
        connection.execute(f"UPDATE session SET {names} WHERE id = ?", (*row.values(), after.id))


def _record(row: tuple[Any, ...]) -> Record:
    next_, retired = _rotation.decode(row[16]) if row[16] else ((), ())
    return Record(
        id=row[0],
        user_id=row[1],
        created_at=row[2],
        authenticated_at=row[3],
        seen_at=row[4],
        idle_timeout=row[5],
        absolute_expires_at=row[6],
        ended_at=row[7],
        end_reason=row[8],
        version=row[9],
        remember=bool(row[10]),
        client=Client(row[11], row[12]),
        key_thumbprint=row[13],
        secrets=Secrets(row[14], row[15], next_, retired),
        data={key: bytes(value) for key, value in _split_data(row[17]).items()},
    )


def _columns(record: Record) -> dict[str, Any]:
    secrets = record.secrets
    rotates = secrets.next or secrets.retired
    return {
        "id": record.id,
        "user_id": record.user_id,
        "created_at": record.created_at,
        "authenticated_at": record.authenticated_at,
        "seen_at": record.seen_at,
        "idle_timeout": record.idle_timeout,
        "absolute_expires_at": record.absolute_expires_at,
        "expires_at": record.expires_at,
        "ended_at": record.ended_at,
        "end_reason": record.end_reason,
        "version": record.version,
        "remember": int(record.remember),
        "ip": record.client.ip,
        "user_agent": record.client.user_agent,
        "key_thumbprint": record.key_thumbprint,
        "secret": secrets.current,
        "rotated_at": secrets.rotated_at,
        "rotation": msgspec.msgpack.encode((secrets.next, secrets.retired)) if rotates else None,
        "data": _data_text(record.data),
    }


def _data_text(data: Mapping[str, bytes]) -> str:
    return msgspec.json.encode({key: msgspec.Raw(value) for key, value in data.items()}).decode()
