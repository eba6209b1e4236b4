"""Torture: the races and faults that a store, or a whole application, must come through. `sojourn torture` runs it."""

from __future__ import annotations

from .race import Race
from .races import RACES
from .result import Result, Tally
from .run import Run, RunSettings
from .target import Target
from .worker_pool import WorkerPool

__all__ = ["RACES", "Race", "Result", "Run", "RunSettings", "Tally", "Target", "WorkerPool"]
