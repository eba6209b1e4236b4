"""CountingStore: a store in memory that notes what it is asked for."""

from __future__ import annotations

from sojourn.core.record import Record
from sojourn.core.store import Applied, Commit, Create, End, Refused
from sojourn.stores.memory import MemoryStore

__all__ = ["CountingStore"]


class CountingStore(MemoryStore):
    """`asked` holds the names of the calls, in their order. The one named `broken` raises RuntimeError."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.broken = ""

    def _note(self, call: str) -> None:
        self.asked.append(call)
        if call == self.broken:
            raise RuntimeError("This store is broken.")

    def get(self, id: str) -> Record | None:
        self._note("get")
        return super().get(id)

    def create(self, create: Create) -> Applied | Refused:
        self._note("create")
        return super().create(create)

    def commit(self, commit: Commit) -> Applied | Refused:
        self._note("commit")
        return super().commit(commit)

    def end(self, end: End) -> Record | None:
        self._note("end")
        return super().end(end)
