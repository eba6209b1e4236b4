"""Result: what came of one race. Tally: what the race itself counted."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from sojourn.core.errors import StoreUnavailable

from .worker_pool import RaceError

__all__ = ["Figure", "Result", "Tally", "Verdict", "run_race"]

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


def run_race(name: str, lost_means: str, race: Callable[[], Tally], tidy: Callable[[], None]) -> Result:
    """Run a race, and `tidy` whatever comes of it."""
    began = time.monotonic()
    result = Result(name, Tally(), 0, lost_means)
    try:
        try:
            result.tally = race()
        except RaceError as error:
            result.error, result.unavailable = str(error), error.unavailable
        finally:
            tidy()
    except (RaceError, StoreUnavailable) as error:
        # The race's own error comes first: this one may follow from it.
        if not result.error:
            result.error = f"its sessions were not all ended: {error}"
            result.unavailable = isinstance(error, StoreUnavailable) or error.unavailable
    result.seconds = time.monotonic() - began
    return result
