"""Rounds: the same figure of several peers, taken in turns, and compared inside each turn only.

A machine's speed drifts by more than what is measured; two figures of one round have the same weather.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import quantiles

import msgspec

__all__ = ["Rounds", "Spread", "spread"]


class Spread(msgspec.Struct, frozen=True):
    """The middle of some figures, with the quarter below and the quarter above left out."""

    median: float
    low: float
    high: float


def spread(figures: Sequence[float]) -> Spread:
    """The median and the quartiles; of one figure, itself."""
    low, median, high = quantiles(figures if len(figures) > 1 else [*figures, *figures], n=4, method="inclusive")
    return Spread(median, low, high)


class Rounds:
    """Each round's figure of each peer."""

    def __init__(self) -> None:
        self._rounds: list[dict[str, float]] = []

    def add(self, figures: dict[str, float]) -> None:
        """Note one round: each peer's figure."""
        self._rounds.append(figures)

    def has(self, peer: str) -> bool:
        """Whether the peer took part."""
        return peer in self._rounds[0]

    def compare(self, rule: Callable[..., float], *peers: str) -> Spread:
        """What `rule` makes of these peers' figures, round by round."""
        return spread([rule(*(figures[peer] for peer in peers)) for figures in self._rounds])
