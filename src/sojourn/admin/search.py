"""Search: a page of the sessions that somebody looks for, however many there are, and where the next page goes on."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_network
from time import perf_counter
from typing import Literal, NamedTuple, get_args

import msgspec

from sojourn.core.async_store import AsyncStore
from sojourn.core.errors import EndReason
from sojourn.core.info import SessionInfo, info
from sojourn.core.record import Record

from .selection import Addresses, Selection

__all__ = ["PAGE", "STATES", "Matches", "State", "Wanted", "search"]

PAGE = 50
STEP = 250
# Seconds: with the answer itself a page stays under two tenths. A search that found little goes on from there.
READ_WITHIN = 0.08

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


class Matches(NamedTuple):
    """A page of them. `after` is what the next one is asked for with, None where all was read; `share` of it is."""

    sessions: list[SessionInfo]
    after: str | None
    share: float


async def search(store: AsyncStore, realm: str, wanted: Wanted, after: str, now: int) -> Matches:
    """A page of what is wanted, in order of id from the first one past `after`.

    A user's live sessions, and those that begin with an id, are looked up. Anything else is read for, up to a page's
    worth of time.
    """
    if wanted.user and wanted.state == "live" and not wanted.id:
        return await _of_user(store, realm, wanted, after, now)
    if len(wanted.id) == 32:
        record = await store.get(wanted.id)
        return Matches(_those([record] if record else [], realm, wanted, now), None, 1.0)
    sessions: list[SessionInfo] = []
    # A shorter id sorts right before those that begin with it.
    began, after = perf_counter(), max(after, wanted.id)
    while records := await store.scan(after, STEP):
        records = [record for record in records if record.id.startswith(wanted.id)]
        found = _those(records, realm, wanted, now)[: PAGE - len(sessions)]
        sessions += found
        if not records:
            break
        after = sessions[-1].id if len(sessions) == PAGE else records[-1].id
        if len(sessions) == PAGE or perf_counter() - began > READ_WITHIN:
            return Matches(sessions, after, _share(after))
    return Matches(sessions, None, 1.0)


def summary(record: Record, now: int) -> SessionInfo:
    """What is known of a session without its data: that need not be readable, and is nobody's business here."""
    return info(msgspec.structs.replace(record, data={}), now)


async def _of_user(store: AsyncStore, realm: str, wanted: Wanted, after: str, now: int) -> Matches:
    sessions: list[SessionInfo] = []
    while records := await store.list(wanted.user, now, realm, after, PAGE - len(sessions)):
        after = max(record.id for record in records)
        sessions += _those(records, realm, wanted, now)
        if len(sessions) >= PAGE:
            return Matches(sessions, after, _share(after))
    return Matches(sessions, None, 1.0)


def _those(records: Sequence[Record], realm: str, wanted: Wanted, now: int) -> list[SessionInfo]:
    there = [summary(record, now) for record in records if record.realm == realm]
    return [session for session in there if wanted.includes(session, now)]


def _share(id: str) -> float:
    return int(id[:8], 16) / 2**32
