"""A right store of one's own, and many that are wrong, each in its way: what `sojourn torture` is there to tell apart.

It is copied into the folder where the program runs, as somebody's own module. Sessions are files in $SESSIONS.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec.structs import replace

from sojourn import EndReason, SessionEnded, SessionExists, StoreUnavailable
from sojourn.core.apply import changed, ended, may_be_replaced, may_begin, may_end, over_limit
from sojourn.core.record import Record
from sojourn.core.store import Applied, Commit, Create, End, Mark, Refused, Stats

encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Record).decode


class Right:
    """Judges in Python, behind a lock that processes share.

    Whoever holds it may be killed: what a reader finds then is what was before, or more that nobody was told of.
    """

    def __init__(self) -> None:
        self.folder = Path(os.environ["SESSIONS"])

    @contextmanager
    def locked(self) -> Iterator[None]:
        with (self.folder / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def get(self, id: str) -> Record | None:
        return self.read(id)

    def read(self, id: str) -> Record | None:
        try:
            return decode((self.folder / f"{id}.session").read_bytes())
        except FileNotFoundError:
            return None

    def keep(self, record: Record) -> None:
        if record.user_id is not None:
            index = self.folder / f"{record.user_id}.user"
            index.mkdir(exist_ok=True)
            (index / record.id).touch()
        self.put(f"{record.id}.session", encode(record))

    def put(self, name: str, content: bytes) -> None:
        """Write a file whole, or not at all."""
        path = self.folder / name
        draft = path.with_suffix(f".{os.getpid()}.{threading.get_ident()}")
        draft.write_bytes(content)
        draft.replace(path)

    def create(self, create: Create) -> Applied | Refused:
        record, ends = create.record, create.ends
        with self.locked():
            if self.read(record.id):
                raise SessionExists
            before = self.read(ends.id) if ends else None
            if ends and not may_be_replaced(before, ends, create.now):
                return Refused(before)
            user = record.user_id or ""
            if not may_begin(create, before, self.barred(""), self.barred(user)):
                raise SessionEnded("revoked")
            over = self.over(create)
            for id in over:
                self.end_in_lock(End(id, "limit", create.now))
            self.keep(record)
            if ends:
                self.end_in_lock(End(ends.id, ends.reason, create.now))
            return Applied(record.version, tuple(over))

    def over(self, create: Create) -> Sequence[str]:
        if create.limit is None or create.record.user_id is None:
            return []
        leaves = create.ends.id if create.ends else None
        live = [record for record in self.list(create.record.user_id, create.now) if record.id != leaves]
        return [record.id for record in over_limit(live, create.limit)]

    def commit(self, commit: Commit) -> Applied | Refused:
        with self.locked():
            before = self.read(commit.id)
            after = changed(before, commit) if before else None
            if after is None:
                return Refused(before)
            self.keep(after)
            return Applied(after.version)

    def end(self, end: End) -> Record | None:
        with self.locked():
            return self.end_in_lock(end)

    def end_in_lock(self, end: End) -> Record | None:
        before = self.read(end.id)
        if before is None or not may_end(before, end):
            return None
        self.keep(ended(before, end.reason, end.now))
        return before

    def end_all(
        self, user_id: str, reason: EndReason, now: int, keep: str | None = None, realm: str = ""
    ) -> Sequence[str]:
        with self.locked():
            self.set_bar(user_id, now)
            were = [self.end_in_lock(End(id, reason, now)) for id in self.ids(user_id) if id != keep]
            return [record.id for record in were if record and record.end_reason_at(now) is None]

    def list(self, user_id: str, now: int, realm: str = "", after: str = "", limit: int = 100) -> Sequence[Record]:
        records = [self.read(id) for id in self.ids(user_id)]
        return [record for record in records if record and record.end_reason_at(now) is None]

    def ids(self, user_id: str) -> Sequence[str]:
        index = self.folder / f"{user_id}.user"
        return sorted(entry.name for entry in index.iterdir()) if index.exists() else []

    def bar(self, now: int, realm: str = "") -> None:
        with self.locked():
            self.set_bar("", now)

    def barred(self, user: str) -> int:
        path = self.folder / f"{user}.bar"
        return int(path.read_text()) if path.exists() else 0

    def set_bar(self, user: str, now: int) -> None:
        self.put(f"{user}.bar", str(max(now, self.barred(user))).encode())

    def erase(self, user_id: str, realm: str = "") -> int:
        raise AssertionError("Nobody is to be forgotten.")

    def put_mark(self, mark: Mark) -> bool:
        self.put(f"{mark.id}.mark", encode(mark))
        return True

    def get_mark(self, id: str) -> Mark | None:
        raise AssertionError("Nobody comes back with an old cookie.")

    def end_expired(self, now: int, limit: int) -> int:
        raise AssertionError("That is for whom the store belongs to.")

    def delete_expired(self, before: int, limit: int) -> int:
        raise AssertionError("That is for whom the store belongs to.")

    def scan(self, after: str, limit: int) -> Sequence[Record]:
        raise AssertionError("Nobody has to look at all sessions.")

    def stats(self, now: int) -> Stats:
        raise AssertionError("Nobody has to count all sessions.")

    def close(self) -> None:
        """Nothing is held open."""


class Awaited:
    """The same for an event loop."""

    def __init__(self, store: Right) -> None:
        self.store = store

    async def get(self, id: str) -> Record | None:
        return self.store.get(id)

    async def create(self, create: Create) -> Applied | Refused:
        return self.store.create(create)

    async def commit(self, commit: Commit) -> Applied | Refused:
        return self.store.commit(commit)

    async def end(self, end: End) -> Record | None:
        return self.store.end(end)

    async def end_all(
        self, user_id: str, reason: EndReason, now: int, keep: str | None = None, realm: str = ""
    ) -> Sequence[str]:
        return self.store.end_all(user_id, reason, now, keep)

    async def bar(self, now: int, realm: str = "") -> None:
        self.store.bar(now)

    async def put_mark(self, mark: Mark) -> bool:
        return self.store.put_mark(mark)

    async def list(
        self, user_id: str, now: int, realm: str = "", after: str = "", limit: int = 100
    ) -> Sequence[Record]:
        return self.store.list(user_id, now)

    async def close(self) -> None:
        self.store.close()


async def make_awaited() -> Awaited:
    return Awaited(Right())


def make_of(folder: str) -> Right:
    """It wants an argument, and nobody gives it."""
    raise AssertionError(folder)


class Overwrites(Right):
    """The whole data is written back as this process had loaded it: what most session layers do."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: dict[str, Record] = {}

    def get(self, id: str) -> Record | None:
        record = super().get(id)
        if record and not record.ended_at:
            self.loaded[id] = record
        return record

    def commit(self, commit: Commit) -> Applied | Refused:
        mine = self.loaded[commit.id]
        with self.locked():
            after = changed(mine, commit)
            now = self.read(commit.id)
            if after is None or now is None or now.ended_at:
                return Refused(now)
            self.keep(after)
            return Applied(after.version)


