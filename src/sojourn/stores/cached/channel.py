"""Channel: the thread or task in which a store reports writes to a cache, and that cache.

The cache lives no longer: in a forked child, or in the next event loop, both begin anew.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Coroutine, Iterable
from typing import Any
from weakref import WeakSet

from sojourn.core.errors import ConfigurationError
from sojourn.core.store import Watcher

from .cache import Cache

__all__ = ["AsyncChannel", "Channel"]

logger = logging.getLogger("sojourn")

# A store's watch reconnects by itself. Where it failed altogether, it is not started again at once.
PAUSE = 5.0
# To wait for the thread, at most; it ends with the process in any case.
PATIENCE = 5.0

_BROKEN = "a cache hears of no writes any more, so every read asks the store; trying again in %g s"


class _Report:
    """The Watcher of a channel's store: its cache first, so that who else hears reads no older record from it."""

    def __init__(self, cache: Cache, others: list[Watcher]) -> None:
        self._cache = cache
        self._others = others

    @property
    def closed(self) -> bool:
        return self._cache.closed

    @closed.setter
    def closed(self, closed: bool) -> None:
        self._cache.closed = closed

    def changed(self, ids: Iterable[str]) -> None:
        ids = list(ids)
        self._cache.changed(ids)
        for other in list(self._others):
            other.changed(ids)

    def lost(self) -> None:
        self._cache.lost()
        for other in list(self._others):
            other.lost()

    def sound(self, until: float) -> None:
        self._cache.sound(until)
        for other in list(self._others):
            other.sound(until)


_channels: WeakSet[Channel | AsyncChannel] = WeakSet()


class Channel:
    """`watch` in a thread, from the first `ensure_running` on."""

    def __init__(
        self, watch: Callable[[Watcher, float], None], new_cache: Callable[[], Cache], interval: float
    ) -> None:
        self._watch = watch
        self._new_cache = new_cache
        self._interval = interval
        self.reset()
        _channels.add(self)

    def reset(self) -> None:
        """With an empty cache, and nothing running."""
        self.cache = self._new_cache()
        self._others: list[Watcher] = []
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._closing = threading.Event()

    def ensure_running(self) -> None:
        """Start it, unless it runs."""
        if self._thread is not None and self._thread.is_alive():
            return
        with self._starting:
            if not self._closing.is_set() and (self._thread is None or not self._thread.is_alive()):
                self._thread = threading.Thread(target=self._run, name="sojourn-watch", daemon=True)
                self._thread.start()

    def watch(self, watcher: Watcher, interval: float) -> None:
        """As WatchableStore.watch, over the cache's own connection and at its interval."""
        self.ensure_running()
        others, closing = self._others, self._closing
        others.append(watcher)
        try:
            watcher.lost()
            while not (watcher.closed or closing.wait(interval)):
                pass
        finally:
            others.remove(watcher)

    def close(self) -> None:
        """Stop it."""
        with self._starting:
            self._closing.set()
            self.cache.closed = True
        if self._thread is not None:
            self._thread.join(PATIENCE)
        self.cache.forget()

    def _run(self) -> None:
        report, closing = _Report(self.cache, self._others), self._closing
        while not closing.is_set():
            try:
                self._watch(report, self._interval)
            except Exception:
                logger.exception(_BROKEN, PAUSE)
            finally:
                report.lost()
            closing.wait(PAUSE)


class AsyncChannel:
    """`watch` in a task of the running event loop, from the first `ensure_running` on."""

    def __init__(
        self,
        watch: Callable[[Watcher, float], Coroutine[Any, Any, None]],
        new_cache: Callable[[], Cache],
        interval: float,
    ) -> None:
        self._watch = watch
        self._new_cache = new_cache
        self._interval = interval
        self.reset()
        _channels.add(self)

    def reset(self) -> None:
        """With an empty cache, and nothing running."""
        self.cache = self._new_cache()
        self._others: list[Watcher] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None

    def ensure_running(self) -> None:
        """Start it in this event loop, unless it runs. Raises ConfigurationError where it runs in another."""
        loop = asyncio.get_running_loop()
        if self._loop is loop and self._task is not None and not self._task.done():
            return
        if self.cache.closed:
            return
        if self._loop is not None and self._loop is not loop:
            if self._loop.is_running():
                raise ConfigurationError(
                    "This AsyncCachedStore is in use in another event loop that is running. Make one for each loop."
                )
            # Should the other loop ever run again, what was left there ends.
            self.cache.closed = True
            self.reset()
        self._loop, self._task = loop, loop.create_task(self._run(), name="sojourn-watch")

    async def watch(self, watcher: Watcher, interval: float) -> None:
        """As WatchableStore.watch, over the cache's own connection and at its interval."""
        self.ensure_running()
        others, cache = self._others, self.cache
        others.append(watcher)
        try:
            watcher.lost()
            while not (watcher.closed or cache.closed or self._task is None or self._task.done()):
                await asyncio.wait([self._task], timeout=interval)
        finally:
            others.remove(watcher)

    async def close(self) -> None:
        """Stop it."""
        self.cache.closed = True
        task, self._task = self._task, None
        if task is not None and self._loop is asyncio.get_running_loop():
            task.cancel()
            await asyncio.wait([task])
        self.cache.forget()

    async def _run(self) -> None:
        report = _Report(self.cache, self._others)
        while not report.closed:
            try:
                await self._watch(report, self._interval)
            except Exception:
                logger.exception(_BROKEN, PAUSE)
            finally:
                report.lost()
            await asyncio.sleep(PAUSE)


def _reset_in_child() -> None:
    # The thread stayed with the parent, and a lock may have been held by another thread that did.
    for channel in list(_channels):
        channel.reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_in_child)
