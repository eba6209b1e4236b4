"""A store in memory that reports writes: the least that a cache can stand before, with a channel that can fail."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from sojourn.core.errors import EndReason
from sojourn.core.record import Record
from sojourn.core.store import Applied, Commit, Create, End, Refused, Watcher
from sojourn.stores.memory import AsyncMemoryStore, MemoryStore

__all__ = ["AsyncWatchableMemoryStore", "WatchableMemoryStore"]

T = TypeVar("T")


class WatchableMemoryStore(MemoryStore):
    """`reads` counts what came here. `silent`: it reports nothing and beats no more. `broken`: what watch raises."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0
        self.silent = False
        self.broken: Exception | None = None
        self.watchers: list[Watcher] = []
        self._reporting = threading.RLock()

    def get(self, id: str) -> Record | None:
        self.reads += 1
        return super().get(id)

    def create(self, create: Create) -> Applied | Refused:
        def changed(answer: Applied | Refused) -> Sequence[str]:
            return [create.record.id, *([create.ends.id] if create.ends else []), *getattr(answer, "ended", ())]

        return self._report(lambda: super(WatchableMemoryStore, self).create(create), changed)

    def commit(self, commit: Commit) -> Applied | Refused:
        return self._report(lambda: super(WatchableMemoryStore, self).commit(commit), lambda _: [commit.id])

    def end(self, end: End) -> Record | None:
        return self._report(lambda: super(WatchableMemoryStore, self).end(end), lambda _: [end.id])

    def end_all(
        self, user_id: str, reason: EndReason, now: int, keep: str | None = None, realm: str = ""
    ) -> Sequence[str]:
        return self._report(
            lambda: super(WatchableMemoryStore, self).end_all(user_id, reason, now, keep, realm), lambda ids: ids
        )

    def watch(self, watcher: Watcher, interval: float) -> None:
        self.attach(watcher)
        while not watcher.closed:
            self.beat(watcher)
            time.sleep(min(interval, 0.02))

    def attach(self, watcher: Watcher) -> None:
        watcher.lost()
        self.watchers.append(watcher)

    def beat(self, watcher: Watcher) -> None:
        if self.broken is not None:
            raise self.broken
        with self._reporting:
            if not self.silent:
                watcher.sound(time.monotonic())

    def _report(self, write: Callable[[], T], changed: Callable[[T], Sequence[str]]) -> T:
        """A write, and its report; no heartbeat comes between."""
        with self._reporting:
            answer = write()
            for watcher in self.watchers if not self.silent else ():
                watcher.changed(changed(answer))
            return answer


class AsyncWatchableMemoryStore(AsyncMemoryStore):
    """The same for an event loop, with the channel of one `store`."""

    def __init__(self, store: WatchableMemoryStore) -> None:
        super().__init__(store)
        self._memory = store

    def watch(self, watcher: Watcher, interval: float) -> None:
        self._memory.watch(watcher, interval)
