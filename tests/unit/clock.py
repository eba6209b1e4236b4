"""Clock: the time, turned by hand."""

from __future__ import annotations

from sojourn.testing.records import NOW


class Clock:
    """Unix milliseconds that stand still until they are told to go."""

    def __init__(self, now: int = NOW) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now

    def forward(self, milliseconds: int) -> int:
        """Let time pass; what it is then."""
        self.now += milliseconds
        return self.now
