"""CleanupSchedule: when a process deletes rows that are dead for long. No I/O, no clock: both are arguments."""

from __future__ import annotations

import math

from .token import Random

__all__ = ["CleanupSchedule"]


class CleanupSchedule:
    """Due about every `interval` seconds of traffic; None never.

    Where nobody comes, nothing piles up. The first one waits, and each a little more or less: processes that start
    together do not clean together.
    """

    __slots__ = ("_interval_ms", "at")

    def __init__(self, interval: float | None) -> None:
        self._interval_ms = 0.0 if interval is None else interval * 1000
        # Before this time nobody need ask: 0 until the first request.
        self.at: float = math.inf if interval is None else 0

    def is_due(self, now: int, random: Random) -> bool:
        """Whether to clean up at `now`, in Unix milliseconds; the next is scheduled then."""
        if now < self.at:
            return False
        first = self.at == 0
        self.at = now + self._interval_ms * (0.5 + int.from_bytes(random(2)) / 65536)
        return not first
