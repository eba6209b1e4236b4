"""CleanupSchedule: when a process deletes rows that are dead for long. No I/O, no clock: both are arguments."""

from __future__ import annotations

import math

from .token import Random

__all__ = ["CleanupSchedule"]


class CleanupSchedule:
    """Due about every `interval` seconds of traffic; None never. Times are those of time.monotonic().

    Where nobody comes, nothing piles up. The first one waits, and each a little more or less: processes that start
    together do not clean together.
    """

    __slots__ = ("_interval", "at")

    def __init__(self, interval: float | None) -> None:
        self._interval = interval or 0.0
        # Before this time nobody need ask: 0 until the first request.
        self.at: float = math.inf if interval is None else 0

    def is_due(self, now: float, random: Random) -> bool:
        """Whether to clean up at `now`; the next is scheduled then."""
        if now < self.at:
            return False
        first = self.at == 0
        self.at = now + self._interval * (0.5 + int.from_bytes(random(2)) / 65536)
        return not first
