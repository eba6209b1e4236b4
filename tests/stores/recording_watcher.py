"""RecordingWatcher: a watcher that remembers."""

from __future__ import annotations

import time
from collections.abc import Iterable

from sojourn.core.record import Record
from tests.servers.waiting import wait_until

__all__ = ["RecordingWatcher"]


class RecordingWatcher:
    """The ids that were reported, how often all was lost, and until when all is reported."""

    def __init__(self) -> None:
        self.closed = False
        self.ids: list[str] = []
        self.losses = 0
        self.until = 0.0

    def changed(self, ids: Iterable[str]) -> None:
        self.ids += ids

    def lost(self) -> None:
        self.losses += 1
        self.until = 0.0

    def sound(self, until: float) -> None:
        assert until <= time.monotonic()
        self.until = until

    def wait_for(self, *records: Record) -> None:
        """Until these are reported; what came before is forgotten."""
        wait_until(lambda: {record.id for record in records} <= set(self.ids), "word of the writes")
        self.ids.clear()

    def wait_until_sound(self, patience: float = 10) -> None:
        """Until all that was written before now is reported."""
        now = time.monotonic()
        wait_until(lambda: self.until >= now, "a beat", patience)
