"""Names of keys in Redis: `sj:{partition}rest` for a session, `sj:{partition}:user` for the index of a user's sessions.

The braces are the Cluster's hash tag: what has one partition lies in one slot.
"""

from __future__ import annotations

import base64
import re
from binascii import b2a_base64

from sojourn.core.token import partition

from .blob import encode_user

__all__ = ["PREFIX", "SESSIONS", "bar_keys", "id_in", "id_of", "index_key", "mark_key", "member", "session_key"]

PREFIX = "sj:"
SESSIONS = "sj:{*}*"
"""Matches every session, and the indexes too."""

_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_SESSION = re.compile(rb"sj:\{([0-9a-f]{3})\}([A-Za-z0-9_-]{20})").fullmatch


def member(id: str) -> str:
    """The id without its partition, as an index holds it.

    In base64, because a name of 28 bytes takes 16 less of Redis' memory than one of 37.
    """
    return b2a_base64(bytes.fromhex("0" + id[3:]), newline=False).translate(_URL_SAFE).decode()


def session_key(id: str) -> str:
    """Where the session `id` is kept: 28 letters."""
    # As `member`, written out: each request asks for one.
    name = b2a_base64(bytes.fromhex("0" + id[3:]), newline=False).translate(_URL_SAFE).decode()
    return f"sj:{{{id[:3]}}}{name}"


def index_key(realm: str, user_id: str) -> str:
    """Where the ids of the user's sessions are kept."""
    return f"sj:{{{partition(user_id)}}}{encode_user(realm, user_id)}"


def bar_keys(realm: str) -> list[str]:
    """Where the instant is kept before which nothing may have begun that is created: in each partition."""
    return [f"sj:{{{number:03x}}}!{encode_user(realm, None)}" for number in range(4096)]


def mark_key(id: str) -> str:
    """Where the mark `id` is kept."""
    return f"sj:{{{id[:3]}}}={id[3:]}"


def id_of(key: bytes) -> str | None:
    """The id of the session that is kept under `key`; None for any other key."""
    match = _SESSION(key)
    return id_in(match[1].decode(), match[2]) if match else None


def id_in(partition: str, member: bytes) -> str:
    """The id whose member this is, of an index in `partition`."""
    return partition + base64.urlsafe_b64decode(member).hex()[1:]
