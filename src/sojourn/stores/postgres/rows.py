"""Rows as records, and records as rows. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import force_setattr, replace

from sojourn.core.codec import EncodedObject
from sojourn.core.errors import StoreUnavailable
from sojourn.core.record import Record, Secrets

__all__ = ["COLUMNS", "cost", "encode_data", "encode_secrets", "escaped", "record_of", "row_of", "unescaped"]

COLUMNS = (
    "s.id, s.secrets, s.seen_at, s.idle_timeout, s.absolute_expires_at, s.version, s.ended_at, s.end_reason, "
    "s.record::text AS record, s.data::text AS data"
)
_OWN_COLUMN = (
    "id", "secrets", "seen_at", "idle_timeout", "absolute_expires_at", "version", "ended_at", "end_reason", "data"
)  # fmt: skip

_encode = msgspec.json.encode
_decode = msgspec.json.Decoder(Record).decode
_texts = msgspec.json.Decoder(dict[str, str]).decode

# What PostgreSQL's text cannot hold, and the backslash that stands for it.
_hard = re.compile("[\\\\\0\ud800-\udfff]")
_escape = re.compile(r"\\([0-9a-f]{4})")


def escaped(text: str) -> str:
    """`text` as PostgreSQL can hold it: the same, for nearly all."""
    return _hard.sub(lambda match: f"\\{ord(match[0]):04x}", text) if _hard.search(text) else text


def unescaped(text: str) -> str:
    """The text that `escaped` was given."""
    return _escape.sub(lambda match: chr(int(match[1], 16)), text) if "\\" in text else text


def record_of(row: tuple[Any, ...]) -> Record:
    """The record in a row of COLUMNS. Raises StoreUnavailable for what was never written here."""
    id, secrets, seen_at, idle_timeout, absolute_expires_at, version, ended_at, end_reason, record, data = row
    ended = "" if ended_at is None else f'"ended_at":{ended_at},"end_reason":"{end_reason}",'
    # The columns in front of the rest, which is an object with at least one member.
    text = (
        f'{{"id":{_encode(unescaped(id)).decode()},"secrets":{secrets},"seen_at":{seen_at},"idle_timeout":{idle_timeout},'
        f'"absolute_expires_at":{absolute_expires_at},"version":{version},{ended}{record[1:]}'
    )
    try:
        found = _decode(text)
    except (msgspec.DecodeError, RecursionError):
        # Without the decoder's words: they may quote what it met.
        raise StoreUnavailable("A row of the table sojourn_session is not the record that was written.") from None
    # The record is not shared yet: its data is put in, instead of copying it to have both.
    force_setattr(found, "data", EncodedObject(data, _split))
    return found


def row_of(record: Record) -> dict[str, Any]:
    """The parameters of an INSERT."""
    rest: dict[str, Any] = msgspec.to_builtins(replace(record, data={}))
    for name in _OWN_COLUMN:
        rest.pop(name, None)
    return {
        "id": escaped(record.id),
        "realm": record.realm,
        "user_id": None if record.user_id is None else escaped(record.user_id),
        "seen_at": record.seen_at,
        "idle_timeout": record.idle_timeout,
        "absolute_expires_at": record.absolute_expires_at,
        "ended_at": record.ended_at,
        "sweep_at": record.expires_at,
        "version": record.version,
        "bytes": sum([cost(key, value) for key, value in record.data.items()]),
        "end_reason": record.end_reason,
        "secrets": encode_secrets(record.secrets),
        "record": _encode(rest).decode(),
        "data": encode_data(record.data),
    }


def encode_secrets(secrets: Secrets) -> str:
    """Compared as a whole, so that equal ones must look the same."""
    return _encode(secrets).decode()


def encode_data(data: Mapping[str, bytes]) -> str:
    """Encoded values as JSON of text, for jsonb."""
    return _encode({escaped(key): value.decode() for key, value in data.items()}).decode()


def cost(key: str, value: bytes | None) -> int:
    """What a key adds to sojourn.core.codec.size; a missing one nothing."""
    return 0 if value is None else len(key.encode()) + len(value) + 4


def _split(text: str) -> dict[str, str]:
    members = _texts(text)
    return {unescaped(key): value for key, value in members.items()} if "\\" in text else members
