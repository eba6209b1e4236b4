"""A record as Redis keeps it: one string of msgpack, which the scripts take apart and put together again.

One string, not a hash with a field per key: a hash leaves its compact form at the first value over 64 bytes, and then
takes 1,776 bytes for the benchmark's session of 400, against 584.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

import msgspec

from sojourn.core.codec import EncodedObject
from sojourn.core.errors import ConfigurationError, EndReason, UnreadableRecord
from sojourn.core.record import Client, Dated, Record, Secrets
from sojourn.core.store import Mark

__all__ = [
    "Glance",
    "decode_mark",
    "decode_record",
    "encode_record",
    "encode_secrets",
    "encode_user",
    "glance",
    "has_key",
    "readable",
]

logger = logging.getLogger("sojourn")


class _Blob(msgspec.Struct, array_like=True):
    """The order that scripts.py knows. Three times count from `created_at`, which makes them short.

    Strings of bytes are written as text, for the scripts' msgpack has no other. `user` is the realm, after an @, if
    there is one, and then the user's id, after a colon, if there is one. An ended session's `reason` is not empty.
    One that was replaced has the new one's key behind all this, for the scripts alone.
    """

    created_at: int
    seen: int
    absolute: int
    idle_timeout: int
    version: int
    ended: int
    reason: str
    user: str
    secrets: msgspec.Raw
    rest: msgspec.Raw
    data: msgspec.Raw


_Pairs = list[tuple[bytes, int]]
_Rest = tuple[int | None, bool, str, str, str | None, EndReason | None, str | None, tuple[str, ...], str]
_Inflated = tuple[int | None, bool, Client, str | None, EndReason | None, str | None, tuple[str, ...], str]


class _Secrets(msgspec.Struct, array_like=True):
    family: bytes
    current: bytes
    rotated_at: int
    next: _Pairs
    late: _Pairs
    retired: _Pairs
    key: str = ""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Blob).decode
_decode_secrets = msgspec.msgpack.Decoder(_Secrets).decode
_decode_rest = msgspec.msgpack.Decoder(_Rest).decode
_split_data = msgspec.msgpack.Decoder(dict[str, str]).decode

# What user agents are made of. Part of the format: what was written with it is only read with it.
_DICTIONARY = (
    b"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) Mobile/15E148 (Android 16; Mobile; rv:140.0) "
    b"(Linux; Android 10; K) Mobile (Macintosh; Intel Mac OS X 10_15_7) Version/18.5 (X11; Linux x86_64) "
    b"Gecko/20100101 Firefox/140.0 (Windows NT 10.0; Win64; x64) AppleWebKit/605.1.15 "
    b"AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0"
)
# By its first byte, how many bytes of a msgpack text come before its own; of a short one, one.
_HEADS = {0xD9: 2, 0xDA: 3}
_EMPTY = b"\x90"  # what the scripts write for a table without members


def encode_record(record: Record) -> bytes:
    """The blob that `decode_record` takes."""
    client = record.client
    rest = (
        record.authenticated_at,
        record.remember,
        client.ip,
        client.user_agent,
        f"{record.key_thumbprint or ''} {record.nonce_key}" if record.key_thumbprint or record.nonce_key else None,
        record.follows,
        record.level,
        record.methods,
        record.device,
    )
    return _encode(
        _Blob(
            created_at=record.created_at,
            seen=record.seen_at - record.created_at,
            absolute=record.absolute_expires_at - record.created_at,
            idle_timeout=record.idle_timeout,
            version=record.version,
            ended=0 if record.ended_at is None else record.ended_at - record.created_at,
            reason=record.end_reason or "",
            user=encode_user(record.realm, record.user_id),
            secrets=_as_text(encode_secrets(record.secrets)),
            rest=_as_text(_deflate(_encode(rest))),
            data=msgspec.Raw(_encode({key: value.decode() for key, value in record.data.items()})),
        )
    )


def encode_user(realm: str, user_id: str | None) -> str:
    """Whose a session is, as the blob has it, and the index of a user's sessions."""
    return (f"@{realm}" if realm else "") + ("" if user_id is None else f":{user_id}")


def encode_secrets(secrets: Secrets) -> bytes:
    """Secrets in the one form in which the scripts compare them."""
    pairs = [[(dated.hash, dated.at) for dated in some] for some in (secrets.next, secrets.late, secrets.retired)]
    return _encode(
        (secrets.family, secrets.current, secrets.rotated_at, *pairs, *([secrets.key] if secrets.key else ()))
    )


def decode_mark(id: str, value: bytes | None) -> Mark | None:
    """The mark that is kept under `id`; None where none is."""
    if value is None:
        return None
    session_id, _, ends_at = value.decode().partition(" ")
    return Mark(id, session_id, int(ends_at))


