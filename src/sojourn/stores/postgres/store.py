"""PostgresStore and AsyncPostgresStore: two shells that carry an operation's statements to PostgreSQL and back."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import psycopg
from psycopg.rows import tuple_row
from psycopg_pool import AsyncConnectionPool, ConnectionPool

from sojourn.core.errors import ConfigurationError, EndReason, UnreadableRecord
from sojourn.core.record import Record
from sojourn.core.store import Applied, Commit, Create, End, Refused, Stats, Watcher

from . import operations
from .bound_connection import BoundConnection
from .connections import AsyncConnections, AsyncPool, Connections, Pool, complete
from .faults import NEW_TRIALS, may_try_again, told, unreachable
from .statements import Rows, Statement, Steps
from .together import Together
from .watch import watch, watch_async

__all__ = ["AsyncPostgresStore", "PostgresStore"]

T = TypeVar("T")

MAX_CONNECTIONS = 10
TIMEOUT = 5.0
# Counting reads the whole table.
STATS_TIMEOUT = 300.0


class PostgresStore:
    """Records in a PostgreSQL database that `sojourn migrate` has made ready, for threads.

    `where`: a conninfo, for a pool of the store's own with up to `max_connections`, opened with the first use; or
    the caller's pool, which keeps its settings and is not closed. `timeout`: the longest that a call may take, in
    seconds; over a caller's pool, the longest that a connection is waited for. `listen_conninfo`: how `watch` reaches
    the server itself, where `where` is a pool or leads to a pooler.
    """

    def __init__(
        self,
        where: str | Pool,
        *,
        max_connections: int = MAX_CONNECTIONS,
        timeout: float = TIMEOUT,
        listen_conninfo: str | None = None,
    ) -> None:
        _check(where, ConnectionPool, max_connections, timeout)
        self._listen_conninfo = _listen_conninfo(where, listen_conninfo, timeout)
        if isinstance(where, str):
            where = complete(where, timeout)
            _require_schema(where, timeout)
        self._ready = isinstance(where, str)
        self._timeout = timeout
        self._connections = Connections(where, max_connections, timeout)

    def get(self, id: str) -> Record | None:
        """As Store.get."""
        return self._run(partial(operations.get, id))

    def create(self, create: Create) -> Applied | Refused:
        """As Store.create."""
        return self._run(partial(operations.create, create), repeatable=False)

    def commit(self, commit: Commit) -> Applied | Refused:
        """As Store.commit."""
        return self._run(partial(operations.commit, commit), repeatable=operations.is_touch(commit))

    def end(self, end: End) -> Record | None:
        """As Store.end."""
        return self._run(partial(operations.end, end))

    def end_all(self, user_id: str, reason: EndReason, now: int, keep: str | None = None) -> Sequence[str]:
        """As Store.end_all."""
        return self._run(partial(operations.end_all, user_id, reason, now, keep))

    def list(self, user_id: str, now: int) -> Sequence[Record]:
        """As Store.list."""
        return self._run(partial(operations.of_user, user_id, now))

    def delete_expired(self, before: int, limit: int) -> int:
        """As Store.delete_expired."""
        return self._run(partial(operations.delete_expired, before, limit))

    def scan(self, after: str, limit: int) -> Sequence[Record]:
        """As Store.scan."""
        return self._run(partial(operations.scan, after, limit))

    def stats(self, now: int) -> Stats:
        """As Store.stats. Reads the whole table."""
        return self._run(partial(operations.stats, now), limit=STATS_TIMEOUT)

    def watch(self, watcher: Watcher, interval: float) -> None:
        """As WatchableStore.watch. Raises ConfigurationError for a connection that leads to a pooler."""
        watch(_require_direct(self._listen_conninfo), watcher, interval)

    def close(self) -> None:
        """As Store.close. The caller's own pool stays open."""
        self._connections.close()

    def _run(self, work: Callable[[], Steps[T]], *, repeatable: bool = True, limit: float | None = None) -> T:
        began = time.monotonic()
        wait_until, give_up = began + self._timeout, began + (limit or self._timeout)
        for _ in range(NEW_TRIALS):
            try:
                return self._try(work, wait_until, give_up)
            except psycopg.Error as error:
                if not may_try_again(error, repeatable=repeatable):
                    raise told(error) from error
        try:
            return self._try(work, wait_until, give_up)
        except psycopg.Error as error:
            raise told(error) from error

    def _try(self, work: Callable[[], Steps[T]], wait_until: float, give_up: float) -> T:
        with self._connections.lend(wait_until, give_up) as connection:
            if not self._ready:
                _perform(connection, operations.require_schema())
                self._ready = True
            return _perform(connection, work())


def _perform(connection: psycopg.Connection[Any], steps: Steps[T]) -> T:
    try:
        batch = next(steps)
        while True:
            batch = steps.send(_execute(connection, batch))
    except StopIteration as stop:
        result: T = stop.value
        return result


def _execute(connection: psycopg.Connection[Any], batch: Sequence[Statement]) -> Sequence[Rows]:
    cursors = [psycopg.Cursor(connection, row_factory=tuple_row) for _ in batch]
    if len(batch) == 1:
        cursors[0].execute(*batch[0])
    else:
        with connection.pipeline():
            for cursor, statement in zip(cursors, batch, strict=True):
                cursor.execute(*statement)
    return [cursor.fetchall() if _has_rows(cursor) else [] for cursor in cursors]


