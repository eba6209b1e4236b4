"""Scan: what looks at every key of Redis: clean-up, pages of every session, and counts. Generators, without I/O."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import msgspec

from sojourn.core.record import Record
from sojourn.core.store import Stats
from sojourn.core.token import partition

from . import scripts
from .blob import decode_record, encode_user, glance
from .calls import Address, Call, Steps, command, run
from .keys import SESSIONS, id_of, session_key

__all__ = ["Sweep", "erase", "scan", "stats"]

PAGE = 1000


class Sweep(msgspec.Struct):
    """Clean-up, and how far it came: the next call goes on where the last one stopped."""

    at: tuple[int, int] = (0, 0)
    """The primary's number, and Redis' cursor there."""
    came_round: bool = False

    def delete_expired(self, before: int, limit: int, primaries: Sequence[Address]) -> Steps[int]:
        """Store.delete_expired. Redis deletes what is over by itself, so most of the time there is nothing."""
        if self.came_round:
            self.at, self.came_round = (0, 0), False
            return 0
        deleted = 0
        while True:
            number, cursor = self.at
            following, ids = yield from _page(primaries[number], cursor)
            dead = yield from _dead(ids, before)
            keys = [session_key(id) for id in dead[: limit - deleted]]
            if keys:
                deleted += sum((yield [run(scripts.SWEEP, [key], before, repeatable=True) for key in keys]))
            if len(keys) < len(dead):
                return deleted  # the rest of this page is for the next call
            self.at = (number, following) if following else (number + 1, 0)
            if self.at[0] == len(primaries):
                self.at, self.came_round = (0, 0), deleted > 0
                return deleted


def _dead(ids: Sequence[str], before: int) -> Steps[list[str]]:
    raws = (yield _gets(ids)) if ids else []
    return [id for id, raw in zip(ids, raws, strict=True) if raw is not None and glance(raw).expires_at < before]


def scan(after: str, limit: int, primaries: Sequence[Address]) -> Steps[Sequence[Record]]:
    """Store.scan. Redis knows no order, so each page looks at every key."""
    while True:
        first: list[str] = []
        for node in primaries:
            cursor, ids = yield from _page(node, 0)
            while True:
                first = heapq.nsmallest(limit, {id for id in [*first, *ids] if id > after})
                if not cursor:
                    break
                cursor, ids = yield from _page(node, cursor)
        raws = (yield _gets(first)) if first else []
        found = [decode_record(id, raw) for id, raw in zip(first, raws, strict=True) if raw is not None]
        if found or not first:
            return found
        after = first[-1]  # all of them went meanwhile


def stats(now: int, primaries: Sequence[Address]) -> Steps[Stats]:
    """Store.stats. The bytes are an estimate from one session in a page."""
    live = ended = rows = sampled = sampled_bytes = 0
    users: set[str] = set()
    for node in primaries:
        cursor = 0
        while True:
            cursor, ids = yield from _page(node, cursor)
            if ids:
                key = session_key(ids[0])
                *raws, taken = yield [*_gets(ids), command(key, "MEMORY", "USAGE", key)]
                sampled, sampled_bytes = sampled + 1, sampled_bytes + (taken or 0)
                for seen in [glance(raw) for raw in raws if raw is not None]:
                    rows, ended = rows + 1, ended + seen.ended
                    if not seen.ended and seen.expires_at > now:
                        live += 1
                        if ":" in seen.user:
                            users.add(seen.user)
            if not cursor:
                break
    bytes = round(sampled_bytes / sampled * rows) if sampled else 0
    return Stats(live=live, ended=ended, expired=rows - live - ended, users=len(users), bytes=bytes)


def erase(user_id: str, realm: str, primaries: Sequence[Address]) -> Steps[int]:
    """Store.erase. Looks at every key: the index holds live sessions alone."""
    erased, user = 0, encode_user(realm, user_id)
    for node in primaries:
        cursor = 0
        while True:
            cursor, ids = yield from _page(node, cursor, f"sj:{{{partition(user_id)}}}*")
            if ids:
                erased += sum((yield [run(scripts.ERASE, [session_key(id)], user, repeatable=True) for id in ids]))
            if not cursor:
                break
    return erased


def _page(node: Address, cursor: int, pattern: str = SESSIONS) -> Steps[tuple[int, list[str]]]:
    call = command("", "SCAN", cursor, "MATCH", pattern, "COUNT", PAGE, node=node)
    following, keys = (yield [call])[0]
    return int(following), [id for id in map(id_of, keys) if id is not None]


def _gets(ids: Sequence[str]) -> list[Call]:
    keys = map(session_key, ids)
    return [command(key, "GET", key) for key in keys]
