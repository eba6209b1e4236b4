"""BrowserOptions: what a browser may read, write and end through the endpoints."""

from __future__ import annotations

from collections.abc import Collection

from sojourn.core.errors import ConfigurationError
from sojourn.core.step_up import refuse_grants

__all__ = ["REAUTHENTICATE_WITHIN", "BrowserOptions"]

REAUTHENTICATE_WITHIN = 900.0


class BrowserOptions:
    """Which keys of a session its browser may read (`readable`) and write (`writable`); all else is the server's alone.

    With `reauthenticate_within`, sessions elsewhere are ended only by who logged in in the last so many seconds (ASVS
    7.5.2). None lets whoever holds a session end all the others of its user. Raises ConfigurationError for a text in
    place of keys, for keys of grants, and for a label without the extra `devices`.
    """

    def __init__(
        self,
        readable: Collection[str],
        writable: Collection[str],
        reauthenticate_within: float | None = REAUTHENTICATE_WITHIN,
    ) -> None:
        for name, keys in (("readable", readable), ("writable", writable)):
            if isinstance(keys, str):
                raise ConfigurationError(f"{name}={keys!r}: give a set of keys, not one text.")
        self.writable = frozenset(writable)
        refuse_grants([*readable, *writable])
        # What a browser wrote, it knows.
        self.readable = self.writable.union(readable)
        self.reauthenticate_within = reauthenticate_within
