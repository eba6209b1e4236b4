"""CachedStore and AsyncCachedStore: a store that others write to, and a Cache that hears of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sojourn.core.errors import ConfigurationError, EndReason
from sojourn.core.record import Record
from sojourn.core.store import (
    Applied,
    AsyncWatchableStore,
    Commit,
    Create,
    End,
    Refused,
    Stats,
    WatchableStore,
    require_async,
    require_threads,
)

from .cache import Cache, milliseconds
from .channel import AsyncChannel, Channel

__all__ = ["AsyncCachedStore", "CachedStore"]

# Beats of the channel in `max_staleness`: one or two may be late before the store is asked again.
BEATS = 4


class CachedStore:
    """`store` with a cache of up to `max_bytes` in front of its reads, for threads.

    What another process writes is seen at once, as the store tells of it; while it does not, a record is served for
    `max_staleness` seconds at most, then the store is asked every time. A write is always the store's to judge.
    Raises ConfigurationError for a store that does not tell of writes. `clock`, in Unix milliseconds, is for tests.
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
        _require_watchable(store)
        self.max_staleness = max_staleness
        self._store = store
        self._channel = Channel(store.watch, lambda: Cache(max_bytes, max_staleness, clock), max_staleness / BEATS)

    def get(self, id: str) -> Record | None:
        """As Store.get. No read, if the cache has it."""
        record = self._channel.cache.get(id)
        if record is not None:
            return record
        self._channel.keep()
        cache = self._channel.cache
        fill = cache.asked(id)
        try:
            record = self._store.get(id)
        finally:
            cache.answered(fill, record)
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

    def end_all(self, user_id: str, reason: EndReason, now: int, keep: str | None = None) -> Sequence[str]:
        """As Store.end_all."""
        try:
            ids = self._store.end_all(user_id, reason, now, keep)
        except BaseException as error:
            self._channel.cache.failed(error)
            raise
        self._channel.cache.changed(ids)
        return ids

    def list(self, user_id: str, now: int) -> Sequence[Record]:
        """As Store.list. Not cached."""
        return self._store.list(user_id, now)

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

    def close(self) -> None:
        """As Store.close. The channel ends first."""
        self._channel.close()
        self._store.close()


class AsyncCachedStore:
    """The same for an asyncio event loop. One loop at a time: in the next one it starts empty."""

    def __init__(
        self,
        store: AsyncWatchableStore,
        *,
        max_bytes: int = 64 * 1024 * 1024,
        max_staleness: float = 1.0,
        clock: Callable[[], int] = milliseconds,
    ) -> None:
        require_async(store, "AsyncCachedStore")
        _require_watchable(store)
        self.max_staleness = max_staleness
        self._store = store
        self._channel = AsyncChannel(store.watch, lambda: Cache(max_bytes, max_staleness, clock), max_staleness / BEATS)

    def at_hand(self, id: str) -> Record | None:
        """The record, if the cache has it: nothing to wait for."""
        return self._channel.cache.get(id)

    async def get(self, id: str) -> Record | None:
        """As Store.get. No read, if the cache has it."""
        record = self._channel.cache.get(id)
        if record is not None:
            return record
        self._channel.keep()
        cache = self._channel.cache
        fill = cache.asked(id)
        try:
            record = await self._store.get(id)
        finally:
            cache.answered(fill, record)
        return record

    async def create(self, create: Create) -> Applied | Refused:
        """As Store.create."""
        try:
            answer = await self._store.create(create)
        except BaseException as error:
            self._channel.cache.failed(error)
            raise
        self._channel.cache.created(create, answer)
        return answer

    async def commit(self, commit: Commit) -> Applied | Refused:
        """As Store.commit."""
        try:
            return await self._store.commit(commit)
        finally:
            self._channel.cache.changed([commit.id])

    async def end(self, end: End) -> Record | None:
        """As Store.end."""
        try:
            return await self._store.end(end)
        finally:
            self._channel.cache.changed([end.id])

    async def end_all(self, user_id: str, reason: EndReason, now: int, keep: str | None = None) -> Sequence[str]:
        """As Store.end_all."""
        try:
            ids = await self._store.end_all(user_id, reason, now, keep)
        except BaseException as error:
            self._channel.cache.failed(error)
            raise
        self._channel.cache.changed(ids)
        return ids

    async def list(self, user_id: str, now: int) -> Sequence[Record]:
        """As Store.list. Not cached."""
        return await self._store.list(user_id, now)

    async def delete_expired(self, before: int, limit: int) -> int:
        """As Store.delete_expired."""
        try:
            return await self._store.delete_expired(before, limit)
        finally:
            self._channel.cache.deleted(before)

    async def scan(self, after: str, limit: int) -> Sequence[Record]:
        """As Store.scan. Not cached."""
        return await self._store.scan(after, limit)

    async def stats(self, now: int) -> Stats:
        """As Store.stats. Not cached."""
        return await self._store.stats(now)

    async def close(self) -> None:
        """As Store.close. The channel ends first."""
        await self._channel.close()
        await self._store.close()


def _require_watchable(store: object) -> None:
    if not hasattr(store, "watch"):
        raise ConfigurationError(
            f"{type(store).__name__} tells nobody of writes, so what is cached in front of it could go stale. SQLite "
            "and memory answer in microseconds and need no cache; PostgreSQL, Redis and Valkey can have one."
        )
