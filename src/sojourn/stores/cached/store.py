"""CachedStore: a store that others write to, and a Cache to which it reports that."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sojourn.core.errors import ConfigurationError, EndReason
from sojourn.core.record import Record
from sojourn.core.store import (
    Applied,
    Bar,
    Commit,
    Create,
    End,
    Mark,
    Refused,
    Stats,
    WatchableStore,
    Watcher,
    require_threads,
)

from .cache import Cache, milliseconds
from .channel import Channel

__all__ = ["BEATS", "CachedStore", "require_watchable"]

# Heartbeats of the channel in `max_staleness`: one or two may be late before the store is asked again.
BEATS = 4


class CachedStore:
    """`store` with a cache of up to `max_bytes` in front of its reads, for threads.

    What another process writes is seen at once, as the store reports it; while it does not, a record is served for
    `max_staleness` seconds at most, then the store is asked every time. A write is always the store's to judge.
    Raises ConfigurationError for a store that does not report writes, and but for numbers over 0. `clock`, in Unix
    milliseconds, is for tests.
    """

    def __init__(
        self,
        store: WatchableStore,
        *,
        max_bytes: int = 64 * 1024 * 1024,
        max_staleness: float = 1.0,
        clock: Callable[[], int] = milliseconds,
    ) -> None:
        require_threads(store, "CachedStore")
        require_watchable(store)
        self.max_staleness = max_staleness
        self._store = store
        self.expires_by_itself: bool = getattr(store, "expires_by_itself", False)
        self._channel = Channel(store.watch, lambda: Cache(max_bytes, max_staleness, clock), max_staleness / BEATS)

    def get(self, id: str) -> Record | None:
        """As Store.get. No read, if the cache has it."""
        record = self._channel.cache.get(id)
        if record is not None:
            return record
        self._channel.ensure_running()
        cache = self._channel.cache
        fill = cache.start_fill(id)
        try:
            record = self._store.get(id)
        finally:
            cache.finish_fill(fill, record)
        return record

    def create(self, create: Create) -> Applied | Refused:
        """As Store.create."""
        try:
            answer = self._store.create(create)
        except BaseException as error:
            self._channel.cache.failed(error)
            raise
        self._channel.cache.created(create, answer)
        return answer

    def commit(self, commit: Commit) -> Applied | Refused:
        """As Store.commit."""
        try:
            return self._store.commit(commit)
        finally:
            self._channel.cache.changed([commit.id])

    def end(self, end: End) -> Record | None:
        """As Store.end."""
        try:
            return self._store.end(end)
        finally:
            self._channel.cache.changed([end.id])

    def end_all(
        self, user_id: str, reason: EndReason, now: int, keep: str | None = None, realm: str = ""
    ) -> Sequence[str]:
        """As Store.end_all."""
        try:
            ids = self._store.end_all(user_id, reason, now, keep, realm)
        except BaseException as error:
            self._channel.cache.failed(error)
            raise
        self._channel.cache.changed(ids)
        return ids

    def bar(self, now: int, realm: str = "") -> None:
        """As Store.bar."""
        self._store.bar(now, realm)

    def list(self, user_id: str, now: int, realm: str = "", after: str = "", limit: int = 100) -> Sequence[Record]:
        """As Store.list. Not cached."""
        return self._store.list(user_id, now, realm, after, limit)

    def erase(self, user_id: str, realm: str = "") -> int:
        """As Store.erase. The cache forgets all that it holds: it does not know which are the user's."""
        try:
            return self._store.erase(user_id, realm)
        finally:
            self._channel.cache.forget()

    def put_mark(self, mark: Mark) -> bool:
        """As Store.put_mark."""
        return self._store.put_mark(mark)

    def get_mark(self, id: str) -> Mark | None:
        """As Store.get_mark. Not cached."""
        return self._store.get_mark(id)

    def put_bar(self, bar: Bar) -> None:
        """As Store.put_bar."""
        self._store.put_bar(bar)

    def marks(self, after: str, limit: int) -> Sequence[Mark]:
        """As Store.marks."""
        return self._store.marks(after, limit)

    def bars(self, after: str, limit: int) -> Sequence[Bar]:
        """As Store.bars."""
        return self._store.bars(after, limit)

    def end_expired(self, now: int, limit: int) -> int:
        """As Store.end_expired. What ran out is served by no cache."""
        return self._store.end_expired(now, limit)

    def delete_expired(self, before: int, limit: int) -> int:
        """As Store.delete_expired."""
        try:
            return self._store.delete_expired(before, limit)
        finally:
            self._channel.cache.deleted(before)

    def scan(self, after: str, limit: int) -> Sequence[Record]:
        """As Store.scan. Not cached."""
        return self._store.scan(after, limit)

    def stats(self, now: int) -> Stats:
        """As Store.stats. Not cached."""
        return self._store.stats(now)

    def watch(self, watcher: Watcher, interval: float) -> None:
        """As WatchableStore.watch, over the one connection that the cache has for it."""
        self._channel.watch(watcher, interval)

    def close(self) -> None:
        """As Store.close. The channel ends first."""
        self._channel.close()
        self._store.close()


def require_watchable(store: object) -> None:
    """Raise ConfigurationError for a store that tells nobody of writes."""
    if not hasattr(store, "watch"):
        raise ConfigurationError(
            f"{type(store).__name__} tells nobody of writes, so what is cached in front of it could go stale. SQLite "
            "and memory answer in microseconds and need no cache; PostgreSQL, Redis and Valkey can have one."
        )
