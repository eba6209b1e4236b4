"""Idleness: when each connection was last used, and which of them must be probed before they are trusted. No I/O."""

from __future__ import annotations

import time
from typing import Any
from weakref import WeakKeyDictionary

import psycopg

__all__ = ["Idleness"]

# What was not used for so many seconds is probed: a router in between may have forgotten the connection, and then drops
# in silence what is sent.
TRUSTED = 1.0
# The part of the store's timeout that a probe may take. One that fails costs so much, and no answer to a user.
PROBE_SHARE = 10

_Connection = psycopg.Connection[Any] | psycopg.AsyncConnection[Any]


class Idleness:
    """Of the connections of one pool. For any number of threads."""

    def __init__(self, timeout: float) -> None:
        self._patience = timeout / PROBE_SHARE
        self._used_at: WeakKeyDictionary[_Connection, float] = WeakKeyDictionary()
        self._condemned = 0.0

    def note(self, connection: _Connection) -> None:
        """It is used now."""
        self._used_at[connection] = time.monotonic()

    def probe(self, connection: _Connection) -> float | None:
        """For how many seconds to wait for a sign of life; None where none is needed, 0 where none will come."""
        used_at = self._used_at.get(connection)
        if used_at is None:
            return self._patience  # the pool made it, nobody knows when
        if used_at <= self._condemned:
            return 0
        return None if time.monotonic() - used_at < TRUSTED else self._patience

    def condemn(self, connection: _Connection) -> None:
        """It is dead, and with it those that were not used since."""
        self._condemned = max(self._condemned, self._used_at.get(connection, 0.0))
