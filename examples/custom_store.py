"""A store of one's own: each session is a file in a folder. For one process, to show the shape.

pytest examples/custom_store.py       runs StoreContract, Sojourn's own tests of a store, over it
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from sojourn import EndReason, SessionEnded, SessionExists
from sojourn.stores import (
    Applied,
    Bar,
    Commit,
    Create,
    End,
    Mark,
    Record,
    Refused,
    Stats,
    Store,
    changed,
    ended,
    hash_user,
    may_be_replaced,
    may_begin,
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
        self._bars = _Notes(folder / "bars.json")
        self._marks = _Notes(folder / "marks.json")

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
            before = self.get(ends.id) if ends else None
            if ends and not may_be_replaced(before, ends, create.now):
                return Refused(before)
            if not may_begin(create, before, self._barred(record.realm), self._barred(record.realm, record.user_id)):
                raise SessionEnded("revoked")
            too_many: Sequence[Record] = []
            if limit and record.user_id is not None:
                mine = self._live(record.user_id, record.realm, create.now)
                too_many = over_limit([each for each in mine if not ends or each.id != ends.id], limit)
            for other in too_many:
                self._end(End(other.id, "limit", create.now, record.realm))
            if ends:
                self._end(End(ends.id, ends.reason, create.now, record.realm))
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

    def end_all(
        self, user_id: str, reason: EndReason, now: int, keep: str | None = None, realm: str = ""
    ) -> Sequence[str]:
        with self._lock:
            self._bar(realm, user_id, now)
            ids = [record.id for record in self._all() if _is_of(record, user_id, realm) and record.id != keep]
            were = [self._end(End(id, reason, now, realm)) for id in ids]
            return [record.id for record in were if record and record.end_reason_at(now) is None]

    def bar(self, now: int, realm: str = "") -> None:
        with self._lock:
            self._bar(realm, None, now)

    def list(self, user_id: str, now: int, realm: str = "", after: str = "", limit: int = 100) -> Sequence[Record]:
        return [record for record in self._live(user_id, realm, now) if record.id > after][:limit]

    def erase(self, user_id: str, realm: str = "") -> int:
        with self._lock:
            ids = [record.id for record in self._all() if _is_of(record, user_id, realm)]
            for id in ids:
                self._path(id).unlink()
            return len(ids)

    def put_mark(self, mark: Mark) -> bool:
        with self._lock:
            if self._marks.get(mark.id) is not None:
                return False
            self._marks.put(mark.id, [mark.session_id, mark.ends_at])
            return True

    def get_mark(self, id: str) -> Mark | None:
        found = self._marks.get(id)
        return Mark(id, *found) if found else None

    def put_bar(self, bar: Bar) -> None:
        with self._lock:
            self._keep_bar(bar)

    def marks(self, after: str, limit: int) -> Sequence[Mark]:
        return [Mark(id, *mark) for id, mark in self._marks.after(after)[:limit]]

    def bars(self, after: str, limit: int) -> Sequence[Bar]:
        found = [(id.partition(":"), at) for id, at in self._bars.after(after)[:limit]]
        return [Bar(realm, user, at) for (realm, _, user), at in found]

    def end_expired(self, now: int, limit: int) -> int:
        with self._lock:
            over = [each for each in self._all() if each.ended_at is None and each.expires_at <= now][:limit]
            for record in over:
                self._keep(ended(record, "idle_timeout", now))
            return len(over) + self._marks.drop(lambda mark: mark[1] < now, limit - len(over))

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
        bound = sum(record.bound is not None for record in live)
        expired = len(records) - len(live) - dead
        return Stats(live=len(live), ended=dead, expired=expired, users=users, bound=bound, bytes=0)

    def close(self) -> None:
        """Nothing is held open."""

    def _barred(self, realm: str, user_id: str | None = None) -> int:
        return self._bars.get(_bar_of(realm, user_id, 0).id) or 0

    def _bar(self, realm: str, user_id: str | None, now: int) -> None:
        self._keep_bar(_bar_of(realm, user_id, now))

    def _keep_bar(self, bar: Bar) -> None:
        self._bars.put(bar.id, max(bar.at, self._bars.get(bar.id) or 0))

    def _live(self, user_id: str, realm: str, now: int) -> Sequence[Record]:
        return [each for each in self._all() if _is_of(each, user_id, realm) and each.end_reason_at(now) is None]

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


def _bar_of(realm: str, user_id: str | None, at: int) -> Bar:
    return Bar(realm, "" if user_id is None else hash_user(user_id), at)


def _is_of(record: Record, user_id: str, realm: str) -> bool:
    return (record.realm, record.user_id) == (realm, user_id)


class _Notes:
    """Small values by name, in one file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, name: str) -> Any:
        return self._all().get(name)

    def put(self, name: str, value: Any) -> None:
        self._write(self._all() | {name: value})

    def after(self, name: str) -> Sequence[tuple[str, Any]]:
        return sorted([note for note in self._all().items() if note[0] > name])

    def drop(self, is_over: Callable[[Any], bool], limit: int) -> int:
        notes = self._all()
        over = [name for name, value in notes.items() if is_over(value)][:limit]
        self._write({name: value for name, value in notes.items() if name not in over})
        return len(over)

    def _all(self) -> dict[str, Any]:
        return json.loads(self._path.read_bytes()) if self._path.exists() else {}

    def _write(self, notes: dict[str, Any]) -> None:
        draft = self._path.with_suffix(".draft")
        draft.write_text(json.dumps(notes))
        draft.replace(self._path)


class TestFolderStore(StoreContract):
    def make_store(self) -> Store:
        self.folder = TemporaryDirectory()
        return FolderStore(Path(self.folder.name))

    def teardown_method(self) -> None:
        super().teardown_method()
        self.folder.cleanup()
