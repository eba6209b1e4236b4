"""Layer: what sessions were kept with before, and Old: a session that was read from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from sojourn.core.cookie import CookieOptions

__all__ = ["MAX_BYTES", "Layer", "Old", "user_at"]

# No session that somebody had is as large; more is not read into memory.
MAX_BYTES = 1024 * 1024


class Old(NamedTuple):
    """A session of another layer, read and found authentic. Times are Unix milliseconds.

    `data` may hold anything; what is not JSON stays behind. `authenticated_at` is the earliest that the log-in can have
    been, where that is known. `ends_at` is when the layer would have ended the session, however active it were.
    """

    # Any: what a decoder gave.
    data: Mapping[Any, Any]
    user_id: object = None
    authenticated_at: int | None = None
    ends_at: int | None = None


class Layer(Protocol):
    """A session layer to move from. Only `verify` is asked for every request with its cookie: it does no I/O.

    `now` is in Unix milliseconds.
    """

    kind: str
    """Its name in marks: never changed."""

    cookie: CookieOptions
    """The cookie as the layer sets it: its name, and the path and domain by which the browser is told to forget it."""

    def verify(self, value: str, now: int) -> str | None:
        """What in the cookie's value is authentic, or may be: the key to read by. None for forged or expired.

        Values that stand for one session have one key: a signature, which may be spelled in several ways, is no part.
        """

    def read(self, key: str, now: int) -> Old | None:
        """The session, None where there is none any more. Raises StoreUnavailable. May block."""

    def retire(self, key: str) -> None:
        """Delete the session, where the layer keeps it on the server. Raises StoreUnavailable. May block."""


def user_at(data: Mapping[Any, Any], path: str | None) -> object:
    """Who is logged in by `data`: the value at a key, or at one inside others, as in "passport.user"."""
    if path is None or path in data:
        return data.get(path)
    value: object = data
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