class Creates(Right):
    """A commit brings back what has ended."""

    def commit(self, commit: Commit) -> Applied | Refused:
        with self.locked():
            before = self.read(commit.id)
            if before and before.ended_at:
                data = {key: change.base for key, change in commit.changes.items() if change.base is not None}
                before = replace(before, ended_at=None, end_reason=None, data=data)
            after = changed(before, commit) if before else None
            if after is None:
                return Refused(before)
            self.keep(after)
            return Applied(after.version)


class LooksThenWrites(Right):
    """Between the look whether a session is live and the write lies a moment. Django's cache sessions do that."""

    def commit(self, commit: Commit) -> Applied | Refused:
        before = self.read(commit.id)
        after = changed(before, commit) if before else None
        if after is None:
            return Refused(before)
        time.sleep(0.002)
        self.keep(after)
        return Applied(after.version)


class SaysYes(Right):
    """A commit that came too late is answered as done."""

    def commit(self, commit: Commit) -> Applied | Refused:
        answer = super().commit(commit)
        late = isinstance(answer, Refused) and answer.record is not None and answer.record.ended_at
        return Applied(1) if late else answer


class Succeeds(Right):
    """A session that ended may still have a successor."""

    def create(self, create: Create) -> Applied | Refused:
        if create.ends:
            self.end(End(create.ends.id, create.ends.reason, create.now))
        return super().create(replace(create, ends=None))


class KeepsBoth(Right):
    """A log-in makes a new session, and leaves the one before as it was."""

    def create(self, create: Create) -> Applied | Refused:
        return super().create(replace(create, ends=None))


