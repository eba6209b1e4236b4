"""Search: a page of the sessions that somebody looks for, however many there are, and where the next page begins."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from ipaddress import ip_network
from time import monotonic, perf_counter
from typing import Literal, NamedTuple, get_args

import msgspec

from sojourn.core.async_store import AsyncStore
from sojourn.core.errors import EndReason
from sojourn.core.info import SessionInfo, info
from sojourn.core.record import Record
from sojourn.manager import Clock

from .selection import Addresses, Selection

__all__ = ["PAGE", "STATES", "Matches", "Searches", "State", "Wanted", "search", "summary"]

PAGE = 50
STEP = 250
# Seconds: with the answer itself a page stays under two tenths. What takes longer goes on aside.
WAIT = 0.08
# A search that nobody asked for in so many seconds ends; and of more than so many at once the one longest ago.
LOOKED_AT_WITHIN, AT_ONCE = 60.0, 4

State = Literal["live", "any", "ended"] | EndReason
STATES: tuple[str, ...] = ("live", "any", "ended", *get_args(EndReason))


class Wanted(NamedTuple):
    """What is looked for: all that is given must be so. `id` is an id or its first digits."""

    user: str = ""
    id: str = ""
    address: str = ""
    device: str = ""
    state: str = "live"

    def mistake(self) -> str | None:
        """What is wrong with it, and what to write."""
        if self.id and (len(self.id) > 32 or self.id.strip("0123456789abcdef")):
            return "An id is 32 hex digits, or the first ones of them. A token is none: never paste one here."
        if self.address and self.addresses() is None:
            return "Write an address like 203.0.113.9, 203.0.113.0/24 or 2001:db8::/32."
        return None if self.state in STATES else "Choose one of the states."

    def addresses(self) -> Addresses | None:
        """The network that `address` names."""
        try:
            return ip_network(self.address, strict=False) if self.address else None
        except ValueError:
            return None

    def includes(self, session: SessionInfo, now: int) -> bool:
        """Whether `session` is one of these at `now`."""
        if self.state == "live" and session.end_reason is not None:
            return False
        if self.state == "ended" and session.end_reason is None:
            return False
        if self.device and self.device.casefold() not in f"{session.device} {session.user_agent}".casefold():
            return False
        reason = self.state if self.state in get_args(EndReason) else None
        selection = Selection(
            user=self.user or None,
            addresses=self.addresses(),
            reason=reason,  # type: ignore[arg-type]  # seen to be one
        )
        return session.id.startswith(self.id) and selection.includes(session, now)


class Matches:
    """What a search found so far, in order of id. `share` is how much of the store it passed, and `is_over` whether it
    has its page: then the next one begins past `after`, or is None where all was read."""

    def __init__(self, after: str) -> None:
        self.sessions: list[SessionInfo] = []
        self.after: str | None = after
        self.share = 0.0
        self.is_over = False

    def end(self, after: str | None) -> None:
        """Look for no more."""
        self.after, self.share, self.is_over = after, 1.0 if after is None else _share(after), True


async def search(store: AsyncStore, realm: str, wanted: Wanted, found: Matches, clock: Clock) -> None:
    """Fill `found` with a page of what is wanted, from the first one past its `after`.

    A user's live sessions, and those that begin with an id, are looked up. For anything else the store is read until
    there are enough, with a pause after each step, so that requests get their turn.
    """
    after, now = found.after or "", clock()
    if len(wanted.id) == 32:
        record = await store.get(wanted.id)
        found.sessions += _those([record] if record else [], realm, wanted, now)
        found.end(None)
        return
    of_user = bool(wanted.user) and wanted.state == "live" and not wanted.id
    # A shorter id sorts right before those that begin with it.
    after = max(after, wanted.id)
    while True:
        began = perf_counter()
        if of_user:
            records = await store.list(wanted.user, now, realm, after, PAGE - len(found.sessions))
        else:
            records = await store.scan(after, STEP)
        records = [record for record in records if record.id.startswith(wanted.id)]
        if not records:
            found.end(None)
            return
        found.sessions += _those(records, realm, wanted, now)[: PAGE - len(found.sessions)]
        if len(found.sessions) == PAGE:
            found.end(found.sessions[-1].id)
            return
        after = max(record.id for record in records)
        found.share = _share(after)
        await asyncio.sleep((perf_counter() - began) / 2)


class Searches:
    """Searches that go on aside of requests, a few at once, each for as long as somebody looks at it."""

    def __init__(self, store: AsyncStore, realm: str, clock: Clock) -> None:
        self._store, self._realm, self._clock = store, realm, clock
        self._tasks: dict[tuple[Wanted, str], tuple[asyncio.Task[None], Matches, float]] = {}

    async def look(self, wanted: Wanted, after: str) -> Matches:
        """What is found so far of a page past `after`; of one that is over, for the last time. Waits WAIT at most.

        Raises what the store raised.
        """
        await self._drop_old()
        task, found, _ = self._tasks.get((wanted, after)) or self._begin(wanted, after)
        self._tasks[wanted, after] = task, found, monotonic()
        await asyncio.wait({task}, timeout=WAIT)
        if task.done():
            self._tasks.pop((wanted, after), None)
            task.result()
        return found

    async def close(self) -> None:
        """Look for nothing more."""
        await self._cancel([*self._tasks])

    def _begin(self, wanted: Wanted, after: str) -> tuple[asyncio.Task[None], Matches, float]:
        found = Matches(after)
        looking = search(self._store, self._realm, wanted, found, self._clock)
        return asyncio.get_running_loop().create_task(looking), found, monotonic()

    async def _drop_old(self) -> None:
        by_use = sorted(self._tasks, key=lambda each: self._tasks[each][2])
        late = [each for each in by_use if self._tasks[each][2] < monotonic() - LOOKED_AT_WITHIN]
        await self._cancel(late or by_use[: max(0, len(by_use) - AT_ONCE + 1)])

    async def _cancel(self, those: list[tuple[Wanted, str]]) -> None:
        tasks = [self._tasks.pop(each)[0] for each in those]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def summary(record: Record, now: int) -> SessionInfo:
    """What is known of a session without its data: that need not be readable, and is nobody's business here."""
    return info(msgspec.structs.replace(record, data={}), now)


def _those(records: Sequence[Record], realm: str, wanted: Wanted, now: int) -> list[SessionInfo]:
    there = [summary(record, now) for record in records if record.realm == realm]
    return [session for session in there if wanted.includes(session, now)]


def _share(id: str) -> float:
    return int(id[:8], 16) / 2**32
