"""AsyncPostgresStore: carries an operation's statements to PostgreSQL and back, for an event loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import psycopg
from psycopg.rows import tuple_row
from psycopg_pool import AsyncConnectionPool

from sojourn.core.errors import EndReason, UnreadableRecord
from sojourn.core.record import Record
from sojourn.core.store import Applied, Bar, Commit, Create, End, Mark, Refused, Stats, Watcher

from . import commits, operations
from .batched_commits import AsyncBatchedCommits
from .batched_reads import BatchedReads
from .connections import AsyncPool, AsyncPostgresConnections, complete
from .errors import MAX_RETRIES, may_retry, translated
from .statement import Rows, Statement, Steps
from .store import (
    MAX_CONNECTIONS,
    STATS_TIMEOUT,
    TIMEOUT,
    Durability,
    check_options,
    has_rows,
    listening_conninfo,
    require_direct,
    require_durability,
    require_schema,
)
from .watch import watch

__all__ = ["AsyncPostgresStore"]

T = TypeVar("T")


class AsyncPostgresStore:
    """PostgresStore for an event loop, one at a time. Reads of one tick of the loop are made as one."""

    def __init__(
        self,
        where: str | AsyncPool,
        *,
        max_connections: int = MAX_CONNECTIONS,
        timeout: float = TIMEOUT,
        listen_conninfo: str | None = None,
        durability: Durability = "all",
    ) -> None:
        check_options(where, AsyncConnectionPool, max_connections, timeout)
        self._durable = require_durability(durability)
        self._listen_conninfo = listening_conninfo(where, listen_conninfo, timeout)
        if isinstance(where, str):
            where = complete(where, timeout)
        self._schema = require_schema(where, timeout) if isinstance(where, str) else ""
        self._timeout = timeout
        self._connections = AsyncPostgresConnections(where, max_connections, timeout)
        self._batched_reads = BatchedReads(self._read)
        self._batched_commits = AsyncBatchedCommits(self._commit, self._commit_many)

    async def get(self, id: str) -> Record | None:
        """As Store.get."""
        return await self._batched_reads.get(id)

    async def create(self, create: Create) -> Applied | Refused:
        """As Store.create."""
        return await self._run(partial(operations.create, create), repeatable=False)

    async def commit(self, commit: Commit) -> Applied | Refused:
        """As Store.commit."""
        return await (self._batched_commits.commit(commit) if commits.is_change(commit) else self._commit(commit))

    async def end(self, end: End) -> Record | None:
        """As Store.end."""
        return await self._run(partial(operations.end, end))

    async def end_all(
        self, user_id: str, reason: EndReason, now: int, keep: str | None = None, realm: str = ""
    ) -> Sequence[str]:
        """As Store.end_all."""
        return await self._run(partial(operations.end_all, user_id, reason, now, keep, realm))

    async def bar(self, now: int, realm: str = "") -> None:
        """As Store.bar. Writers wait for it, and it for them: milliseconds."""
        await self._run(partial(operations.bar, now, realm))

    async def list(
        self, user_id: str, now: int, realm: str = "", after: str = "", limit: int = 100
    ) -> Sequence[Record]:
        """As Store.list."""
        return await self._run(partial(operations.of_user, user_id, now, realm, after, limit))

    async def erase(self, user_id: str, realm: str = "") -> int:
        """As Store.erase. Looks at every row."""
        return await self._run(partial(operations.erase, user_id, realm), limit=STATS_TIMEOUT)

    async def put_mark(self, mark: Mark) -> bool:
        """As Store.put_mark."""
        return await self._run(partial(operations.put_mark, mark))

    async def get_mark(self, id: str) -> Mark | None:
        """As Store.get_mark."""
        return await self._run(partial(operations.get_mark, id))

    async def put_bar(self, bar: Bar) -> None:
        """As Store.put_bar."""
        await self._run(partial(operations.put_bar, bar))

    async def marks(self, after: str, limit: int) -> Sequence[Mark]:
        """As Store.marks."""
        return await self._run(partial(operations.marks, after, limit))

    async def bars(self, after: str, limit: int) -> Sequence[Bar]:
        """As Store.bars."""
        return await self._run(partial(operations.bars, after, limit))

    async def end_expired(self, now: int, limit: int) -> int:
        """As Store.end_expired."""
        return await self._run(partial(operations.end_expired, now, limit))

    async def delete_expired(self, before: int, limit: int) -> int:
        """As Store.delete_expired."""
        return await self._run(partial(operations.delete_expired, before, limit))

    async def scan(self, after: str, limit: int) -> Sequence[Record]:
        """As Store.scan."""
        return await self._run(partial(operations.scan, after, limit))

    async def stats(self, now: int) -> Stats:
        """As Store.stats. Reads the whole table."""
        return await self._run(partial(operations.stats, now), limit=STATS_TIMEOUT)

    def watch(self, watcher: Watcher, interval: float) -> None:
        """As PostgresStore.watch: for a thread of its own."""
        watch(require_direct(self._listen_conninfo), watcher, interval)

    async def close(self) -> None:
        """As Store.close. The caller's own pool stays open."""
        await self._connections.close()

    async def _read(self, ids: Sequence[str]) -> Mapping[str, Record | UnreadableRecord]:
        return await self._run(partial(operations.get_many, ids))

    async def _commit(self, commit: Commit) -> Applied | Refused:
        return await self._run(partial(commits.commit, commit, self._durable), repeatable=commits.is_touch(commit))

    async def _commit_many(self, many: Sequence[Commit]) -> Mapping[str, Applied]:
        return await self._run(partial(commits.commit_many, many, self._durable), repeatable=False)

    async def _run(self, work: Callable[[], Steps[T]], *, repeatable: bool = True, limit: float | None = None) -> T:
        began = time.monotonic()
        wait_until, give_up = began + self._timeout, began + (limit or self._timeout)
        for _ in range(MAX_RETRIES):
            try:
                return await self._try(work, wait_until, give_up)
            except psycopg.Error as error:
                if not may_retry(error, repeatable=repeatable):
                    raise translated(error) from error
        try:
            return await self._try(work, wait_until, give_up)
        except psycopg.Error as error:
            raise translated(error) from error

    async def _try(self, work: Callable[[], Steps[T]], wait_until: float, give_up: float) -> T:
        async with self._connections.lend(wait_until, give_up) as connection:
            if not self._schema:
                self._schema = await _perform_async(connection, operations.require_schema(), "")
            return await _perform_async(connection, work(), self._schema)


async def _perform_async(connection: psycopg.AsyncConnection[Any], steps: Steps[T], schema: str) -> T:
    try:
        batch = next(steps)
        while True:
            batch = steps.send(await _execute_async(connection, batch, schema))
    except StopIteration as stop:
        result: T = stop.value
        return result


async def _execute_async(
    connection: psycopg.AsyncConnection[Any], batch: Sequence[Statement], schema: str
) -> Sequence[Rows]:
    cursors = [psycopg.AsyncCursor(connection, row_factory=tuple_row) for _ in batch]
    if len(batch) == 1:
        await cursors[0].execute(*batch[0].of(schema), prepare=batch[0].prepare)
    else:
        async with connection.pipeline():
            for cursor, statement in zip(cursors, batch, strict=True):
                await cursor.execute(*statement.of(schema), prepare=statement.prepare)
    return [await cursor.fetchall() if has_rows(cursor) else [] for cursor in cursors]
