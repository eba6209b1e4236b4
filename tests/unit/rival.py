"""Rival: a store in memory where somebody else is always faster."""

from __future__ import annotations

import math

from msgspec.structs import replace

from sojourn.core.store import Applied, Commit, Refused
from sojourn.stores.memory import MemoryStore


class Rival(MemoryStore):
    """A store where, before every commit, or the first so many, another request writes the same key."""

    def __init__(self, times: float = math.inf) -> None:
        super().__init__()
        self.writes, self._times = 0, times

    def commit(self, commit: Commit) -> Applied | Refused:
        """As Store.commit, too late."""
        if self.writes == self._times:
            return super().commit(commit)
        self.writes += 1
        record = self._records[commit.id]
        self._records[commit.id] = replace(record, data={"a": b"%d" % self.writes}, version=record.version + 1)
        return super().commit(commit)
