"""Meanwhile: a store in memory whose commits take a while."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sojourn.core.store import Applied, Commit, Refused
from sojourn.stores.memory import MemoryStore


class Meanwhile(MemoryStore):
    """A store that calls back, once, while it carries out a commit."""

    meanwhile: Callable[[], None] | None = None

    def commit(self, commit: Commit) -> Applied | Refused:
        """As Store.commit, with something going on at the same time."""
        answer = super().commit(commit)
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        return answer

    def data(self) -> Mapping[str, bytes]:
        """What the one session holds."""
        (record,) = self._records.values()
        return record.data
