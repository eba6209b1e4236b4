"""AsyncSQLiteStore: what is asked of a store by an event loop, as work on the file."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Sequence
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, TypeVar, cast

from sojourn.core.errors import EndReason, StoreUnavailable
from sojourn.core.record import Record
from sojourn.core.store import Applied, Bar, Commit, Create, End, Mark, Refused, Stats

from . import operations
from .file import MAX_GROUP, SQLiteFile, Work, Write
from .rows import select

__all__ = ["AsyncSQLiteStore"]

logger = logging.getLogger("sojourn")

# What runs on the event loop does not wait for a lock: it goes on in a thread.
LOOP_TIMEOUT = 0.0
# Every so many writes one goes to the thread, whose connection moves the log to the main file once that is long.
THREAD_EVERY = 500

T = TypeVar("T")


class AsyncSQLiteStore:
    """SQLiteStore for an asyncio event loop.

    A read runs on the loop: microseconds, as WAL never makes a reader wait for a writer. So does a write that finds
    nobody else writing, a tenth of a millisecond. Any other, and what needs an fsync, goes to one thread, which puts
    those that came together into one transaction. Raises as SQLiteStore does.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._file = SQLiteFile(path, LOOP_TIMEOUT)
        self._waiting: SimpleQueue[tuple[Write, asyncio.Future[Any]] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._under_way = self._writes = 0

    async def get(self, id: str) -> Record | None:
        """As Store.get."""
        try:
            return self._file.get(id)
        except StoreUnavailable:
            return await asyncio.to_thread(self._file.scan, partial(select, id))

    async def create(self, create: Create) -> Applied | Refused:
        """As Store.create."""
        return await self._write(partial(operations.create, create), create.ends is not None)

    async def commit(self, commit: Commit) -> Applied | Refused:
        """As Store.commit."""
        return await self._write(partial(operations.commit, commit))

    async def end(self, end: End) -> Record | None:
        """As Store.end."""
        return await self._write(partial(operations.end, end), True)

    async def end_all(
        self, user_id: str, reason: EndReason, now: int, keep: str | None = None, realm: str = ""
    ) -> Sequence[str]:
        """As Store.end_all."""
        return await self._write(partial(operations.end_all, user_id, reason, now, keep, realm), True)

    async def bar(self, now: int, realm: str = "") -> None:
        """As Store.bar."""
        await self._write(partial(operations.bar, now, realm), True)

    async def list(
        self, user_id: str, now: int, realm: str = "", after: str = "", limit: int = 100
    ) -> Sequence[Record]:
        """As Store.list."""
        return await asyncio.to_thread(self._file.scan, partial(operations.of_user, user_id, now, realm, after, limit))

    async def erase(self, user_id: str, realm: str = "") -> int:
        """As Store.erase. Looks at every row."""
        return await self._write(partial(operations.erase, user_id, realm), True)

    async def put_mark(self, mark: Mark) -> bool:
        """As Store.put_mark."""
        # No fsync: an end that is written after it, and waits for the disk, brings it there too.
        return await self._write(partial(operations.put_mark, mark))

    async def get_mark(self, id: str) -> Mark | None:
        """As Store.get_mark."""
        return await asyncio.to_thread(self._file.scan, partial(operations.get_mark, id))

    async def put_bar(self, bar: Bar) -> None:
        """As Store.put_bar."""
        await self._write(partial(operations.put_bar, bar), True)

    async def marks(self, after: str, limit: int) -> Sequence[Mark]:
        """As Store.marks."""
        return await asyncio.to_thread(self._file.scan, partial(operations.marks, after, limit))

    async def bars(self, after: str, limit: int) -> Sequence[Bar]:
        """As Store.bars."""
        return await asyncio.to_thread(self._file.scan, partial(operations.bars, after, limit))

    async def end_expired(self, now: int, limit: int) -> int:
        """As Store.end_expired."""
        return await self._write(partial(operations.end_expired, now, limit))

    async def delete_expired(self, before: int, limit: int) -> int:
        """As Store.delete_expired."""
        return await self._write(partial(operations.delete_expired, before, limit))

    async def scan(self, after: str, limit: int) -> Sequence[Record]:
        """As Store.scan."""
        return await asyncio.to_thread(self._file.scan, partial(operations.scan, after, limit))

    async def stats(self, now: int) -> Stats:
        """As Store.stats. Reads the whole file, in a thread."""
        return await asyncio.to_thread(self._file.scan, partial(operations.stats, now))

    async def close(self) -> None:
        """As Store.close. Writes that wait are done first."""
        if self._thread is not None and self._thread.is_alive():
            self._waiting.put(None)
            await asyncio.to_thread(self._thread.join)
        self._thread = None
        self._file.close()

    async def _write(self, work: Work[T], durable: bool = False) -> T:
        self._writes += 1
        # Never past those that wait for the thread: it would find the file locked, or the log never at rest.
        alone = not durable and not self._under_way and self._writes % THREAD_EVERY
        if alone and self._file.begin():
            return self._file.finish(work)
        write = Write(work, durable)
        self._start_thread()
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._under_way += 1
        try:
            self._waiting.put((write, future))
            return cast(T, await future)
        finally:
            self._under_way -= 1

    def _start_thread(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            # None yet, or it stayed behind in the process that this one was forked from.
            self._waiting = SimpleQueue()
            self._thread = threading.Thread(target=self._write_groups, name="sojourn-sqlite", daemon=True)
            self._thread.start()

    def _write_groups(self) -> None:
        waiting = self._waiting
        while (first := waiting.get()) is not None:
            group, last = [first], False
            while len(group) < MAX_GROUP and not last:
                try:
                    further = waiting.get_nowait()
                except Empty:
                    break
                if further is None:
                    last = True
                else:
                    group.append(further)
            try:
                self._file.write_group([write for write, _ in group])
            except Exception:
                # Each write holds its error. This thread must live: those that come later wait for it.
                logger.exception("a group of writes was broken off")
            _answer(group)
            if last:
                return


def _answer(group: list[tuple[Write, asyncio.Future[Any]]]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[Write, asyncio.Future[Any]]]] = {}
    for member in group:
        by_loop.setdefault(member[1].get_loop(), []).append(member)
    for loop, members in by_loop.items():
        # A loop that closed meanwhile has nobody left who waits.
        if not loop.is_closed():
            loop.call_soon_threadsafe(_resolve, members)


def _resolve(members: list[tuple[Write, asyncio.Future[Any]]]) -> None:
    for write, future in members:
        if future.cancelled():
            continue
        if write.error is not None:
            future.set_exception(write.error)
        else:
            future.set_result(write.result)
