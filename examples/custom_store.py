"""A store of one's own: each session is a file in a folder. For one process, to show the shape.

pytest examples/custom_store.py       runs StoreContract, Sojourn's own tests of a store, over it
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from sojourn import EndReason, SessionExists
from sojourn.stores import (
    Applied,
    Commit,
    Create,
    End,
    Record,
    Refused,
    Stats,
    Store,
    changed,
    ended,
    may_be_replaced,
    may_end,
    over_limit,
)
from sojourn.testing import StoreContract

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Record).decode


class FolderStore:
    """Judges in Python, with what `sojourn.stores` has for it, behind one lock: that is its atomic step."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()

    def get(self, id: str) -> Record | None:
        try:
            return _decode(self._path(id).read_bytes())
        except FileNotFoundError:
            return None

    def create(self, create: Create) -> Applied | Refused:
        record, ends, limit = create.record, create.ends, create.limit
        with self._lock:
            if self._path(record.id).exists():
                raise SessionExists
            if ends and not may_be_replaced(self.get(ends.id), ends, create.now):
                return Refused(self.get(ends.id))
            too_many: Sequence[Record] = []
            if limit and record.user_id is not None:
                others = [mine for mine in self.list(record.user_id, create.now) if not ends or mine.id != ends.id]
                too_many = over_limit(others, limit)
            for other in too_many:
                self._end(End(other.id, "limit", create.now))
            if ends:
                self._end(End(ends.id, ends.reason, create.now))
            self._keep(record)
            return Applied(record.version, tuple(other.id for other in too_many))

    def commit(self, commit: Commit) -> Applied | Refused:
        with self._lock:
            before = self.get(commit.id)
            after = changed(before, commit) if before else None
            if after is None:
                return Refused(before)
            self._keep(after)
            return Applied(after.version)

    def end(self, end: End) -> Record | None:
        with self._lock:
            return self._end(end)

    def end_all(self, user_id: str, reason: EndReason, now: int, keep: str | None = None) -> Sequence[str]:
        with self._lock:
            ids = [record.id for record in self._all() if record.user_id == user_id and record.id != keep]
            were = [self._end(End(id, reason, now)) for id in ids]
            return [record.id for record in were if record and record.end_reason_at(now) is None]

    def list(self, user_id: str, now: int) -> Sequence[Record]:
        live = [record for record in self._all() if record.user_id == user_id and record.end_reason_at(now) is None]
        return sorted(live, key=lambda record: -record.seen_at)

    def delete_expired(self, before: int, limit: int) -> int:
        with self._lock:
            over = [record for record in self._all() if record.expires_at < before][:limit]
            for record in over:
                self._path(record.id).unlink()
            return len(over)

    def scan(self, after: str, limit: int) -> Sequence[Record]:
        return [record for record in self._all() if record.id > after][:limit]

    def stats(self, now: int) -> Stats:
        records = self._all()
        live = [record for record in records if record.end_reason_at(now) is None]
        dead = sum(record.ended_at is not None for record in records)
        users = len({record.user_id for record in live} - {None})
        return Stats(live=len(live), ended=dead, expired=len(records) - len(live) - dead, users=users, bytes=0)

    def close(self) -> None:
        """Nothing is held open."""

    def _path(self, id: str) -> Path:
        return self._folder / f"{id}.session"

    def _all(self) -> Sequence[Record]:
        found = [self.get(path.stem) for path in sorted(self._folder.glob("*.session"))]
        return [record for record in found if record is not None]

    def _keep(self, record: Record) -> None:
        # Beside its place, then moved: a reader sees the file before or after, never half of it.
        draft = self._path(record.id).with_suffix(".draft")
        draft.write_bytes(_encode(record))
        draft.replace(self._path(record.id))

    def _end(self, end: End) -> Record | None:
        before = self.get(end.id)
        if before is None or not may_end(before, end):
            return None
        self._keep(ended(before, end.reason, end.now))
        return before


class TestFolderStore(StoreContract):
    def make_store(self) -> Store:
        self.folder = TemporaryDirectory()
        return FolderStore(Path(self.folder.name))

    def teardown_method(self) -> None:
        super().teardown_method()
        self.folder.cleanup()
