"""AsyncCachedStore: CachedStore for an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from sojourn.core.async_store import AsyncWatchableStore
from sojourn.core.errors import EndReason
from sojourn.core.record import Record
from sojourn.core.store import Applied, Bar, Commit, Create, End, Mark, Refused, Stats, Watcher, require_async

from .cache import Cache, milliseconds
from .channel import AsyncChannel
from .store import BEATS, require_watchable

__all__ = ["AsyncCachedStore"]


class AsyncCachedStore:
    """CachedStore for an asyncio event loop. One loop at a time: in the next one it starts empty."""

    def __init__(
        self,
        store: AsyncWatchableStore,
        *,
        max_bytes: int = 64 * 1024 * 1024,
        max_staleness: float = 1.0,
        clock: Callable[[], int] = milliseconds,
    ) -> None:
        require_async(store, "AsyncCachedStore")
        require_watchable(store)
        self.max_staleness = max_staleness
        self._store = store
        self.expires_by_itself: bool = getattr(store, "expires_by_itself", False)
        self._channel = AsyncChannel(store.watch, lambda: Cache(max_bytes, max_staleness, clock), max_staleness / BEATS)

    def at_hand(self, id: str) -> Record | None:
        """The record, if the cache has it: nothing to wait for."""
        return self._channel.cache.get(id)

    async def get(self, id: str) -> Record | None:
        """As Store.get. No read, if the cache has it."""
        record = self._channel.cache.get(id)
        if record is not None:
            return record
        self._channel.ensure_running()
        cache = self._channel.cache
        fill = cache.start_fill(id)
        try:
            record = await self._store.get(id)
        finally:
            cache.finish_fill(fill, record)
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

    async def end_all(
        self, user_id: str, reason: EndReason, now: int, keep: str | None = None, realm: str = ""
    ) -> Sequence[str]:
        """As Store.end_all."""
        try:
            ids = await self._store.end_all(user_id, reason, now, keep, realm)
        except BaseException as error:
            self._channel.cache.failed(error)
            raise
        self._channel.cache.changed(ids)
        return ids

    async def bar(self, now: int, realm: str = "") -> None:
        """As Store.bar."""
        await self._store.bar(now, realm)

    async def list(
        self, user_id: str, now: int, realm: str = "", after: str = "", limit: int = 100
    ) -> Sequence[Record]:
        """As Store.list. Not cached."""
        return await self._store.list(user_id, now, realm, after, limit)

    async def erase(self, user_id: str, realm: str = "") -> int:
        """As Store.erase. The cache forgets all that it holds: it does not know which are the user's."""
        try:
            return await self._store.erase(user_id, realm)
        finally:
            self._channel.cache.forget()

    async def put_mark(self, mark: Mark) -> bool:
        """As Store.put_mark."""
        return await self._store.put_mark(mark)

    async def get_mark(self, id: str) -> Mark | None:
        """As Store.get_mark. Not cached."""
        return await self._store.get_mark(id)

    async def put_bar(self, bar: Bar) -> None:
        """As Store.put_bar."""
        await self._store.put_bar(bar)

    async def marks(self, after: str, limit: int) -> Sequence[Mark]:
        """As Store.marks."""
        return await self._store.marks(after, limit)

    async def bars(self, after: str, limit: int) -> Sequence[Bar]:
        """As Store.bars."""
        return await self._store.bars(after, limit)

    async def end_expired(self, now: int, limit: int) -> int:
        """As Store.end_expired. What ran out is served by no cache."""
        return await self._store.end_expired(now, limit)

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

    def watch(self, watcher: Watcher, interval: float) -> None:
        """As AsyncWatchableStore.watch, over the one connection that the cache has for it."""
        self._channel.watch(watcher, interval)

    async def close(self) -> None:
        """As Store.close. The channel ends first."""
        await asyncio.to_thread(self._channel.close)
        await self._store.close()
