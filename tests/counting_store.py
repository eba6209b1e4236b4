"""CountingStore: a store in memory that notes what it is asked for."""

from __future__ import annotations

from sojourn.core.record import Record
from sojourn.core.store import Applied, Commit, Create, End, Refused
from sojourn.stores.memory import MemoryStore

__all__ = ["CountingStore"]


class CountingStore(MemoryStore):
    """`asked` holds the names of the calls, in their order."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def get(self, id: str) -> Record | None:
        self.asked.append("get")
        return super().get(id)

    def create(self, create: Create) -> Applied | Refused:
        self.asked.append("create")
        return super().create(create)

    def commit(self, commit: Commit) -> Applied | Refused:
        self.asked.append("commit")
        return super().commit(commit)

    def end(self, end: End) -> Record | None:
        self.asked.append("end")
        return super().end(end)
