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

from .tally import CountTally, TimeTally

__all__ = ["AsyncCountedCache", "CountedCache", "timed"]


def timed(method: Callable[..., Any], took: TimeTally, failed: Counter, refused: Counter) -> Callable[..., Any]:
    """`method`, whose time is added to `took`: also where it failed, for it may have waited until then."""
    if iscoroutinefunction(method):
        return _awaited(method, took, failed, refused)
    add = took.add

    def call(what: Any, *args: Any, **kwargs: Any) -> Any:
        began = perf_counter()
        try:
            answer = method(what, *args, **kwargs)
        except StoreUnavailable:
            failed.inc()
            raise
        finally:
            add(perf_counter() - began)
        if type(answer) is Refused:
            refused.inc()
        return answer

    return call


def _awaited(method: Callable[..., Any], took: TimeTally, failed: Counter, refused: Counter) -> Callable[..., Any]:
    add = took.add

    async def call(*args: Any, **kwargs: Any) -> Any:
        began = perf_counter()
        try:
            answer = await method(*args, **kwargs)
        except StoreUnavailable:
            failed.inc()
            raise
        finally:
            add(perf_counter() - began)
        if type(answer) is Refused:
            refused.inc()
        return answer

    return call


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
