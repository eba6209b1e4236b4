"""Idle: the connections to one server that nobody uses now, and which of them may be dead. No I/O."""

from __future__ import annotations

from collections import deque
from typing import TypeVar

__all__ = ["HUNG_UP", "PROBE_SHARE", "TRUSTED", "Idle", "condemned"]

T = TypeVar("T")

Idle = deque[tuple[T, float]]
"""Connections, each with when it was last used, in seconds of time.monotonic(). The last used is taken first."""

# What was not used for so many seconds is probed before anything is trusted to it: a router in between may have
# forgotten the connection, and then drops in silence what is sent.
TRUSTED = 1.0
# The part of the store's timeout that a probe may take. One that fails costs so much, and no answer to a user.
PROBE_SHARE = 10
HUNG_UP = "the connection was closed while nobody used it"


def condemned(idle: Idle[T], used_at: float) -> list[T]:
    """Those that were not used since `used_at`, taken out: one of that age was found dead. For any thread."""
    found = []
    while idle:
        try:
            connection, last = idle.popleft()
        except IndexError:  # another thread was faster
            break
        if last > used_at:
            idle.appendleft((connection, last))
            break
        found.append(connection)
    return found
