"""SQLiteFile: one database file in WAL mode, read by any thread, written by one at a time in groups."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast
from weakref import WeakSet

from sojourn.core.errors import ConfigurationError, SojournError, StoreUnavailable
from sojourn.core.record import Record

from .location import is_read_only, require_trusted, uri_of
from .rows import SELECT_ONE, record_of
from .schema import require_ready, set_up

__all__ = ["SQLiteFile", "Work", "Write"]

# A writer of another process is waited for this long; a group of writes takes a thousandth of it.
WRITE_TIMEOUT = 5.0
BUSY_PAUSE = 0.001
# A long queue is cut here, so that one transaction stays short.
MAX_GROUP = 256
# Pages of 4 KiB in the log before they move to the main file: fewer, larger moves than SQLite's 1,000.
CHECKPOINT_PAGES = 4000


T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]


class Write:
    """One write that waits for its transaction. `work` judges first and raises before it changes anything.

    `durable` asks for an fsync: the end of a session must survive a power cut too.
    """

    __slots__ = ("done", "durable", "error", "result", "work")

    def __init__(self, work: Work[Any], durable: bool) -> None:
        self.work = work
        self.durable = durable
        self.done = False
        self.result: Any = None
        self.error: Exception | None = None

    def outcome(self) -> Any:
        """What `work` returned. Raises what it raised."""
        if self.error is not None:
            raise self.error
        return self.result


class SQLiteFile:
    """The connections to one file: opened when first used, anew after a fork."""

    def __init__(self, path: str | os.PathLike[str], own_timeout: float) -> None:
        # Absolute now, so that a later chdir does not lead to another file.
        self.path = Path(path).absolute()
        self._own_timeout = own_timeout
        # Each thread has a connection of its own, which goes with the thread: no lock, no waiting in line.
        self._own = threading.local()
        self._write_lock = threading.Lock()
        self._queue: deque[Write] = deque()
        self._writer: sqlite3.Connection | None = None
        self._durable = False
        self._prepare()
        _files.add(self)

    def get(self, id: str) -> Record | None:
        """One record. Waits `own_timeout` for a lock, which WAL rarely needs."""
        try:
            row = self._own.cursor.execute(SELECT_ONE, (id,)).fetchone()
        except AttributeError:
            self._open_own()
            return self.get(id)
        except sqlite3.Error as error:
            raise self._unavailable(error) from error
        return None if row is None else record_of(id, row)

    def _open_own(self) -> None:
        try:
            # It never moves the log to the main file: that takes long, and the writing connection does it.
            connection = self._connect(self._own_timeout, checkpoint_pages=0)
        except sqlite3.Error as error:
            raise self._unavailable(error) from error
        self._own.cursor, self._own.closer = connection.cursor(), _Closer(connection)

    def begin(self) -> bool:
        """Begin one write on this thread's own connection, unless somebody else is writing: False, and nothing done."""
        if not hasattr(self._own, "cursor"):
            self._open_own()
        try:
            self._own.cursor.execute("BEGIN IMMEDIATE")
        except sqlite3.Error:
            return False
        return True

    def finish(self, work: Work[T]) -> T:
        """The result of the write that was begun, committed. What `work` raises undoes it."""
        cursor = self._own.cursor
        try:
            result = work(cursor.connection)
            cursor.execute("COMMIT")
        except BaseException as error:
            if cursor.connection.in_transaction:
                cursor.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise self._unavailable(error) from error
            raise
        return result

    def scan(self, work: Work[T]) -> T:
        """The result of `work` on a connection of its own: a longer read that nobody waits behind."""
        try:
            with closing(self._connect(WRITE_TIMEOUT)) as connection:
                return work(connection)
        except sqlite3.Error as error:
            raise self._unavailable(error) from error

    def write(self, work: Work[T], *, durable: bool = False) -> T:
        """The result of `work`, committed. Threads that come together share a transaction; the first runs it."""
        write = Write(work, durable)
        self._queue.append(write)
        while not write.done:
            with self._write_lock:
                if not write.done:
                    self.write_group([self._queue.popleft() for _ in range(min(len(self._queue), MAX_GROUP))])
        return cast(T, write.outcome())

    def write_group(self, group: Sequence[Write]) -> None:
        """Run the writes in one transaction and mark them done. One that raises a SojournError leaves the others be."""
        self._guard(group, partial(self._transact, group))

    def _guard(self, group: Sequence[Write], run: Callable[[], None]) -> None:
        try:
            run()
        except sqlite3.Error as error:
            self._fail(group, self._unavailable(error), error)
        # A bug or an interrupt: the threads that wait for this group must not wait for ever.
        except BaseException as error:
            self._fail(group, StoreUnavailable("A write was broken off; nothing of it was kept."), error)
            raise
        finally:
            for write in group:
                write.done = True

    def close(self) -> None:
        """Close the connections; a later use opens them again."""
        # The threads' own connections close with what held them.
        self._own = threading.local()
        with self._write_lock:
            if self._writer is not None:
                self._writer.close()
            self._writer = None

    def _transact(self, group: Sequence[Write]) -> None:
        if self._writer is None:
            self._writer, self._durable = self._connect(0), False
        connection = self._writer
        durable = any(write.durable for write in group)
        if durable != self._durable:
            connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._durable = durable
        _begin(connection)
        _run(connection, group)

    def _connect(self, timeout: float, checkpoint_pages: int = CHECKPOINT_PAGES) -> sqlite3.Connection:
        connection = sqlite3.connect(
            uri_of(self.path),
            # For what follows, which another process that makes the file may hold up; afterwards `timeout` holds.
            timeout=WRITE_TIMEOUT,
            isolation_level=None,
            check_same_thread=False,
            uri=True,
        )
        # secure_delete=FAST: an ended session's data is overwritten, where that costs no further page.
        connection.executescript(
            "PRAGMA synchronous = NORMAL; PRAGMA secure_delete = FAST; "
            f"PRAGMA wal_autocheckpoint = {checkpoint_pages}; PRAGMA busy_timeout = {int(timeout * 1000)};"
        )
        return connection

    def _prepare(self) -> None:
        require_trusted(self.path)
        try:
            # The owner alone may read it; SQLite gives its log the same rights.
            # O_EXCL, only for a file that is new: to close a second descriptor of one in use would drop this process's
            # locks on it (POSIX), and the next process to leave would delete the log under us.
            with suppress(FileExistsError):
                os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
            connection = self._connect(WRITE_TIMEOUT)
        except (OSError, sqlite3.Error) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise ConfigurationError(f"The session file {self.path} cannot be opened: {why}.") from error
        with closing(connection):
            if is_read_only(self.path):
                require_ready(connection, self.path)
            else:
                set_up(connection, self.path, WRITE_TIMEOUT)

    def vacuum(self) -> None:
        """Give room that is free to the file system. Writers wait, and time out, while a large file is copied."""
        self.scan(lambda connection: connection.executescript("VACUUM; PRAGMA wal_checkpoint(TRUNCATE);"))

    def forget_parent(self) -> None:
        """Leave the connections and locks to the process that this one was forked from."""
        if self._writer is not None:
            _inherited.append(self._writer)
        self._own, self._writer = threading.local(), None
        self._write_lock = threading.Lock()
        self._queue.clear()

    def _unavailable(self, error: sqlite3.Error) -> StoreUnavailable:
        return StoreUnavailable(f"The session file {self.path} did not answer: {error}.")

    @staticmethod
    def _fail(group: Sequence[Write], failure: StoreUnavailable, cause: BaseException) -> None:
        failure.__cause__ = cause
        for write in group:
            write.result, write.error = None, failure


