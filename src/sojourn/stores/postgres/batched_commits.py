"""Batched commits: changes of several sessions that come while another is under way, made as one.

One statement is planned, one transaction waits for the disk and, where caches listen, for others who notify: these
commit one after the other. Each commit is judged for itself.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

from sojourn.core.errors import StoreUnavailable
from sojourn.core.store import Applied, Commit, Refused

from .errors import is_of_a_value

__all__ = ["AsyncBatchedCommits", "BatchedCommits"]

# For so long, in seconds, a change waits for one that is under way, at most: that one may wait for somebody's lock.
GATHERED_FOR = 0.002
MAX_BATCH = 128

# Those that were made, by id. What is missing goes alone: to wait for its row, or to hear why not.
Made = Mapping[str, Applied]
Answer = Applied | Refused

D = TypeVar("D")


class _Batch(Generic[D]):
    """Commits that are to travel together, each of another session."""

    __slots__ = ("commits", "done")

    def __init__(self, done: D) -> None:
        self.done: D = done
        self.commits: dict[str, Commit] = {}


class _Gathering(Generic[D]):
    """What is under way, and the batch that waits for it."""

    def __init__(self, new_done: Callable[[], D]) -> None:
        self._new_done = new_done
        self.under_way = 0
        self.next: _Batch[D] | None = None

    def join(self, commit: Commit) -> _Batch[D] | None:
        """The batch that takes it; None where it goes alone, and is under way now."""
        batch = self.next
        if batch is None and self.under_way:
            batch = self.next = _Batch(self._new_done())
        if batch is None or commit.id in batch.commits or len(batch.commits) >= MAX_BATCH:
            self.under_way += 1
            return None
        batch.commits[commit.id] = commit
        return batch

    def depart(self) -> None:
        """The batch that waited is under way now."""
        self.next = None
        self.under_way += 1


class _Waited:
    """When threads may go on, and with what."""

    def __init__(self) -> None:
        self.gathered = threading.Event()
        self.ended = threading.Event()
        self.made: Made = {}
        self.error: Exception | None = None


class BatchedCommits:
    """For threads. `alone` makes one commit, `together` several, in the thread that was the first to wait."""

    def __init__(self, alone: Callable[[Commit], Answer], together: Callable[[Sequence[Commit]], Made]) -> None:
        self._alone = alone
        self._together = together
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._guard = threading.Lock()
        self._gathering: _Gathering[_Waited] = _Gathering(_Waited)

    def commit(self, commit: Commit) -> Answer:
        """As Store.commit."""
        if self._pid != os.getpid():
            # Those that were under way stayed with the parent.
            self._begin()
        with self._guard:
            batch = self._gathering.join(commit)
            is_first = batch is not None and len(batch.commits) == 1
        if batch is None:
            return self._go_alone(commit)
        waited = batch.done
        if is_first:
            self._make(batch)
        waited.ended.wait()
        if waited.error is not None:
            raise waited.error
        return waited.made.get(commit.id) or self._alone(commit)

    def _go_alone(self, commit: Commit) -> Answer:
        try:
            return self._alone(commit)
        finally:
            self._returned()

    def _make(self, batch: _Batch[_Waited]) -> None:
        waited = batch.done
        try:
            try:
                waited.gathered.wait(GATHERED_FOR)
            finally:
                with self._guard:
                    self._gathering.depart()
            # One that waited and nobody joined goes alone.
            if len(batch.commits) > 1:
                waited.made = self._together(list(batch.commits.values()))
        except BaseException as error:
            if not isinstance(error, Exception):
                waited.error = StoreUnavailable("A write was broken off: it may have been made or not.")
                raise
            waited.error = None if is_of_a_value(error) else error
        finally:
            self._returned()
            waited.ended.set()

    def _returned(self) -> None:
        with self._guard:
            self._gathering.under_way -= 1
            if self._gathering.next is not None:
                self._gathering.next.done.gathered.set()


class AsyncBatchedCommits:
    """The same for an event loop, one at a time."""

    def __init__(
        self, alone: Callable[[Commit], Awaitable[Answer]], together: Callable[[Sequence[Commit]], Awaitable[Made]]
    ) -> None:
        self._alone = alone
        self._together = together
        self._loop: asyncio.AbstractEventLoop | None = None
        self._writes: set[asyncio.Task[None]] = set()

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._gathering: _Gathering[asyncio.Future[Made]] = _Gathering(loop.create_future)

    async def commit(self, commit: Commit) -> Answer:
        """As Store.commit."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._begin(loop)
        batch = self._gathering.join(commit)
        if batch is None:
            try:
                return await self._alone(commit)
            finally:
                self._returned()
        if len(batch.commits) == 1:
            loop.call_later(GATHERED_FOR, self._go, batch)
        made = await asyncio.shield(batch.done)
        return made.get(commit.id) or await self._alone(commit)

    def _go(self, batch: _Batch[asyncio.Future[Made]]) -> None:
        if self._gathering.next is batch:
            self._gathering.depart()
            # A task: the others must not go down with one request, should its client hang up.
            write = asyncio.create_task(self._make(batch))
            self._writes.add(write)
            write.add_done_callback(self._writes.discard)

    async def _make(self, batch: _Batch[asyncio.Future[Made]]) -> None:
        try:
            alone = len(batch.commits) == 1
            batch.done.set_result({} if alone else await self._together(list(batch.commits.values())))
        except BaseException as error:
            if isinstance(error, Exception) and is_of_a_value(error):
                batch.done.set_result({})
                return
            batch.done.set_exception(error)
            # Raised to those who asked; should all of them be gone, nobody need log it.
            batch.done.exception()
            if not isinstance(error, Exception):
                raise
        finally:
            self._returned()

    def _returned(self) -> None:
        self._gathering.under_way -= 1
        if self._gathering.next is not None:
            self._go(self._gathering.next)
