"""Scale: a session file with a million sessions in it, and several processes that write to one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from time import perf_counter

import msgspec

from sojourn import SessionManager
from sojourn.stores.sqlite import SQLiteStore

from .lock_watch import LockWatch
from .session_file import fill, now_ms, random_users
from .tables import figure, table
from .writers import run_writers

__all__ = ["Cleanup", "File", "Scale", "Size", "Throughput", "measure", "report"]


USERS = 200


class Size(msgspec.Struct, frozen=True):
    """How many sessions each file holds, how many of the last one's are expired, and how long to write."""

    files: tuple[int, ...]
    expired: int
    processes: tuple[int, ...]
    tasks: int
    seconds: float


class File(msgspec.Struct, frozen=True):
    """A file with so many sessions; times are medians."""

    sessions: int
    open_ms: float
    get_ms: float
    list_ms: float
    bytes_each: float


class Cleanup(msgspec.Struct, frozen=True):
    """A clean-up of the largest file: its own batches, and how long a writer of another process had to wait."""

    sessions: int
    deleted: int
    seconds: float
    longest_batch_ms: float
    median_wait_ms: float
    longest_wait_ms: float


class Throughput(msgspec.Struct, frozen=True):
    """So many processes with so many requests each under way, that change a session of their own."""

    processes: int
    per_second: float
    median_ms: float
    p99_ms: float


class Scale(msgspec.Struct, frozen=True):
    """All that this benchmark found."""

    size: Size
    files: list[File]
    cleanup: Cleanup
    throughput: list[Throughput]


class _TimedStore(SQLiteStore):
    """Notes how long each batch of a clean-up took, in seconds."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.batches: list[float] = []

    def delete_expired(self, before: int, limit: int) -> int:
        began = perf_counter()
        deleted = super().delete_expired(before, limit)
        self.batches.append(perf_counter() - began)
        return deleted


def _median_ms(works: Sequence[Callable[[], object]]) -> float:
    took = []
    for work in works:
        began = perf_counter()
        work()
        took.append((perf_counter() - began) * 1000)
    return median(took)


def _file(path: Path, sessions: int) -> File:
    def open_and_ask() -> None:
        store = SQLiteStore(path)
        store.get("0" * 32)
        store.close()

    store, now = SQLiteStore(path), now_ms()
    found = File(
        sessions=sessions,
        open_ms=_median_ms([open_and_ask] * 30),
        get_ms=_median_ms([partial(store.get, record.id) for record in store.scan("8", 200)]),
        list_ms=_median_ms([partial(store.list, user, now) for user in random_users(sessions, USERS)]),
        bytes_each=path.stat().st_size / sessions,
    )
    store.close()
    return found


def _cleanup(path: Path, sessions: int) -> Cleanup:
    store = _TimedStore(path)
    with LockWatch(path) as watch:
        began = perf_counter()
        deleted = SessionManager(store).delete_expired()
        took = perf_counter() - began
    store.close()
    return Cleanup(
        sessions=sessions,
        deleted=deleted,
        seconds=took,
        longest_batch_ms=max(store.batches) * 1000,
        median_wait_ms=median(watch.waits) * 1000,
        longest_wait_ms=max(watch.waits) * 1000,
    )


def _throughput(folder: Path, processes: int, size: Size) -> Throughput:
    took = run_writers(folder / f"writers-{processes}.sqlite3", processes, size.tasks, size.seconds)
    return Throughput(
        processes=processes,
        per_second=len(took) / size.seconds,
        median_ms=median(took) * 1000,
        p99_ms=quantiles(took, n=100)[98] * 1000,
    )


def measure(size: Size) -> Scale:
    """Fill the files, ask them, clean the last one up, and write."""
    files = []
    with TemporaryDirectory() as name:
        folder = Path(name)
        path = folder
        for sessions in size.files:
            path = folder / f"{sessions}.sqlite3"
            fill(path, sessions, size.expired if sessions == size.files[-1] else 0)
            files.append(_file(path, sessions))
        cleanup = _cleanup(path, size.files[-1])
        throughput = [_throughput(folder, processes, size) for processes in size.processes]
    return Scale(size, files, cleanup, throughput)


def report(found: Scale) -> str:
    """The tables, in Markdown."""
    files = [
        [
            f"{file.sessions:,}",
            figure(file.open_ms),
            figure(file.get_ms * 1000),
            figure(file.list_ms),
            f"{file.bytes_each:,.0f}",
        ]
        for file in found.files
    ]
    cleanup = found.cleanup
    cleaned = [
        ["expired rows deleted", f"{cleanup.deleted:,}"],
        ["seconds", figure(cleanup.seconds)],
        ["longest batch, ms", figure(cleanup.longest_batch_ms)],
        ["another process waited for the write lock, longest, ms", figure(cleanup.longest_wait_ms)],
        ["another process waited for the write lock, median, ms", figure(cleanup.median_wait_ms)],
    ]
    writers = [
        [str(row.processes), f"{row.per_second:,.0f}", figure(row.median_ms), figure(row.p99_ms)]
        for row in found.throughput
    ]
    return "\n\n".join(
        [
            table(["Sessions in the file", "open, ms", "one session, µs", "list a user's, ms", "bytes each"], files),
            table([f"Clean-up of {cleanup.sessions:,} sessions", ""], cleaned),
            table(["Writing processes", "changes a second", "median ms", "p99 ms"], writers),
        ]
    )
