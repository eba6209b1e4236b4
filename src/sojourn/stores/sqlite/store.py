"""SQLiteStore: what is asked of a store, as work on the file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial

from sojourn.core.errors import EndReason
from sojourn.core.record import Record
from sojourn.core.store import Applied, Bar, Commit, Create, End, Mark, Refused, Stats

from . import operations
from .file import SQLiteFile

__all__ = ["SQLiteStore"]

THREAD_TIMEOUT = 5.0


class SQLiteStore:
    """Sessions in the file at `path`, for threads, shared with any number of processes of this machine.

    The file is made if there is none, for its owner alone. A write is there after the process is killed; the end
    of a session also after a power cut. A write waits up to 5 s for other processes, then raises StoreUnavailable.
    A file that is no session file, or cannot be opened, is a ConfigurationError.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._file = SQLiteFile(path, THREAD_TIMEOUT)

    def get(self, id: str) -> Record | None:
        """As Store.get."""
        return self._file.get(id)

    def create(self, create: Create) -> Applied | Refused:
        """As Store.create."""
        return self._file.write(partial(operations.create, create), durable=create.ends is not None)

    def commit(self, commit: Commit) -> Applied | Refused:
        """As Store.commit."""
        return self._file.write(partial(operations.commit, commit))

    def end(self, end: End) -> Record | None:
        """As Store.end."""
        return self._file.write(partial(operations.end, end), durable=True)

    def end_all(
        self, user_id: str, reason: EndReason, now: int, keep: str | None = None, realm: str = ""
    ) -> Sequence[str]:
        """As Store.end_all."""
        return self._file.write(partial(operations.end_all, user_id, reason, now, keep, realm), durable=True)

    def bar(self, now: int, realm: str = "") -> None:
        """As Store.bar."""
        self._file.write(partial(operations.bar, now, realm), durable=True)

    def list(self, user_id: str, now: int, realm: str = "", after: str = "", limit: int = 100) -> Sequence[Record]:
        """As Store.list."""
        return self._file.scan(partial(operations.of_user, user_id, now, realm, after, limit))

    def erase(self, user_id: str, realm: str = "") -> int:
        """As Store.erase. Looks at every row."""
        return self._file.write(partial(operations.erase, user_id, realm), durable=True)

    def put_mark(self, mark: Mark) -> bool:
        """As Store.put_mark."""
        # No fsync: an end that is written after it, and waits for the disk, brings it there too.
        return self._file.write(partial(operations.put_mark, mark))

    def get_mark(self, id: str) -> Mark | None:
        """As Store.get_mark."""
        return self._file.scan(partial(operations.get_mark, id))

    def put_bar(self, bar: Bar) -> None:
        """As Store.put_bar."""
        self._file.write(partial(operations.put_bar, bar), durable=True)

    def marks(self, after: str, limit: int) -> Sequence[Mark]:
        """As Store.marks."""
        return self._file.scan(partial(operations.marks, after, limit))

    def bars(self, after: str, limit: int) -> Sequence[Bar]:
        """As Store.bars."""
        return self._file.scan(partial(operations.bars, after, limit))

    def end_expired(self, now: int, limit: int) -> int:
        """As Store.end_expired."""
        return self._file.write(partial(operations.end_expired, now, limit))

    def delete_expired(self, before: int, limit: int) -> int:
        """As Store.delete_expired."""
        return self._file.write(partial(operations.delete_expired, before, limit))

    def scan(self, after: str, limit: int) -> Sequence[Record]:
        """As Store.scan."""
        return self._file.scan(partial(operations.scan, after, limit))

    def stats(self, now: int) -> Stats:
        """As Store.stats. Reads the whole file."""
        return self._file.scan(partial(operations.stats, now))

    def close(self) -> None:
        """As Store.close."""
        self._file.close()
