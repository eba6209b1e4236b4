"""Channel: the thread in which a store reports writes to a cache, and that cache.

The cache lives no longer: in a forked child, or in the next event loop, both begin anew.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Callable
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

    def close(self) -> None:
        """Stop it."""
        with self._starting:
            self._closing.set()
            self.cache.closed = True
        if self._thread is not None:
            self._thread.join(PATIENCE)
        self.cache.forget()

    def _run(self) -> None:
        watcher, closing = self._watcher(), self._closing
        while not (closing.is_set() or watcher.closed):
            try:
                self._watch(watcher, self._interval)
            except Exception:
                logger.exception(_BROKEN, PAUSE)
            finally:
                watcher.lost()
            if not watcher.closed:
                closing.wait(PAUSE)

    def _watcher(self) -> Watcher:
        return self.cache


class AsyncChannel(Channel):
    """The same for an event loop, which it ends with: a thread too, so that no request keeps it waiting."""

    def reset(self) -> None:
        """As Channel's."""
        super().reset()
        self._loop: asyncio.AbstractEventLoop | None = None

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

    def _watcher(self) -> Watcher:
        return _OfLoop(self.cache, self._loop) if self._loop else self.cache


class _OfLoop:
    """The cache, to be told of writes for as long as its event loop is there."""

    def __init__(self, cache: Cache, loop: asyncio.AbstractEventLoop) -> None:
        self._cache = cache
        self._loop = loop
        self.changed = cache.changed
        self.lost = cache.lost
        self.sound = cache.sound

    @property
    def closed(self) -> bool:
        return self._cache.closed or self._loop.is_closed()


def _reset_in_child() -> None:
    # The thread stayed with the parent, and a lock may have been held by another thread that did.
    for channel in list(_channels):
        channel.reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_in_child)
