"""MemoryStore: records in a dict, for one process, tests and demos. Gone when the process is."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from sojourn.core.apply import changed, ended, may_be_replaced, may_begin, may_end, over_limit
from sojourn.core.errors import EndReason, SessionEnded, SessionExists
from sojourn.core.record import Record
from sojourn.core.store import Applied, Bar, Commit, Create, End, Mark, Refused, Stats
from sojourn.core.token import hash_user

__all__ = ["AsyncMemoryStore", "MemoryStore"]

# The realm and the user's id.
_User = tuple[str, str]


class MemoryStore:
    """Records in a dict, behind one lock that is held for microseconds. They stay there until `delete_expired`."""

    def __init__(self) -> None:
        self._records: dict[str, Record] = {}
        self._by_user: dict[_User, dict[str, None]] = {}
        # Of a realm and what hash_user makes of a user, who is "" where it is for all.
        self._bars: dict[tuple[str, str], int] = {}
        self._marks: dict[str, Mark] = {}
        self._lock = threading.Lock()

    def get(self, id: str) -> Record | None:
        """As Store.get."""
        return self._records.get(id)

    def create(self, create: Create) -> Applied | Refused:
        """As Store.create."""
        record, ends, now = create.record, create.ends, create.now
        with self._lock:
            if record.id in self._records:
                raise SessionExists
            before = self._records.get(ends.id) if ends else None
            if ends is not None and not may_be_replaced(before, ends, now):
                return Refused(before)
            user = (record.realm, record.user_id or "")
            for_all, for_user = [self._bars.get((record.realm, who), 0) for who in ("", hash_user(user[1]))]
            if not may_begin(create, before, for_all, for_user):
                raise SessionEnded("revoked")
            over = self._over_limit(create)
            for id in over:
                self._end(End(id, "limit", now, record.realm))
            if ends is not None:
                self._end(End(ends.id, ends.reason, now, record.realm))
            self._records[record.id] = record
            if record.user_id is not None:
                self._by_user.setdefault(user, {})[record.id] = None
            return Applied(record.version, tuple(over))

    def commit(self, commit: Commit) -> Applied | Refused:
        """As Store.commit."""
        with self._lock:
            before = self._records.get(commit.id)
            after = changed(before, commit) if before else None
            if after is None:
                return Refused(before)
            self._records[commit.id] = after
            return Applied(after.version)

    def end(self, end: End) -> Record | None:
        """As Store.end."""
        with self._lock:
            return self._end(end)

    def end_all(
        self, user_id: str, reason: EndReason, now: int, keep: str | None = None, realm: str = ""
    ) -> Sequence[str]:
        """As Store.end_all."""
        user = (realm, user_id)
        with self._lock:
            self._bar(realm, hash_user(user_id), now)
            were = [self._end(End(id, reason, now, realm)) for id in self._by_user.get(user, ()) if id != keep]
            return [record.id for record in were if record and record.end_reason_at(now) is None]

    def bar(self, now: int, realm: str = "") -> None:
        """As Store.bar."""
        with self._lock:
            self._bar(realm, "", now)

    def list(self, user_id: str, now: int, realm: str = "", after: str = "", limit: int = 100) -> Sequence[Record]:
        """As Store.list."""
        with self._lock:
            live = [record for record in self._live((realm, user_id), now) if record.id > after]
        return sorted(live, key=lambda record: record.id)[:limit]

    def erase(self, user_id: str, realm: str = "") -> int:
        """As Store.erase."""
        with self._lock:
            ids = self._by_user.pop((realm, user_id), {})
            for id in ids:
                del self._records[id]
            return len(ids)

    def put_mark(self, mark: Mark) -> bool:
        """As Store.put_mark."""
        with self._lock:
            if mark.id in self._marks:
                return False
            self._marks[mark.id] = mark
            return True

    def get_mark(self, id: str) -> Mark | None:
        """As Store.get_mark."""
        return self._marks.get(id)

    def put_bar(self, bar: Bar) -> None:
        """As Store.put_bar."""
        with self._lock:
            self._bar(bar.realm, bar.user, bar.at)

    def marks(self, after: str, limit: int) -> Sequence[Mark]:
        """As Store.marks."""
        with self._lock:
            marks = [mark for mark in self._marks.values() if mark.id > after]
        return sorted(marks, key=lambda mark: mark.id)[:limit]

    def bars(self, after: str, limit: int) -> Sequence[Bar]:
        """As Store.bars."""
        with self._lock:
            bars = [bar for bar in (Bar(*who, at) for who, at in self._bars.items()) if bar.id > after]
        return sorted(bars, key=lambda bar: bar.id)[:limit]

    def end_expired(self, now: int, limit: int) -> int:
        """As Store.end_expired. Looks at every record."""
        with self._lock:
            over = [each for each in self._records.values() if each.ended_at is None and each.expires_at <= now][:limit]
            for record in over:
                self._records[record.id] = ended(record, "idle_timeout", now)
            marks = [mark.id for mark in self._marks.values() if mark.ends_at < now][: limit - len(over)]
            for id in marks:
                del self._marks[id]
            return len(over) + len(marks)

    def delete_expired(self, before: int, limit: int) -> int:
        """As Store.delete_expired. Looks at every record."""
        with self._lock:
            gone = [record for record in self._records.values() if record.expires_at < before][:limit]
            for record in gone:
                del self._records[record.id]
                user = (record.realm, record.user_id or "")
                of_user = self._by_user.get(user, {})
                of_user.pop(record.id, None)
                if not of_user:
                    self._by_user.pop(user, None)
            return len(gone)

    def scan(self, after: str, limit: int) -> Sequence[Record]:
        """As Store.scan. Sorts every id."""
        with self._lock:
            ids = sorted(id for id in self._records if id > after)[:limit]
            return [self._records[id] for id in ids]

    def stats(self, now: int) -> Stats:
        """As Store.stats."""
        with self._lock:
            records = list(self._records.values())
        live = [record for record in records if record.end_reason_at(now) is None]
        dead = sum(record.ended_at is not None for record in records)
        users = len({record.user_id for record in live} - {None})
        bound = sum(record.bound is not None for record in live)
        expired = len(records) - len(live) - dead
        return Stats(live=len(live), ended=dead, expired=expired, users=users, bound=bound, bytes=0)

    def close(self) -> None:
        """As Store.close."""

    def _bar(self, realm: str, user: str, at: int) -> None:
        self._bars[realm, user] = max(at, self._bars.get((realm, user), 0))

    def _live(self, user: _User, now: int) -> Sequence[Record]:
        records = [self._records[id] for id in self._by_user.get(user, ())]
        return [record for record in records if record.end_reason_at(now) is None]

    def _over_limit(self, create: Create) -> Sequence[str]:
        limit, user_id = create.limit, create.record.user_id
        if limit is None or user_id is None:
            return []
        leaves = create.ends.id if create.ends else None
        user = (create.record.realm, user_id)
        live = [record for record in self._live(user, create.now) if record.id != leaves]
        return [record.id for record in over_limit(live, limit)]

    def _end(self, end: End) -> Record | None:
        before = self._records.get(end.id)
        if before is None or not may_end(before, end):
            return None
        self._records[end.id] = ended(before, end.reason, end.now)
        return before


class AsyncMemoryStore:
    """The same for an event loop: MemoryStore's methods, awaited. None of them waits."""

    never_waits = True

    def __init__(self, store: MemoryStore | None = None) -> None:
        self._store = store or MemoryStore()

    async def get(self, id: str) -> Record | None:
        """As Store.get."""
        return self._store.get(id)

    async def create(self, create: Create) -> Applied | Refused:
        """As Store.create."""
        return self._store.create(create)

    async def commit(self, commit: Commit) -> Applied | Refused:
        """As Store.commit."""
        return self._store.commit(commit)

    async def end(self, end: End) -> Record | None:
        """As Store.end."""
        return self._store.end(end)

    async def end_all(
        self, user_id: str, reason: EndReason, now: int, keep: str | None = None, realm: str = ""
    ) -> Sequence[str]:
        """As Store.end_all."""
        return self._store.end_all(user_id, reason, now, keep, realm)

    async def bar(self, now: int, realm: str = "") -> None:
        """As Store.bar."""
        self._store.bar(now, realm)

    async def list(
        self, user_id: str, now: int, realm: str = "", after: str = "", limit: int = 100
    ) -> Sequence[Record]:
        """As Store.list."""
        return self._store.list(user_id, now, realm, after, limit)

    async def erase(self, user_id: str, realm: str = "") -> int:
        """As Store.erase."""
        return self._store.erase(user_id, realm)

    async def put_mark(self, mark: Mark) -> bool:
        """As Store.put_mark."""
        return self._store.put_mark(mark)

    async def get_mark(self, id: str) -> Mark | None:
        """As Store.get_mark."""
        return self._store.get_mark(id)

    async def put_bar(self, bar: Bar) -> None:
        """As Store.put_bar."""
        self._store.put_bar(bar)

    async def marks(self, after: str, limit: int) -> Sequence[Mark]:
        """As Store.marks."""
        return self._store.marks(after, limit)

    async def bars(self, after: str, limit: int) -> Sequence[Bar]:
        """As Store.bars."""
        return self._store.bars(after, limit)

    async def end_expired(self, now: int, limit: int) -> int:
        """As Store.end_expired."""
        return self._store.end_expired(now, limit)

    async def delete_expired(self, before: int, limit: int) -> int:
        """As Store.delete_expired."""
        return self._store.delete_expired(before, limit)

    async def scan(self, after: str, limit: int) -> Sequence[Record]:
        """As Store.scan."""
        return self._store.scan(after, limit)

    async def stats(self, now: int) -> Stats:
        """As Store.stats."""
        return self._store.stats(now)

    async def close(self) -> None:
        """As Store.close."""
        self._store.close()
