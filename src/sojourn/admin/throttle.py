"""Throttle: how many wrong keys an address may show."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

__all__ = ["Throttle"]

MOST_ADDRESSES = 1000


class Throttle:
    """`most` misses an address in `per` seconds, in this process. Of a thousand addresses at once, the latest ones."""

    def __init__(self, most: int = 10, per: float = 60, clock: Callable[[], float] = monotonic) -> None:
        self._most, self._per, self._clock = most, per, clock
        self._misses: dict[str, list[float]] = {}

    def refuses(self, address: str) -> bool:
        """Whether it must wait."""
        return len(self._lately(address)) >= self._most

    def miss(self, address: str) -> None:
        """It showed a wrong key."""
        misses = [*self._lately(address), self._clock()]
        self._misses.pop(address, None)
        self._misses[address] = misses
        if len(self._misses) > MOST_ADDRESSES:
            del self._misses[next(iter(self._misses))]

    def _lately(self, address: str) -> list[float]:
        return [at for at in self._misses.get(address, ()) if at > self._clock() - self._per]
