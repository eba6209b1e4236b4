"""Census: what is counted of a store's sessions, from the rows themselves, page by page, aside of the requests."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from contextlib import suppress
from time import perf_counter
from typing import NamedTuple

from sojourn.core.async_store import AsyncStore
from sojourn.core.errors import EndReason, SojournError
from sojourn.core.record import Record
from sojourn.manager import Clock

__all__ = ["DAY", "HOUR", "Census", "SessionCounts", "Span"]

logger = logging.getLogger("sojourn.admin")

PAGE = 500
# What a page of the browser waits for one: a small store is counted by then.
WAIT = 0.05
# It rests ten times as long as it took: for a twentieth of a processor at most, and only while somebody looks.
RESTS, LEAST_REST = 10, 10_000


class Span(NamedTuple):
    """The last stretch of time, in bars: how many, and how long each is, in milliseconds."""

    name: str
    bars: int
    width: int

    def bar(self, at: int, now: int) -> int | None:
        """Which bar a moment belongs to, the oldest being 0; None for one outside."""
        back = max(0, now - at) // self.width
        return self.bars - 1 - back if back < self.bars else None


HOUR = Span("hour", 12, 300_000)
DAY = Span("day", 24, 3_600_000)


class SessionCounts:
    """What one count found so far of the sessions that there are at `now`, in Unix milliseconds.

    `share` is how much of the store was read, 1.0 at the end, and `took` how many milliseconds went by for it.
    `logins` and `ends` hold a number for each bar of a span; an end by a log-in, `replaced`, is in `reasons` alone.
    """

    def __init__(self, now: int) -> None:
        self.now = now
        self.share = 0.0
        self.took = 0
        self.live = self.users_live = self.bound = self.ended = 0
        self.logins = {span: [0] * span.bars for span in (HOUR, DAY)}
        self.ends = {span: [0] * span.bars for span in (HOUR, DAY)}
        self.reasons: dict[Span, Counter[EndReason]] = {span: Counter() for span in (HOUR, DAY)}

    @property
    def is_whole(self) -> bool:
        """Whether all of the store was read."""
        return self.share == 1.0

    def add(self, record: Record) -> None:
        """Count one session."""
        reason = record.end_reason_at(self.now)
        if reason is None:
            self.live += 1
            self.users_live += record.user_id is not None
            self.bound += record.bound is not None
        else:
            self.ended += 1
        for span in (HOUR, DAY):
            bar = None if record.authenticated_at is None else span.bar(record.authenticated_at, self.now)
            if bar is not None:
                self.logins[span][bar] += 1
            bar = None if reason is None else span.bar(record.expires_at, self.now)
            if reason is not None and bar is not None:
                self.reasons[span][reason] += 1
                self.ends[span][bar] += reason != "replaced"


class Census:
    """Counts a realm's sessions while somebody looks at the numbers: never two counts at once, never a busy one."""

    def __init__(self, store: AsyncStore, realm: str, clock: Clock) -> None:
        self._store, self._realm, self._clock = store, realm, clock
        self._task: asyncio.Task[None] | None = None
        self._whole: SessionCounts | None = None
        self._partial: SessionCounts | None = None

    async def look(self) -> SessionCounts:
        """The latest whole count, or, where there is none yet, what one has so far. A new one is begun when due."""
        if self._task is None and self._is_due():
            self._task = asyncio.get_running_loop().create_task(self._count())
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=WAIT)
        return self._whole or self._partial or SessionCounts(self._clock())

    async def close(self) -> None:
        """Count no more."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def forget(self) -> None:
        """What was counted is not so any more: the next look counts anew."""
        if self._whole is not None and self._whole.took <= LEAST_REST:
            self._whole = None

    def _is_due(self) -> bool:
        whole = self._whole
        return whole is None or self._clock() >= whole.now + max(LEAST_REST, RESTS * whole.took)

    async def _count(self) -> None:
        counts = self._partial = SessionCounts(self._clock())
        after = ""
        try:
            while True:
                began = perf_counter()
                page = await self._store.scan(after, PAGE)
                for record in page:
                    if record.realm == self._realm:
                        counts.add(record)
                if not page:
                    break
                after = page[-1].id
                counts.share = int(after[:8], 16) / 2**32
                # As long again as it took, so that requests get their turn.
                await asyncio.sleep(perf_counter() - began)
        except SojournError as error:
            logger.warning("the sessions were not counted: %s", error)
        else:
            counts.share, counts.took = 1.0, self._clock() - counts.now
            self._whole = counts
        finally:
            self._task = None
