"""Result: what came of one race. Tally: what the race itself counted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Figure", "Result", "Tally", "Verdict"]

Verdict = Literal["ok", "lost", "error"]
Figure = float | int | bool | str


@dataclass
class Tally:
    """Tries, and how many were lost. `note` is for a person, `figures` are for a program."""

    tries: int = 0
    lost: int = 0
    note: str = ""
    figures: dict[str, Figure] = field(default_factory=dict)


@dataclass
class Result:
    """`lost_means` says what a lost try is; `error` why the race, or the tidying after it, came to no end."""

    name: str
    tally: Tally
    seconds: float
    lost_means: str
    error: str = ""
    unavailable: bool = False

    @property
    def verdict(self) -> Verdict:
        """Whether it was come through."""
        if self.error:
            return "error"
        return "lost" if self.tally.lost else "ok"
