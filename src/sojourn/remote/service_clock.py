"""ServiceClock: the time by the service that is asked."""

from __future__ import annotations

from sojourn.manager import milliseconds

__all__ = ["ServiceClock"]


class ServiceClock:
    """The service's time: ours, put right by each answer. A browser's countdown must not depend on whom it asked."""

    def __init__(self) -> None:
        self._ahead = 0

    def __call__(self) -> int:
        return milliseconds() + self._ahead

    def heard(self, now: int) -> None:
        """The service told this time."""
        self._ahead = now - milliseconds()
