"""Tallies: what is counted at each request, in plain numbers, until it is handed on to Prometheus's own.

These take a microsecond to add to, and some three where several processes share them by files: as much as a tenth of a
request. A tally takes a fraction of one.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from itertools import count

from prometheus_client import Counter, Histogram

__all__ = ["BOUNDS", "CountTally", "TimeTally"]

BOUNDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""The histogram's buckets, in seconds: from a read of SQLite to the longest that a store is waited for."""


class CountTally:
    """How often `add` was called, since that was last handed on to `counter`."""

    __slots__ = ("_counter", "_own", "add")

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        # One call into C, which no other thread comes between, and the quickest there is. To look counts as well.
        self.add = count().__next__
        self._own = 0

    def reset(self) -> None:
        """Forget what waits: it is the parent process's to tell."""
        self._own = self.add() + 1

    def hand_on(self) -> None:
        """Tell Prometheus's. By one thread at a time."""
        total = self.add()
        if total > self._own:
            self._counter.inc(total - self._own)
        self._own = total + 1


class TimeTally:
    """How long something took, each time that `add` was called with that, in seconds, since it was last handed on.

    `histogram` has the BOUNDS. What waits takes memory, so it is to be handed on now and then.
    """

    __slots__ = ("_histogram", "_waiting", "add")

    def __init__(self, histogram: Histogram) -> None:
        self._histogram = histogram
        # No object is kept for each: those take longer to allot than to time.
        self._waiting = array("d")
        # As for a count: one call into C.
        self.add = self._waiting.append

    def reset(self) -> None:
        """As CountTally's."""
        del self._waiting[:]

    def hand_on(self) -> None:
        """Tell Prometheus's. By one thread at a time."""
        waiting = self._waiting
        took = waiting[:]
        # Others may have come meanwhile, after these.
        del waiting[: len(took)]
        if not took:
            return
        buckets = [0] * (len(BOUNDS) + 1)
        for seconds in took:
            buckets[bisect_left(BOUNDS, seconds)] += 1
        # It has no way to observe a thousand times at once, so its parts are told.
        for value, times in zip(self._histogram._buckets, buckets, strict=True):
            if times:
                value.inc(times)
        self._histogram._sum.inc(sum(took))
