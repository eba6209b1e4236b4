"""Torture: the races and faults that a store, or a whole application, must come through. `sojourn torture` runs it."""

from __future__ import annotations

from .history import History, read_histories
from .race import Race
from .races import BROKEN_PROMISES, RACES
from .result import Result, Tally
from .run import Run, RunSettings
from .storm import judged
from .target import Target
from .worker_pool import RaceError, WorkerPool

__all__ = [
    "BROKEN_PROMISES",
    "RACES",
    "History",
    "Race",
    "RaceError",
    "Result",
    "Run",
    "RunSettings",
    "Tally",
    "Target",
    "WorkerPool",
    "judged",
    "read_histories",
]
