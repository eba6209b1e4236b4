"""StormPlan: what all clients of a storm know, and whom of it they use at a moment."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

from .instance import Visitor

__all__ = ["StormPlan"]

# Of the shared sessions so many are used at a time, and so many come and go in a second.
AT_A_TIME, A_SECOND = 12, 4


class StormPlan(NamedTuple):
    """`began` is in seconds of time.monotonic(), as are a history's times since; a storm lasts for `seconds`.

    All clients share the `sessions`, one after the other, and log in as the `capped` users, who may have few sessions.
    """

    began: float
    seconds: float
    sessions: Sequence[Visitor]
    capped: Sequence[str]

    @staticmethod
    def sizes(seconds: float) -> tuple[int, int]:
        """How many sessions and how many capped users it takes."""
        return AT_A_TIME + int(seconds * A_SECOND), int(seconds) + 2

    @property
    def passed(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self.began

    def shared_now(self, late: int) -> Sequence[Visitor]:
        """The sessions that are used now, and so many of those before, which are over or are to be."""
        first = self._first()
        return self.sessions[max(0, first - late) : first + AT_A_TIME]

    def ending_now(self, late: int) -> Sequence[Visitor]:
        """The session that is to end now, and so many of those before."""
        first = self._first()
        return self.sessions[max(0, first - late) : first + 1]

    def capped_now(self) -> int:
        """The number of a user: a next one each second, so that none has too many sessions to tell what is right."""
        return min(int(self.passed), len(self.capped) - 1)

    def _first(self) -> int:
        return min(int(self.passed * A_SECOND), len(self.sessions) - AT_A_TIME)