class AsyncPostgresStore:
    """The same for an event loop, one at a time. Reads of one tick of the loop are made as one."""

    def __init__(
        self,
        where: str | AsyncPool,
        *,
        max_connections: int = MAX_CONNECTIONS,
        timeout: float = TIMEOUT,
        listen_conninfo: str | None = None,
    ) -> None:
        _check(where, AsyncConnectionPool, max_connections, timeout)
        self._listen_conninfo = _listen_conninfo(where, listen_conninfo, timeout)
        if isinstance(where, str):
            where = complete(where, timeout)
            _require_schema(where, timeout)
        self._ready = isinstance(where, str)
        self._timeout = timeout
        self._connections = AsyncConnections(where, max_connections, timeout)
        self._together = Together(self._read)

    async def get(self, id: str) -> Record | None:
        """As Store.get."""
        return await self._together.get(id)

    async def create(self, create: Create) -> Applied | Refused:
        """As Store.create."""
        return await self._run(partial(operations.create, create), repeatable=False)

    async def commit(self, commit: Commit) -> Applied | Refused:
        """As Store.commit."""
        return await self._run(partial(operations.commit, commit), repeatable=operations.is_touch(commit))

    async def end(self, end: End) -> Record | None:
        """As Store.end."""
        return await self._run(partial(operations.end, end))

    async def end_all(self, user_id: str, reason: EndReason, now: int, keep: str | None = None) -> Sequence[str]:
        """As Store.end_all."""
        return await self._run(partial(operations.end_all, user_id, reason, now, keep))

    async def list(self, user_id: str, now: int) -> Sequence[Record]:
        """As Store.list."""
        return await self._run(partial(operations.of_user, user_id, now))

    async def delete_expired(self, before: int, limit: int) -> int:
        """As Store.delete_expired."""
        return await self._run(partial(operations.delete_expired, before, limit))

    async def scan(self, after: str, limit: int) -> Sequence[Record]:
        """As Store.scan."""
        return await self._run(partial(operations.scan, after, limit))

    async def stats(self, now: int) -> Stats:
        """As Store.stats. Reads the whole table."""
        return await self._run(partial(operations.stats, now), limit=STATS_TIMEOUT)

    async def watch(self, watcher: Watcher, interval: float) -> None:
        """As PostgresStore.watch."""
        await watch_async(_require_direct(self._listen_conninfo), watcher, interval)

    async def close(self) -> None:
        """As Store.close. The caller's own pool stays open."""
        await self._connections.close()

    async def _read(self, ids: Sequence[str]) -> Mapping[str, Record | UnreadableRecord]:
        return await self._run(partial(operations.get_many, ids))

    async def _run(self, work: Callable[[], Steps[T]], *, repeatable: bool = True, limit: float | None = None) -> T:
        began = time.monotonic()
        wait_until, give_up = began + self._timeout, began + (limit or self._timeout)
        for _ in range(NEW_TRIALS):
            try:
                return await self._try(work, wait_until, give_up)
            except psycopg.Error as error:
                if not may_try_again(error, repeatable=repeatable):
                    raise told(error) from error
        try:
            return await self._try(work, wait_until, give_up)
        except psycopg.Error as error:
            raise told(error) from error

    async def _try(self, work: Callable[[], Steps[T]], wait_until: float, give_up: float) -> T:
        async with self._connections.lend(wait_until, give_up) as connection:
            if not self._ready:
                await _perform_async(connection, operations.require_schema())
                self._ready = True
            return await _perform_async(connection, work())


async def _perform_async(connection: psycopg.AsyncConnection[Any], steps: Steps[T]) -> T:
    try:
        batch = next(steps)
        while True:
            batch = steps.send(await _execute_async(connection, batch))
    except StopIteration as stop:
        result: T = stop.value
        return result


async def _execute_async(connection: psycopg.AsyncConnection[Any], batch: Sequence[Statement]) -> Sequence[Rows]:
    cursors = [psycopg.AsyncCursor(connection, row_factory=tuple_row) for _ in batch]
    if len(batch) == 1:
        await cursors[0].execute(*batch[0])
    else:
        async with connection.pipeline():
            for cursor, statement in zip(cursors, batch, strict=True):
                await cursor.execute(*statement)
    return [await cursor.fetchall() if _has_rows(cursor) else [] for cursor in cursors]


def _has_rows(cursor: psycopg.Cursor[Any] | psycopg.AsyncCursor[Any]) -> bool:
    # Not by `description`, which tells of each column.
    return cursor.pgresult is not None and cursor.pgresult.nfields > 0


def _check(where: object, pool: type, max_connections: int, timeout: float) -> None:
    if not isinstance(where, (str, pool)):
        raise ConfigurationError(
            "PostgresStore takes a conninfo or a psycopg_pool.ConnectionPool, AsyncPostgresStore a conninfo or an "
            f"AsyncConnectionPool. This is of type {type(where).__name__}."
        )
    if max_connections < 1 or timeout <= 0:
        raise ConfigurationError(f"max_connections={max_connections} and timeout={timeout} must be over 0.")


def _listen_conninfo(where: str | Pool | AsyncPool, given: str | None, timeout: float) -> str | None:
    conninfo = where if given is None and isinstance(where, str) else given
    return None if conninfo is None else complete(conninfo, timeout)


def _require_direct(conninfo: str | None) -> str:
    if conninfo is None:
        raise ConfigurationError("Listening takes a connection of its own: give the store listen_conninfo= too.")
    return conninfo


def _require_schema(conninfo: str, timeout: float) -> None:
    """Judge the schema over a connection of its own, so that the pool is made where it is used: after a fork, say."""
    try:
        connection = BoundConnection.connect(conninfo, autocommit=True, prepare_threshold=None)
    except psycopg.Error as error:
        raise unreachable(error) from error
    connection.give_up = time.monotonic() + timeout
    try:
        with connection:
            _perform(connection, operations.require_schema())
    except psycopg.Error as error:
        raise told(error) from error
