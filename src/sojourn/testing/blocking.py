"""blocking: an AsyncStore used as a Store, so that one contract serves both."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from sojourn.core.async_store import AsyncStore
from sojourn.core.errors import EndReason
from sojourn.core.record import Record
from sojourn.core.store import Applied, Bar, Commit, Create, End, Mark, Refused, Stats

__all__ = ["blocking"]

T = TypeVar("T")


def blocking(store: AsyncStore) -> Blocking:
    """`store` behind Store's methods; calls from many threads meet on one event loop, in a thread of its own."""
    return Blocking(store)


class Blocking:
    """A Store over an AsyncStore: what `blocking` makes."""

    def __init__(self, store: AsyncStore) -> None:
        self._store = store
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def _run(self, call: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(call, self._loop).result()

    def get(self, id: str) -> Record | None:
        """As Store.get."""
        return self._run(self._store.get(id))

    def create(self, create: Create) -> Applied | Refused:
        """As Store.create."""
        return self._run(self._store.create(create))

    def commit(self, commit: Commit) -> Applied | Refused:
        """As Store.commit."""
        return self._run(self._store.commit(commit))

    def end(self, end: End) -> Record | None:
        """As Store.end."""
        return self._run(self._store.end(end))

    def end_all(
        self, user_id: str, reason: EndReason, now: int, keep: str | None = None, realm: str = ""
    ) -> Sequence[str]:
        """As Store.end_all."""
        return self._run(self._store.end_all(user_id, reason, now, keep, realm))

    def bar(self, now: int, realm: str = "") -> None:
        """As Store.bar."""
        self._run(self._store.bar(now, realm))

    def list(self, user_id: str, now: int, realm: str = "", after: str = "", limit: int = 100) -> Sequence[Record]:
        """As Store.list."""
        return self._run(self._store.list(user_id, now, realm, after, limit))

    def erase(self, user_id: str, realm: str = "") -> int:
        """As Store.erase."""
        return self._run(self._store.erase(user_id, realm))

    def put_mark(self, mark: Mark) -> bool:
        """As Store.put_mark."""
        return self._run(self._store.put_mark(mark))

    def get_mark(self, id: str) -> Mark | None:
        """As Store.get_mark."""
        return self._run(self._store.get_mark(id))

    def put_bar(self, bar: Bar) -> None:
        """As Store.put_bar."""
        self._run(self._store.put_bar(bar))

    def marks(self, after: str, limit: int) -> Sequence[Mark]:
        """As Store.marks."""
        return self._run(self._store.marks(after, limit))

    def bars(self, after: str, limit: int) -> Sequence[Bar]:
        """As Store.bars."""
        return self._run(self._store.bars(after, limit))

    def end_expired(self, now: int, limit: int) -> int:
        """As Store.end_expired."""
        return self._run(self._store.end_expired(now, limit))

    def delete_expired(self, before: int, limit: int) -> int:
        """As Store.delete_expired."""
        return self._run(self._store.delete_expired(before, limit))

    def scan(self, after: str, limit: int) -> Sequence[Record]:
        """As Store.scan."""
        return self._run(self._store.scan(after, limit))

    def stats(self, now: int) -> Stats:
        """As Store.stats."""
        return self._run(self._store.stats(now))

    def close(self) -> None:
        """As Store.close; the event loop ends too."""
        self._run(self._store.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
