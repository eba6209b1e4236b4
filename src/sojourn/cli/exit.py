"""Exit: how the program ends, for scripts. These numbers are part of the interface and stay."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["Exit"]


class Exit(IntEnum):
    """The process's exit codes."""

    DONE = 0
    NOTHING = 1
    USAGE = 2
    UNAVAILABLE = 3
    BUG = 70
    UNWRITTEN = 74
    INTERRUPTED = 130