class _Closer:
    """Closes a connection when its thread, or the file, lets go: by itself it would wait for the garbage collector.

    A fork takes the other threads from the child, and they let go: there it stays open, with those that are inherited.
    """

    __slots__ = ("_connection", "_pid")

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._pid = os.getpid()

    def __del__(self) -> None:
        if self._pid == os.getpid():
            self._connection.close()
        else:
            _inherited.append(self._connection)


def _begin(connection: sqlite3.Connection) -> None:
    """Take the write lock, waiting WRITE_TIMEOUT for other processes."""
    give_up = time.monotonic() + WRITE_TIMEOUT
    while True:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                raise
        else:
            return
        # SQLite's own waiting grows to 100 ms a time, and who waits longest comes last.
        time.sleep(BUSY_PAUSE)


def _run(connection: sqlite3.Connection, group: Sequence[Write]) -> None:
    """Run the writes in the transaction that was begun, and commit it."""
    try:
        for write in group:
            try:
                write.result = write.work(connection)
            except SojournError as error:
                write.error = error
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


# Connections that a parent process opened: closing one here would disturb its locks, or wait for a thread that is gone.
_inherited: list[sqlite3.Connection] = []
_files: WeakSet[SQLiteFile] = WeakSet()


def _forget_parents() -> None:
    for file in list(_files):
        file.forget_parent()


# Windows does not fork.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parents)
