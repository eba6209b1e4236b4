"""Families: the metrics by name, each with its labels, as Prometheus's naming guidelines say."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics_core import Metric

from sojourn.core import events
from sojourn.core.errors import ConfigurationError

from .tally import BOUNDS

__all__ = ["Families"]

# What opens and commits are refused for, beside the flaws of a proof, each of which is there once it was met.
REFUSALS = (
    *("session-ended", "session-conflict", "session-limit", "session-refused", "reauthentication-required"),
    *("data-too-large", "invalid-data", "store-unavailable"),
)
UNKNOWN_TOKENS = ("malformed", "unknown", "wrong_secret", "ambiguous")
SKIPPED = ("quota_exceeded", "server_error", "unreachable")


class _TalliedCounter(Counter):
    """One that is brought up to date before it is read."""

    hand_on: Callable[[], None]

    def collect(self) -> Iterable[Metric]:
        self.hand_on()
        return super().collect()


class _TalliedHistogram(Histogram):
    hand_on: Callable[[], None]

    def collect(self) -> Iterable[Metric]:
        self.hand_on()
        return super().collect()


class _TalliedGauge(Gauge):
    hand_on: Callable[[], None]

    def collect(self) -> Iterable[Metric]:
        self.hand_on()
        return super().collect()


class Families:
    """All of them, in `registry`. `hand_on` brings those up to date that are tallied."""

    def __init__(self, registry: CollectorRegistry, hand_on: Callable[[], None]) -> None:
        self._registry = registry
        try:
            self._make()
        except ValueError as error:
            raise ConfigurationError(
                "These metrics are in the registry already. Make one Metrics in a process, and have it observe each "
                "manager."
            ) from error
        gauges = (self.cache_bytes, self.cache_staleness, self.streams)
        for family in (self.opens, self.cache_reads, self.store_seconds, *gauges):
            family.hand_on = hand_on

    def _make(self) -> None:
        tallied = self._tallied
        self.opens = tallied("opens", "Tokens that requests showed, by what they opened.", "outcome")
        self.cache_reads = tallied("cache_reads", "Reads that a cache was asked for, by whether it had it.", "outcome")
        self.store_seconds = _TalliedHistogram(
            "sojourn_store_seconds",
            "How long the store took, by what it was asked.",
            ["operation"],
            buckets=BOUNDS,
            registry=self._registry,
        )
        self.store_errors = self._counter("store_errors", "Outages that a store's operations met.", "operation")
        self.store_refusals = self._counter(
            "store_refusals", "Writes that were not made, as the session was written to or ended before.", "operation"
        )
        self.refusals = self._counter(
            "refusals", "Opens and commits that were refused, by the problem's code.", "cause"
        )
        self.ends = self._counter("ends", "Sessions that ended, by why.", "reason")
        self.merges = self._counter("merges", "Commits that another request's change was merged with.", "outcome")
        self.unknown_tokens = self._counter("unknown_tokens", "Tokens that open nothing, by why.", "cause")
        self.refreshes_skipped = self._counter(
            "refreshes_skipped", "Bound cookies that browsers could not renew, by why.", "cause"
        )
        self.cache_bytes = self._gauge("cache_bytes", "What the records in the cache take in memory, at most.")
        self.cache_staleness = self._gauge(
            "cache_staleness_seconds",
            "How long ago the last moment was all of whose writes the cache has heard of.",
            "livemax",
        )
        self.streams = self._gauge("streams", "What is open and ends with its session, such as event streams.")
        self.by_event = self._by_event()
        self._begin_at_zero()

    def _by_event(self) -> dict[type[events.Event], Counter]:
        """Those that count one kind of event, and nothing else."""
        return {
            events.SessionCreated: self._counter("sessions_created", "Sessions that were made."),
            events.LoggedIn: self._counter("logins", "Users that were tied to a new session."),
            events.Adopted: self._counter("adoptions", "Sessions of another layer that were taken over."),
            events.Rotated: self._counter("renewals", "Secrets that browsers showed for the first time."),
            events.TokenReused: self._counter("token_reuses", "Sessions that two held, by a secret that was over."),
            events.RotationStalled: self._counter("stalled_renewals", "Sessions whose new secrets somebody took away."),
            events.UnprovedToken: self._counter("unproved_tokens", "Bound tokens that came without a good proof."),
            events.KeyRegistered: self._counter("keys_registered", "Sessions that a browser bound to its key."),
        }

    def _begin_at_zero(self) -> None:
        """A first one is seen as an increase only where there was a 0 before."""
        for family, values in (
            (self.refusals, REFUSALS),
            (self.unknown_tokens, UNKNOWN_TOKENS),
            (self.refreshes_skipped, SKIPPED),
            (self.merges, ("clean", "conflict")),
            (self.store_refusals, ("commit", "create")),
        ):
            for value in values:
                family.labels(value)

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(f"sojourn_{name}", meaning, labels, registry=self._registry)

    def _tallied(self, name: str, meaning: str, *labels: str) -> _TalliedCounter:
        return _TalliedCounter(f"sojourn_{name}", meaning, labels, registry=self._registry)

    def _gauge(self, name: str, meaning: str, mode: Literal["livesum", "livemax"] = "livesum") -> _TalliedGauge:
        return _TalliedGauge(f"sojourn_{name}", meaning, registry=self._registry, multiprocess_mode=mode)