class Forgets(Right):
    """One session is left out when all are ended."""

    def end_all(
        self, user_id: str, reason: EndReason, now: int, keep: str | None = None, realm: str = ""
    ) -> Sequence[str]:
        live = self.list(user_id, now)
        return super().end_all(user_id, reason, now, live[0].id if len(live) > 1 else keep)


class GivesNoReason(Right):
    """What is ended with others is deleted, so that no browser can be told why."""

    def end_all(
        self, user_id: str, reason: EndReason, now: int, keep: str | None = None, realm: str = ""
    ) -> Sequence[str]:
        ids = super().end_all(user_id, reason, now, keep)
        for id in ids:
            (self.folder / f"{id}.session").unlink()
        return ids


class LetsIn(Right):
    """What is there is ended, and what was under way comes in afterwards."""

    def set_bar(self, user: str, now: int) -> None:
        """Nothing is kept of it."""


class CountsBefore(Right):
    """The cap is judged before the lock is taken."""

    def create(self, create: Create) -> Applied | Refused:
        over = self.over(create)
        time.sleep(0.002)
        for id in over:
            self.end(End(id, "limit", create.now))
        return super().create(replace(create, limit=None))


class Drifts(Right):
    """The index keeps what was revoked."""

    def list(self, user_id: str, now: int, realm: str = "", after: str = "", limit: int = 100) -> Sequence[Record]:
        records = [self.read(id) for id in self.ids(user_id)]
        return [record for record in records if record and record.end_reason_at(now) in (None, "revoked")]


class DropsFromIndex(Right):
    """What two make at once in the index, one of them loses: it is read, changed and written."""

    def keep(self, record: Record) -> None:
        super().keep(record)
        if record.user_id and int(record.id[-2:], 16) < 8:
            (self.folder / f"{record.user_id}.user" / record.id).unlink()


class Caches(Right):
    """Each process keeps what it has read for `LONGEST` seconds, and says that it may for `max_staleness`."""

    LONGEST = 600.0
    max_staleness = 0.0

    def __init__(self) -> None:
        super().__init__()
        self.cached: dict[str, tuple[float, Record | None]] = {}
        # What a thread has read before a write must not be kept after it.
        self.filling = threading.Lock()

    def get(self, id: str) -> Record | None:
        with self.filling:
            at, record = self.cached.get(id, (0.0, None))
            if time.monotonic() - at < self.LONGEST:
                return record
            at, record = time.monotonic(), super().get(id)
            if record:
                self.cached[id] = at, record
            return record

    def keep(self, record: Record) -> None:
        super().keep(record)
        with self.filling:
            self.cached.pop(record.id, None)


class CachesTooLong(Caches):
    LONGEST = 0.5
    max_staleness = 0.1


class CachesAsItSays(Caches):
    LONGEST = 0.2
    max_staleness = 0.2


class WritesLater(Right):
    """A write is acknowledged from memory, and on the disk a moment later."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: dict[str, Record] = {}
        self.both = threading.RLock()
        threading.Thread(target=self.flush, daemon=True).start()

    def flush(self) -> None:
        while True:
            time.sleep(0.2)
            with self.both:
                for record in self.waiting.values():
                    super().keep(record)
                self.waiting.clear()

    def read(self, id: str) -> Record | None:
        with self.both:
            return self.waiting.get(id) or super().read(id)

    def keep(self, record: Record) -> None:
        with self.both:
            self.waiting[record.id] = record


class Mixes(Right):
    """The data that is answered is sometimes what another request has just read."""

    def __init__(self) -> None:
        super().__init__()
        self.last: Record | None = None

    def get(self, id: str) -> Record | None:
        record, last = super().get(id), self.last
        self.last = record or last
        return replace(record, data=last.data) if record and last and not record.ended_at else record


class Raises(Right):
    def commit(self, commit: Commit) -> Applied | Refused:
        raise KeyError("who knows")


class IsDown(Right):
    def commit(self, commit: Commit) -> Applied | Refused:
        raise StoreUnavailable("The store is out for lunch.")


class NeverOpens(Right):
    def get(self, id: str) -> Record | None:
        raise ConnectionRefusedError("Nobody is at home.")


class Dies(Right):
    def commit(self, commit: Commit) -> Applied | Refused:
        os._exit(7)
