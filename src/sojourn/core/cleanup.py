"""Clean-up: when a process deletes rows that are dead for long, and whose turn it is. No I/O, no clock."""

from __future__ import annotations

import math

from .store import Mark
from .token import Random

__all__ = ["CleanupSchedule", "turn"]


def turn(now: int, interval: float) -> Mark:
    """What one of all processes on a store keeps there, and then cleans up for this stretch of `interval` seconds.

    `now` is in Unix milliseconds. It goes with the first clean-up after the stretch.
    """
    length = max(int(interval * 1000), 1)
    stretch = now // length
    return Mark(f"c1ea{length:012x}{stretch:016x}", "", (stretch + 1) * length)


class CleanupSchedule:
    """Due about every `interval` seconds of traffic; None never. Times are those of time.monotonic().

    Where nobody comes, nothing piles up. The first one waits, and each a little more or less: processes that start
    together do not clean together.
    """

    __slots__ = ("at", "interval")

    def __init__(self, interval: float | None) -> None:
        self.interval = interval or 0.0
        # Before this time nobody need ask: 0 until the first request.
        self.at: float = math.inf if interval is None else 0

    def is_due(self, now: float, random: Random) -> bool:
        """Whether to clean up at `now`; the next is scheduled then."""
        if now < self.at:
            return False
        first = self.at == 0
        self.at = now + self.interval * (0.5 + int.from_bytes(random(2)) / 65536)
        return not first
