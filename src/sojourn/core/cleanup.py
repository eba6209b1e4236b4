"""Clean-up: when a process deletes rows that are dead for long, whose turn it is, and how many at once. No clock."""

from __future__ import annotations

import math

from .store import Mark
from .token import Random

__all__ = ["HELD_FOR", "LEAST_ROWS", "MOST_ROWS", "CleanupSchedule", "next_rows", "turn"]

# So long, in seconds, a batch holds what other writers wait for, about: it is as many rows as take that here and now.
HELD_FOR = 0.01
LEAST_ROWS, MOST_ROWS = 20, 500


def next_rows(rows: int, held: float) -> int:
    """How many rows the next batch has, where one of `rows` held others up for `held` seconds."""
    most = min(2 * rows, MOST_ROWS)
    return max(LEAST_ROWS, most if held * most <= HELD_FOR * rows else int(rows * HELD_FOR / held))


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
