"""AuditTable: the trail as a table in the database of a store, that processes of several machines write to."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import sys
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Protocol, TypeVar

from sojourn.core.errors import ConfigurationError
from sojourn.stores.store_url import POSTGRES, StoreURL, extra

from .chain import Chain, Row
from .entry import Entry, made_entry, spell_time
from .trail import AuditTrail, milliseconds, writing

__all__ = ["AuditTable", "Table", "TableURL", "open_table"]

logger = logging.getLogger("sojourn")

T = TypeVar("T")

DAY_MS = 86_400_000
BATCH = 500

_kept = re.compile(r"(.*[?&])keep_days=([^&]*)(?:&|$)(.*)").fullmatch
_days = re.compile(r"[1-9]\d{0,4}").fullmatch


class TableURL(NamedTuple):
    """Where a table is, and how long its entries are kept; None for ever. May hold a password."""

    store: StoreURL
    keep_days: int | None

    @classmethod
    def parse(cls, url: str) -> TableURL:
        """The parts of `url`. Raises ConfigurationError where it names no store that keeps a trail."""
        found = _kept(url)
        if found and not _days(found[2]):
            raise ConfigurationError("keep_days= takes days, from 1 on. Write ?keep_days=400")
        store = StoreURL.parse((found[1] + found[3]).rstrip("?&") if found else url)
        if store.scheme != "sqlite" and store.scheme not in POSTGRES:
            raise ConfigurationError(
                f"No audit trail is kept in {store.scheme}: what is evicted or lost in a failover is no trail. "
                "Give a file, sqlite:////absolute.db or postgresql://host/database."
            )
        return cls(store, int(found[2]) if found else None)


class Table(Protocol):
    """The rows of a trail, and its chain, in one database. Raises StoreUnavailable where that does not answer."""

    def append(self, entries: Sequence[Entry]) -> None:
        """Write entries behind the last one: all or none."""

    def cut(self, before: str, limit: int) -> int:
        """Delete up to `limit` of the oldest entries, from before a time as entries spell it; how many."""

    def read(self, after: int, limit: int) -> list[Row]:
        """Up to `limit` rows, from the first one past `after`."""

    def read_back(self, before: int, limit: int) -> list[Row]:
        """Up to `limit` rows, the newest of those below `before` first."""

    def look(self, look: Callable[[Chain, Iterable[Row]], T]) -> T:
        """What `look` makes of the chain and all rows in order, as they are at one moment."""

    def close(self) -> None:
        """Let go of the connections."""


def open_table(url: TableURL, *, make: bool) -> Table:
    """The table at `url`; `make` it, in SQLite, where there is none. Raises as the store of that URL."""
    if url.store.path is not None:
        from .sqlite_table import SQLiteTable

        return SQLiteTable(url.store.path, make=make)
    with extra("postgres"):
        from .postgres_table import PostgresTable
    return PostgresTable(url.store.bare)


class AuditTable(AuditTrail):
    """Writes who did what to sessions to a table in the database at `url`: a manager's `on_event`.

    `url` is as for open_store: sqlite:///… or postgresql://…, where `sojourn migrate` makes the table. The chain is
    that of AuditFile, one for all processes and machines: an entry waits until the one before is committed. What is
    called in an event loop is written by a thread of the trail's, a moment later, and what fails there is in the log
    `sojourn`. With `?keep_days=400` entries of more than so many days go with each clean-up of sessions, from the
    oldest on; by default they stay. Raises ConfigurationError for a URL of another store and for a database that is
    not ready, StoreUnavailable where it does not answer. `clock` is in Unix milliseconds.
    """

    def __init__(self, url: str, *, clock: Callable[[], int] = milliseconds) -> None:
        super().__init__(clock)
        at = TableURL.parse(url)
        self._keep_days = at.keep_days
        self.table = open_table(at, make=True)
        # What was told in an event loop: the thread that writes it takes all that waits at once.
        self._waiting: deque[Entry] = deque()
        self._writer, self._pid = _writer(), os.getpid()

    def append(self, entry: Entry) -> None:
        """Write an entry that was made already. Raises StoreUnavailable where it cannot be written."""
        if not _in_event_loop():
            self._write([entry])
            return
        if self._pid != os.getpid():
            # The thread, and what it has yet to write, is the parent's.
            self._waiting, self._writer, self._pid = deque(), _writer(), os.getpid()
        self._waiting.append(entry)
        self._writer.submit(self._write_waiting)

    def delete_old(self) -> int:
        """Delete the entries that are older than the URL's `keep_days`; how many, which an entry tells."""
        if self._keep_days is None:
            return 0
        now, total = self._clock(), 0
        before = spell_time(now - self._keep_days * DAY_MS)
        deleted = BATCH
        while deleted:
            with writing:
                deleted = self.table.cut(before, BATCH)
            total += deleted
        if total:
            self._append([made_entry("trail_cut", now, "cleanup", "", None, {"deleted": total})])
        return total

    def close(self) -> None:
        """Write what waits, and let go of the connections."""
        if self._pid == os.getpid():
            self._writer.shutdown()
        self.table.close()

    def _write(self, entries: Sequence[Entry]) -> None:
        self._append(entries)
        if any(entry["what"] == "cleaned_up" for entry in entries):
            self.delete_old()

    def _append(self, entries: Sequence[Entry]) -> None:
        with writing:
            self.table.append(entries)

    def _write_waiting(self) -> None:
        entries = [self._waiting.popleft() for _ in range(len(self._waiting))]
        try:
            if entries:
                self._write(entries)
        except Exception:
            logger.exception("the audit trail was not written to; %d entries are missing: %s", len(entries), entries)


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        # A program that has none of it does not load it for this.
        trio = sys.modules.get("trio")
        return trio is not None and trio.lowlevel.in_trio_run()
    return True


def _writer() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, "sojourn-audit")
