"""Channel: the thread in which a store reports writes to a cache, and that cache.

The cache lives no longer: in a forked child, or in the next event loop, both begin anew.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Iterable
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
    """The Watcher of a channel's store: its cache first, so that who else hears reads no older record from it.

    Of an event loop's, closed with the loop.
    """

    def __init__(self, cache: Cache, others: list[Watcher], loop: asyncio.AbstractEventLoop | None) -> None:
        self._cache = cache
        self._others = others
        self._loop = loop

    @property
    def closed(self) -> bool:
        return self._cache.closed or (self._loop is not None and self._loop.is_closed())

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


_channels: WeakSet[Channel] = WeakSet()


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
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._closing = threading.Event()

    def staleness(self) -> float:
        """As Cache.staleness; 0 before anything was asked for, and after the end."""
        return 0.0 if self._thread is None or self.cache.closed else self.cache.staleness()

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
        self._tell_too(watcher, interval)

    def _tell_too(self, watcher: Watcher, interval: float) -> None:
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
        report, closing = _Report(self.cache, self._others, self._loop), self._closing
        while not (closing.is_set() or report.closed):
            try:
                self._watch(report, self._interval)
            except Exception:
                logger.exception(_BROKEN, PAUSE)
            finally:
                report.lost()
            if not report.closed:
                closing.wait(PAUSE)


class AsyncChannel(Channel):
    """The same for an event loop, which it ends with: a thread too, so that no request keeps it waiting."""

    def ensure_running(self) -> None:
        """Start it for this event loop, unless it runs. Raises ConfigurationError where it runs for another."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop and not self._closing.is_set():
            if self._loop is not None:
                if self._loop.is_running():
                    raise ConfigurationError(
                        "This AsyncCachedStore is in use in another event loop that is running. Make one for each loop."
                    )
                # Should the other loop ever run again, what was left there ends.
                self._closing.set()
                self.cache.closed = True
                self.reset()
            self._loop = loop
        super().ensure_running()

    def watch(self, watcher: Watcher, interval: float) -> None:
        """As Channel.watch, whose thread an event loop must have started: by its first look at the store."""
        self._tell_too(watcher, interval)


def _reset_in_child() -> None:
    # The thread stayed with the parent, and a lock may have been held by another thread that did.
    for channel in list(_channels):
        channel.reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_in_child)
