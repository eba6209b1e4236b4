"""Stores whose operations are timed, and caches whose hits are counted."""

from __future__ import annotations

from collections.abc import Callable
from inspect import iscoroutinefunction
from time import perf_counter
from typing import Any

from prometheus_client import Counter

from sojourn.core.errors import StoreUnavailable
from sojourn.core.record import Record
from sojourn.core.store import Refused
from sojourn.stores.cached import AsyncCachedStore, CachedStore
from sojourn.stores.memory import AsyncMemoryStore
from sojourn.stores.sqlite import AsyncSQLiteStore

from .tally import CountTally, TimeTally

__all__ = ["AsyncCountedCache", "CountedCache", "timed", "timed_get"]

# What these read without waiting, but for a file that is locked: it needs no second coroutine.
_AT_HAND: dict[type, Callable[[Any], Callable[[str], Record | None]]] = {
    AsyncMemoryStore: lambda store: store._store.get,
    AsyncSQLiteStore: lambda store: store._file.get,
}


def timed(took: TimeTally, failed: Counter, refused: Counter, method: Callable[..., Any]) -> Callable[..., Any]:
    """`method`, whose time is added to `took`: also where it failed, for it may have waited until then."""

    def call(*args: Any, **kwargs: Any) -> Any:
        began = perf_counter()
        try:
            answer = method(*args, **kwargs)
        except StoreUnavailable:
            failed.inc()
            raise
        finally:
            took.add(perf_counter() - began)
        if type(answer) is Refused:
            refused.inc()
        return answer

    async def awaited(*args: Any, **kwargs: Any) -> Any:
        began = perf_counter()
        try:
            answer = await method(*args, **kwargs)
        except StoreUnavailable:
            failed.inc()
            raise
        finally:
            took.add(perf_counter() - began)
        if type(answer) is Refused:
            refused.inc()
        return answer

    return awaited if iscoroutinefunction(method) else call


def timed_get(took: TimeTally, failed: Counter, method: Callable[[str], Any]) -> Callable[[str], Any]:
    """The same of a store's `get`, and no more than that needs: each request asks it."""
    add = took.add

    def get(id: str) -> Any:
        began = perf_counter()
        try:
            return method(id)
        except StoreUnavailable:
            failed.inc()
            raise
        finally:
            add(perf_counter() - began)

    async def awaited(id: str) -> Any:
        began = perf_counter()
        try:
            return await method(id)
        except StoreUnavailable:
            failed.inc()
            raise
        finally:
            add(perf_counter() - began)

    async def at_once(id: str) -> Any:
        began = perf_counter()
        try:
            record = at_hand(id)
        except StoreUnavailable:
            return await awaited(id)  # which waits for it
        add(perf_counter() - began)
        return record

    store = getattr(method, "__self__", None)
    found = _AT_HAND.get(type(store))
    if found is not None:
        at_hand = found(store)
        return at_once
    return awaited if iscoroutinefunction(method) else get


class CountedCache(CachedStore):
    """A CachedStore that counts how often it had what was asked for."""

    _hits: CountTally
    _misses: CountTally

    def get(self, id: str) -> Record | None:
        """As CachedStore.get."""
        record = self._channel.cache.get(id)
        if record is not None:
            self._hits.add()
            return record
        self._misses.add()
        return super().get(id)


class AsyncCountedCache(AsyncCachedStore):
    """An AsyncCachedStore that counts how often it had what was asked for."""

    _hits: CountTally
    _misses: CountTally

    async def get(self, id: str) -> Record | None:
        """As AsyncCachedStore.get."""
        record = self._channel.cache.get(id)
        if record is not None:
            self._hits.add()
            return record
        self._misses.add()
        return await super().get(id)
