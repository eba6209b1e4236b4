"""Metrics: what Prometheus is told of managers, and the names by which it is told."""

from __future__ import annotations

import atexit
import os
import time
from collections.abc import Iterable
from threading import Lock, Thread
from typing import Any, TypeVar, get_args
from weakref import WeakSet, ref

from prometheus_client import REGISTRY, CollectorRegistry

from sojourn.core import events
from sojourn.core.errors import EndReason, InvalidData, SojournError
from sojourn.core.problem import problem_of
from sojourn.manager import AsyncSessionManager, SessionManager
from sojourn.observed import like, observed_store
from sojourn.stores.cached import AsyncCachedStore, CachedStore

from .families import Families
from .managers import counting, kind_of
from .stores import AsyncCountedCache, CountedCache, timed, timed_get
from .tally import CountTally, TimeTally

__all__ = ["Metrics"]

M = TypeVar("M", bound=SessionManager | AsyncSessionManager)

# How much of what was counted waits, and how late others of several processes are told of it, in seconds.
EVERY = 0.5

_all: WeakSet[Metrics] = WeakSet()
# Nobody forks while numbers are handed on: prometheus-client's lock would stay locked in the child.
_handing_on = Lock()


class Metrics:
    """Counts what managers do, for Prometheus: in `registry`, which is prometheus-client's own if none is given.

    One for a process, made before it serves: `manager = metrics.observe(manager)`. No label names a user, a session, an
    address or a token. Several processes share what they count by the folder PROMETHEUS_MULTIPROC_DIR, as
    prometheus-client's documentation says; each adds to it twice a second, and at its end. docs/metrics.md has every
    metric, and what counting costs. Raises ConfigurationError where the registry has them already.
    """

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self._families = families = Families(registry, self.hand_on)
        self._opens = [CountTally(families.opens.labels(outcome)) for outcome in ("live", "ended", "none")]
        self._count_open = counting(*(tally.add for tally in self._opens))
        self._hits, self._misses = [CountTally(families.cache_reads.labels(outcome)) for outcome in ("hit", "miss")]
        self._operations: dict[str, TimeTally] = {}
        self._caches: WeakSet[CachedStore | AsyncCachedStore] = WeakSet()
        self._managers: WeakSet[AsyncSessionManager] = WeakSet()
        self._ends = {reason: families.ends.labels(reason) for reason in get_args(EndReason)}
        _all.add(self)
        self._keep_handing_on()

    def observe(self, manager: M) -> M:
        """A manager like this one, on the same store, whose opens, commits, events and store are counted.

        Use it in the place of the one that is given, which is not counted. A remote manager can be observed too: it has
        no store, and its events are the service's. Raises ConfigurationError for one that is observed already.
        """
        store, count = self._observed(manager._store), self._count_open
        # A remote manager has no store, and an open of its own.
        kind = kind_of(manager, is_remote=store is None)
        observed = like(manager, kind, "_uncounted_", _metrics=self, _store=store, _on_open=count, _count_open=count)
        if isinstance(observed, AsyncSessionManager):
            self._managers.add(observed)
        return observed

    def hand_on(self) -> None:
        """Bring Prometheus's own numbers up to date: before they are read."""
        with _handing_on:
            for tally in self._tallies():
                tally.hand_on()
            channels = [cached._channel for cached in list(self._caches)]
            self._families.cache_bytes.set(sum(channel.cache.bytes for channel in channels))
            self._families.cache_staleness.set(max((channel.staleness() for channel in channels), default=0.0))
            following = [manager._following for manager in list(self._managers)]
            self._families.streams.set(sum(those.count for those in following if those is not None))

    def _count_refusal(self, error: SojournError) -> None:
        """An open or a commit raised `error`. A developer's mistake is no refusal."""
        problem = problem_of(error)
        cause = problem.code if problem else "invalid-data" if isinstance(error, InvalidData) else None
        if cause is not None:
            self._families.refusals.labels(cause).inc()

    def _count_events(self, told: Iterable[events.Event]) -> None:
        """Count what happened."""
        families = self._families
        for event in told:
            match event:
                case events.Ended():
                    self._ends[event.reason].inc()
                case events.Merged():
                    families.merges.labels("conflict" if event.conflicts else "clean").inc()
                case events.UnknownToken():
                    families.unknown_tokens.labels(event.cause).inc()
                    if event.cause == "malformed":
                        # Its open is told by this alone.
                        self._opens[-1].add()
                case events.RefreshSkipped():
                    families.refreshes_skipped.labels(event.cause).inc()
                case _:
                    counter = families.by_event.get(type(event))
                    if counter is not None:
                        counter.inc()

    def _observed(self, store: Any) -> Any:
        if store is None:
            return None
        observed = observed_store(store, self._timed)
        if isinstance(observed, (CachedStore, AsyncCachedStore)):
            kind = AsyncCountedCache if isinstance(observed, AsyncCachedStore) else CountedCache
            cached = like(observed, kind, "_uncounted_", _hits=self._hits, _misses=self._misses)
            self._caches.add(cached)
            return cached
        return observed

    def _timed(self, operation: str, method: Any) -> Any:
        families = self._families
        tally = self._operations.get(operation)
        if tally is None:
            tally = self._operations[operation] = TimeTally(families.store_seconds.labels(operation))
        failed = families.store_errors.labels(operation)
        if operation == "get":
            return timed_get(tally, failed, method)
        # Only these two can be.
        refused = families.store_refusals.labels("create" if operation == "create" else "commit")
        return timed(tally, failed, refused, method)

    def _tallies(self) -> Iterable[CountTally | TimeTally]:
        return (*self._opens, self._hits, self._misses, *self._operations.values())

    def _keep_handing_on(self) -> None:
        # Nobody might scrape, and what waits takes memory; and other processes are to be told.
        Thread(target=_hand_on_now_and_then, args=(ref(self),), name="sojourn-metrics", daemon=True).start()

    def _reset(self) -> None:
        """In a forked child: what waits is the parent's to tell, and its thread stayed there."""
        for tally in self._tallies():
            tally.reset()
        self._keep_handing_on()


def _hand_on_now_and_then(of: ref[Metrics]) -> None:
    while True:
        time.sleep(EVERY)
        metrics = of()
        if metrics is None:
            return
        metrics.hand_on()
        del metrics


def _reset_in_child() -> None:
    _handing_on.release()
    for metrics in list(_all):
        metrics._reset()


def _hand_on_at_exit() -> None:
    for metrics in list(_all):
        metrics.hand_on()


atexit.register(_hand_on_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_handing_on.acquire, after_in_parent=_handing_on.release, after_in_child=_reset_in_child)
