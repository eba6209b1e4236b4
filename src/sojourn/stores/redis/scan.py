"""Scan: what looks at every key of Redis: clean-up, pages of every session, and counts. Generators, without I/O."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import merge
from itertools import chain, groupby, islice
from typing import TypeVar

import msgspec

from sojourn.core.record import Record
from sojourn.core.store import Bar, Mark, Stats
from sojourn.core.token import partition

from . import scripts
from .blob import decode_mark, encode_user, glance, has_key, readable
from .calls import Address, Call, Steps, command, run
from .key_names import SESSIONS, bar_keys, bar_of, id_of, mark_key, mark_of, session_key, user_bar_key

__all__ = ["Scan", "Sweep", "erase", "stats"]

T = TypeVar("T")

PAGE = 1000
# Ids that one look finds at least: of a million sessions, ten looks at most.
AHEAD = 100_000
# How long after a page the next one goes on with them, in seconds. What was made since then may be left out.
GOES_ON = 10.0
# How many may go through them at once, each at its own place: what one more finds takes up to twenty MB.
READERS = 4


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
    seen = [(id, glance(raw)) for id, raw in zip(ids, raws, strict=True) if raw is not None]
    return [id for id, outside in seen if outside is not None and outside.expires_at < before]


class Scan:
    """Pages of every session, mark and instant."""

    def __init__(self) -> None:
        self._sessions = _Names(SESSIONS, id_of)
        self._marks = _Names("sj:{*}=*", mark_of)
        self._bars = _Names("sj:{*}!*", _bar_id)

    def page(self, after: str, limit: int, primaries: Sequence[Address], now: float) -> Steps[Sequence[Record]]:
        """Store.scan. `now` is time.monotonic()'s."""
        return (yield from self._sessions.page(after, limit, primaries, now, session_key, readable))

    def marks(self, after: str, limit: int, primaries: Sequence[Address], now: float) -> Steps[Sequence[Mark]]:
        """Store.marks. `now` is time.monotonic()'s."""
        return (yield from self._marks.page(after, limit, primaries, now, mark_key, _marks))

    def bars(self, after: str, limit: int, primaries: Sequence[Address], now: float) -> Steps[Sequence[Bar]]:
        """Store.bars. `now` is time.monotonic()'s."""
        return (yield from self._bars.page(after, limit, primaries, now, _bar_key, _bars))


class _Names:
    """Ids in order, of the keys that `pattern` matches and `id_of` knows.

    Redis knows no order, so one look at every key finds those of many pages at once. They are kept for whoever goes on
    soon where a page ended, and there are so few that a million take a few MB.
    """

    def __init__(self, pattern: str, id_of: Callable[[bytes], str | None]) -> None:
        self._pattern = pattern
        self._id_of = id_of
        # By where a page ended and how long it was: by that two readers at one place are told apart.
        self._found: dict[tuple[str, int], tuple[Iterator[str], float]] = {}

    def page(
        self,
        after: str,
        limit: int,
        primaries: Sequence[Address],
        now: float,
        key_of: Callable[[str], str],
        decode: Callable[[Iterable[tuple[str, bytes | None]]], list[T]],
    ) -> Steps[Sequence[T]]:
        """Up to `limit` of what is kept there, past `after`."""
        while True:
            ids, until = self._found.pop((after, limit), (iter(()), 0.0))
            some = list(islice(ids, limit)) if now <= until else []
            if not some:
                ids = yield from self._first(after, max(AHEAD, limit), primaries)
                some = list(islice(ids, limit))
            after = some[-1] if some else after
            self._found[after, limit] = (ids, now + GOES_ON)
            if len(self._found) > READERS:
                del self._found[next(iter(self._found))]
            keys = [key_of(id) for id in some]
            raws = (yield [command(key, "GET", key) for key in keys]) if keys else []
            found = decode(zip(some, raws, strict=True))
            if found or not some:
                return found
            # All of them went meanwhile, or cannot be read.

    def _first(self, after: str, most: int, primaries: Sequence[Address]) -> Steps[Iterator[str]]:
        """The first ids past `after`, in order."""
        runs = _Runs(most)
        for node in primaries:
            cursor = 0
            while True:
                cursor, keys = yield from _keys(node, cursor, self._pattern)
                runs.add([id for id in map(self._id_of, keys) if id is not None and id > after])
                if not cursor:
                    break
        return runs.in_order()


