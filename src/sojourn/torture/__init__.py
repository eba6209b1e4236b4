"""Torture: the races and faults that a store, or a whole application, must come through. `sojourn torture` runs it."""

from __future__ import annotations

from .crew import Crew
from .races import RACES, Race
from .result import Result, Tally
from .run import Run, Settings
from .target import Target

__all__ = ["RACES", "Crew", "Race", "Result", "Run", "Settings", "Tally", "Target"]
