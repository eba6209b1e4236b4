"""Cache: records in memory, and the rules by which one may be served instead of asking the store. No I/O."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable

from sojourn.core.codec import size
from sojourn.core.errors import ConfigurationError, SojournError, StoreUnavailable
from sojourn.core.record import Record
from sojourn.core.store import Applied, Create, Refused

__all__ = ["Cache", "Fill", "milliseconds"]

# Measured, rounded up: the record with its place in the cache, a dated secret, and a key of the data.
RECORD_BYTES = 1_350
DATED_BYTES = 140
KEY_BYTES = 110
# One record may not push out all the others.
LARGEST_SHARE = 8
# Of those that were used lately, so many are passed over, at most, to find one to push out: that takes microseconds.
PASSED_OVER = 32


def milliseconds() -> int:
    """Unix time, now."""
    return time.time_ns() // 1_000_000


class Fill:
    """A read of the store under way, by one or more requests; dirty once its answer may be older than a write."""

    __slots__ = ("dirty", "id", "readers")

    def __init__(self, id: str) -> None:
        self.id = id
        self.readers = 0
        self.dirty = False


class _Entry:
    """A record kept."""

    __slots__ = ("cost", "expires_at", "record", "used")

    def __init__(self, record: Record, cost: int) -> None:
        self.record = record
        self.expires_at = record.expires_at
        self.cost = cost
        self.used = False


class Cache:
    """Records by id, up to `max_bytes`; the Watcher of one channel.

    A record is served while the channel has reported every write that is older than `max_staleness` seconds, and while
    it is live by `clock`, in Unix milliseconds: another node may have seen it since, so what looks expired is asked of
    the store. Every method may be called from any thread.
    """

    def __init__(
        self,
        max_bytes: int,
        max_staleness: float,
        clock: Callable[[], int] = milliseconds,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        if max_bytes < 1 or not 0 < max_staleness < math.inf:
            raise ConfigurationError(
                f"A cache needs room and time: max_bytes={max_bytes} and max_staleness={max_staleness} must be over 0."
            )
        self.closed = False
        self.bytes = 0
        self._max_bytes = max_bytes
        self._max_staleness = max_staleness
        self._clock = clock
        self._monotonic = monotonic
        self._served_until = -math.inf
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._fills: dict[str, Fill] = {}
        # For whoever writes to the two above. `get` needs none: it reads each once.
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, id: str) -> Record | None:
        """The record, if it may be served; None to ask the store."""
        # The limit first: an entry that is still there afterwards was changed by no write that the limit covers.
        if self._monotonic() > self._served_until:
            return None
        entry = self._entries.get(id)
        if entry is None or self._clock() >= entry.expires_at:
            return None
        entry.used = True
        return entry.record

    def start_fill(self, id: str) -> Fill:
        """The store is about to be asked for `id`. To be followed by `finish_fill`, whatever comes of it."""
        with self._lock:
            fill = self._fills.get(id)
            if fill is None:
                fill = self._fills[id] = Fill(id)
            fill.readers += 1
            return fill

    def finish_fill(self, fill: Fill, record: Record | None) -> None:
        """The store's answer: kept if it is live and nobody wrote since it was asked. None where it gave none."""
        cost = _cost(record) if record is not None and record.ended_at is None else math.inf
        with self._lock:
            fill.readers -= 1
            if fill.dirty:
                return
            if not fill.readers:
                del self._fills[fill.id]
            self._remove(fill.id)
            if record is not None and cost * LARGEST_SHARE <= self._max_bytes and self._clock() < record.expires_at:
                self._entries[fill.id] = _Entry(record, int(cost))
                self.bytes += int(cost)
                self._make_room()

    def changed(self, ids: Iterable[str]) -> None:
        """As Watcher.changed; own writes too."""
        with self._lock:
            for id in ids:
                self._remove(id)
                fill = self._fills.pop(id, None)
                if fill is not None:
                    fill.dirty = True

    def lost(self) -> None:
        """As Watcher.lost."""
        self._served_until = -math.inf
        self.forget()

    def sound(self, until: float) -> None:
        """As Watcher.sound."""
        self._served_until = until + self._max_staleness

    def staleness(self) -> float:
        """Seconds since the last moment all of whose writes are known here; inf where the channel is cut."""
        return max(0.0, self._monotonic() - (self._served_until - self._max_staleness))

    def forget(self) -> None:
        """Drop everything, and what is being read."""
        with self._lock:
            for fill in self._fills.values():
                fill.dirty = True
            self._fills.clear()
            dropped, self._entries, self.bytes = self._entries, OrderedDict(), 0
        # Not under the lock: it takes a while to free many.
        del dropped

    # What this process itself writes

    def created(self, create: Create, answer: Applied | Refused) -> None:
        """A new session was made, or refused: those that it ended, or that were not as they were taken to be."""
        self.changed(
            [*(answer.ended if isinstance(answer, Applied) else ()), *([create.ends.id] if create.ends else ())]
        )

    def deleted(self, before: int) -> None:
        """Rows that ran out before `before` are gone."""
        # By our clock none of them was served any more, unless the caller's is ahead.
        if before > self._clock():
            self.forget()

    def failed(self, error: BaseException) -> None:
        """A write raised, and which records it would have changed is not known."""
        # What a store refuses by name was not written; anything else may have been.
        if isinstance(error, StoreUnavailable) or not isinstance(error, SojournError):
            self.forget()

    def _remove(self, id: str) -> None:
        entry = self._entries.pop(id, None)
        if entry is not None:
            self.bytes -= entry.cost

    def _make_room(self) -> None:
        # The second chance: nearly the order of last use, for no more than a flag at each hit.
        entries, passed_over = self._entries, 0
        while self.bytes > self._max_bytes:
            id, entry = next(iter(entries.items()))
            if entry.used and passed_over < PASSED_OVER:
                passed_over += 1
                entry.used = False
                entries.move_to_end(id)
            else:
                self._remove(id)


def _cost(record: Record) -> float:
    """The bytes that a record takes in memory, at most; without bound where it cannot be read."""
    data = record.data
    try:
        # Its data is taken apart here, once, instead of by the first of many requests that will share it. Counted
        # twice: a store may keep the text beside the parts.
        parts = 2 * size(data) + KEY_BYTES * len(data)
    except StoreUnavailable:
        return math.inf
    secrets = record.secrets
    dated = DATED_BYTES * (len(secrets.next) + len(secrets.late) + len(secrets.retired))
    names = len(record.user_id or "") + len(record.client.user_agent) + len(record.device)
    return RECORD_BYTES + parts + dated + names