def decode_record(id: str, raw: bytes) -> Record:
    """The record that a blob holds. Raises UnreadableRecord for what was never written here."""
    try:
        blob = _decode(raw)
        # _secrets and _rest, written out: each read passes here.
        raw_secrets, rest = bytes(blob.secrets), bytes(blob.rest)
        said = _decode_secrets(raw_secrets[_HEADS.get(raw_secrets[0], 1) :])
        inflated = _inflate(rest[_HEADS.get(rest[0], 1) :])
    except (msgspec.DecodeError, zlib.error, IndexError, ConfigurationError):
        raise UnreadableRecord(id) from None
    authenticated_at, remember, client, key, follows, level, methods, device = inflated
    created_at, reason = blob.created_at, blob.reason
    realm, colon, user_id = blob.user.partition(":")
    thumbprint, _, nonce_key = (key or "").partition(" ")
    return Record(
        id=id,
        secrets=_read_secrets(said)
        if said.next or said.late or said.retired or said.key
        else Secrets(said.family, said.current, said.rotated_at),
        created_at=created_at,
        seen_at=created_at + blob.seen,
        idle_timeout=blob.idle_timeout,
        absolute_expires_at=created_at + blob.absolute,
        data=_data(blob.data),
        version=blob.version,
        user_id=user_id if colon else None,
        authenticated_at=authenticated_at,
        level=level,
        methods=methods,
        remember=remember,
        ended_at=created_at + blob.ended if reason else None,
        end_reason=reason or None,  # type: ignore[arg-type]  # only reasons are written there
        client=client,
        key_thumbprint=thumbprint or None,
        nonce_key=nonce_key,
        follows=follows,
        realm=realm[1:],
        device=device,
    )


class Glance(NamedTuple):
    """What counting and clean-up need to know of a session."""

    user: str
    expires_at: int
    ended: bool


def glance(raw: bytes) -> Glance | None:
    """A blob's outside; None for what was never written here."""
    try:
        blob = _decode(raw)
    except msgspec.DecodeError:
        return None
    ended = bool(blob.reason)
    at = blob.ended if ended else min(blob.seen + blob.idle_timeout, blob.absolute)
    return Glance(blob.user, blob.created_at + at, ended)


def has_key(raw: bytes) -> bool:
    """Whether a blob's session is bound to a key; False for what was never written here."""
    try:
        blob = _decode(raw)
        thumbprint, _, _ = (_rest(blob)[3] or "").partition(" ")
        return bool(thumbprint or _secrets(blob).key)
    except (msgspec.DecodeError, zlib.error, IndexError, ConfigurationError):
        return False


def readable(pairs: Iterable[tuple[str, bytes | None]]) -> list[Record]:
    """The records of ids and their blobs, but those that are gone or cannot be read: of these the log names the ids."""
    found = []
    for id, raw in pairs:
        try:
            if raw is not None:
                found.append(decode_record(id, raw))
        except UnreadableRecord as error:
            logger.warning("%s", error)
    return found


def _data(raw: msgspec.Raw) -> Mapping[str, bytes]:
    return {} if bytes(raw) == _EMPTY else EncodedObject(raw, _split_data)


def _secrets(blob: _Blob) -> _Secrets:
    raw = bytes(blob.secrets)
    return _decode_secrets(raw[_HEADS.get(raw[0], 1) :])


def _read_secrets(said: _Secrets) -> Secrets:
    following, late, retired = _dated(said.next), _dated(said.late), _dated(said.retired)
    return Secrets(said.family, said.current, said.rotated_at, following, late, retired, said.key)


def _dated(pairs: _Pairs) -> tuple[Dated, ...]:
    return tuple([Dated(hash, at) for hash, at in pairs]) if pairs else ()


def _deflate(raw: bytes) -> bytes:
    compress = zlib.compressobj(9, wbits=-15, zdict=_DICTIONARY)
    return compress.compress(raw) + compress.flush()


def _rest(blob: _Blob) -> _Inflated:
    rest = bytes(blob.rest)
    return _inflate(rest[_HEADS.get(rest[0], 1) :])


# A user agent is worth keeping small in Redis, and not worth taking apart at every read.
@lru_cache(4096)
def _inflate(raw: bytes) -> _Inflated:
    decompress = zlib.decompressobj(wbits=-15, zdict=_DICTIONARY)
    rest = _decode_rest(decompress.decompress(raw) + decompress.flush())
    authenticated_at, remember, ip, user_agent, *more = rest
    return authenticated_at, remember, Client(ip, user_agent), *more


def _as_text(raw: bytes) -> msgspec.Raw:
    """`raw` as msgpack text, though it is none: to the scripts all strings are bytes."""
    length = len(raw)
    if length < 32:
        return msgspec.Raw(bytes((0xA0 | length,)) + raw)
    if length < 256:
        return msgspec.Raw(b"\xd9" + bytes((length,)) + raw)
    return msgspec.Raw(b"\xda" + length.to_bytes(2, "big") + raw)