class _Runs:
    """The first of many ids: about `most` of them, or up to twice as many.

    Each run is sorted by itself, and they are merged as they are read: to sort all at once held everybody else up for
    an eighth of a second.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._runs: list[list[str]] = []
        self._count = 0
        self._bound: str | None = None

    def add(self, ids: list[str]) -> None:
        """Some more of them."""
        self._runs.append(sorted([id for id in ids if self._bound is None or id <= self._bound]))
        self._count += len(self._runs[-1])
        if self._count > 2 * self._most:
            self._drop_half()

    def in_order(self) -> Iterator[str]:
        """All that are left, each once."""
        return (id for id, _ in groupby(merge(*self._runs)))

    def _drop_half(self) -> None:
        """The last ones: a sample tells where they begin."""
        sample = sorted(list(chain.from_iterable(self._runs))[:: max(1, self._most // 1000)])
        self._bound = sample[len(sample) // 2]
        for ids in self._runs:
            del ids[bisect_right(ids, self._bound) :]
        self._runs = [ids for ids in self._runs if ids]
        self._count = sum(map(len, self._runs))


def _marks(pairs: Iterable[tuple[str, bytes | None]]) -> list[Mark]:
    return [mark for mark in [decode_mark(id, value) for id, value in pairs] if mark is not None]


def _bar_id(key: bytes) -> str | None:
    """An instant for all is in each partition: the first one's tells of it."""
    who = bar_of(key)
    return Bar(*who, 0).id if who and (who[1] or key.startswith(b"sj:{000}")) else None


def _bar_key(id: str) -> str:
    realm, user = id.split(":")
    return user_bar_key(realm, user) if user else bar_keys(realm)[0]


def _bars(pairs: Iterable[tuple[str, bytes | None]]) -> list[Bar]:
    found = []
    for id, at in pairs:
        realm, user = id.split(":")
        if at is not None:
            found.append(Bar(realm, user, int(at)))
    return found


def stats(now: int, primaries: Sequence[Address]) -> Steps[Stats]:
    """Store.stats. The bytes are an estimate from one session in a page."""
    live = ended = bound = rows = sampled = sampled_bytes = 0
    users: set[str] = set()
    for node in primaries:
        cursor = 0
        while True:
            cursor, ids = yield from _page(node, cursor)
            if ids:
                key = session_key(ids[0])
                *raws, taken = yield [*_gets(ids), command(key, "MEMORY", "USAGE", key)]
                sampled, sampled_bytes = sampled + 1, sampled_bytes + (taken or 0)
                for raw in filter(None, raws):
                    if (seen := glance(raw)) is None:
                        continue
                    rows, ended = rows + 1, ended + seen.ended
                    if not seen.ended and seen.expires_at > now:
                        live, bound = live + 1, bound + has_key(raw)
                        if ":" in seen.user:
                            users.add(seen.user)
            if not cursor:
                break
    bytes = round(sampled_bytes / sampled * rows) if sampled else 0
    return Stats(live=live, ended=ended, expired=rows - live - ended, users=len(users), bound=bound, bytes=bytes)


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
    following, keys = yield from _keys(node, cursor, pattern)
    return following, [id for id in map(id_of, keys) if id is not None]


def _keys(node: Address, cursor: int, pattern: str) -> Steps[tuple[int, list[bytes]]]:
    call = command("", "SCAN", cursor, "MATCH", pattern, "COUNT", PAGE, node=node)
    following, keys = (yield [call])[0]
    return int(following), keys


def _gets(ids: Sequence[str]) -> list[Call]:
    keys = map(session_key, ids)
    return [command(key, "GET", key) for key in keys]
