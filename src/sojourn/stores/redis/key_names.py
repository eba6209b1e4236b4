"""Names of keys in Redis: `sj:{partition}rest` for a session, `sj:{partition}:user` for the index of a user's sessions.

The braces are the Cluster's hash tag: what has one partition lies in one slot.
"""

from __future__ import annotations

import base64
import re
from binascii import b2a_base64

from sojourn.core.token import partition

from .blob import encode_user

__all__ = [
    "PREFIX",
    "SESSIONS",
    "bar_keys",
    "bar_of",
    "get_command",
    "id_in",
    "id_of",
    "index_key",
    "mark_key",
    "mark_of",
    "member",
    "session_key",
    "user_bar_key",
]

PREFIX = "sj:"
SESSIONS = "sj:{*}*"
"""Matches every session, and the indexes too."""

_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_SESSION = re.compile(rb"sj:\{([0-9a-f]{3})\}([A-Za-z0-9_-]{20})").fullmatch

_BAR = re.compile(rb"sj:\{([0-9a-f]{3})\}!(?:@([a-z0-9_-]+))?(?::([0-9a-f]{29}))?").fullmatch
_MARK = re.compile(rb"sj:\{([^}]{3})\}=(.*)", re.DOTALL).fullmatch


def member(id: str) -> str:
    """The id without its partition, as an index holds it.

    In base64, because a name of 28 bytes takes 16 less of Redis' memory than one of 37.
    """
    return b2a_base64(bytes.fromhex("0" + id[3:]), newline=False).translate(_URL_SAFE).decode()


def session_key(id: str) -> str:
    """Where the session `id` is kept: 28 letters."""
    return f"sj:{{{id[:3]}}}{member(id)}"


def get_command(id: str) -> tuple[str, bytes]:
    """The same, and the packed command that reads the session."""
    # As `session_key`, written out: each request makes one, and its length is known.
    name = b2a_base64(bytes.fromhex("0" + id[3:]), newline=False).translate(_URL_SAFE).decode()
    key = f"sj:{{{id[:3]}}}{name}"
    return key, f"*2\r\n$3\r\nGET\r\n$28\r\n{key}\r\n".encode()


def index_key(realm: str, user_id: str) -> str:
    """Where the ids of the user's sessions are kept."""
    return f"sj:{{{partition(user_id)}}}{encode_user(realm, user_id)}"


def bar_keys(realm: str) -> list[str]:
    """Where the instant is kept before which nothing may have begun that is created: in each partition."""
    return [f"sj:{{{number:03x}}}!{encode_user(realm, None)}" for number in range(4096)]


def user_bar_key(realm: str, user: str) -> str:
    """Where the instant of one user is kept, who is named as by hash_user: in the partition of the sessions."""
    return f"sj:{{{user[:3]}}}!{encode_user(realm, user[3:])}"


def bar_of(key: bytes) -> tuple[str, str] | None:
    """The realm, and the user as hash_user names it or "", of an instant's key; None for any other key."""
    match = _BAR(key)
    if match is None:
        return None
    tag, realm, user = [(each or b"").decode() for each in match.groups()]
    return realm, tag + user if user else ""


def mark_of(key: bytes) -> str | None:
    """The id of the mark that is kept under `key`; None for any other key."""
    match = _MARK(key)
    return (match[1] + match[2]).decode() if match else None


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
