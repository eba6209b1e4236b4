"""PostgresStore: carries an operation's statements to PostgreSQL and back; what both kinds of store take is judged."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal, TypeAlias, TypeVar, get_args

import psycopg
from psycopg.rows import tuple_row
from psycopg_pool import ConnectionPool

from sojourn.core.errors import ConfigurationError, EndReason
from sojourn.core.record import Record
from sojourn.core.store import Applied, Bar, Commit, Create, End, Mark, Refused, Stats, Watcher

from . import commits, operations
from .batched_commits import BatchedCommits
from .bound_connection import BoundConnection
from .connections import AsyncPool, Pool, PostgresConnections, complete
from .errors import MAX_RETRIES, may_retry, translated, unreachable
from .statement import Rows, Statement, Steps
from .watch import watch

__all__ = [
    "MAX_CONNECTIONS",
    "STATS_TIMEOUT",
    "TIMEOUT",
    "Durability",
    "PostgresStore",
    "check_options",
    "has_rows",
    "listening_conninfo",
    "perform",
    "require_direct",
    "require_durability",
    "require_schema",
]

T = TypeVar("T")

Durability: TypeAlias = Literal["all", "ends"]

MAX_CONNECTIONS = 10
TIMEOUT = 5.0
# Counting reads the whole table.
STATS_TIMEOUT = 300.0


class PostgresStore:
    """Records in a PostgreSQL database that `sojourn migrate` has made ready, for threads.

    `where`: a conninfo, for a pool of the store's own with up to `max_connections`, opened with the first use; or
    the caller's pool, which keeps its settings and is not closed. `timeout`: the longest that a call may take, in
    seconds; over a caller's pool, the longest that a connection is waited for. `listen_conninfo`: how `watch` reaches
    the server itself, where `where` is a pool or leads to a pooler. `durability`: what waits for the disk before it is
    acknowledged, "all" or, with "ends", log-ins and ends alone: a crash of the server may then undo changes of its last
    second that were acknowledged.

    Raises ConfigurationError for a wrong argument and for a database that is not ready, StoreUnavailable where it does
    not answer: at once, or with a pool at the first use.
    """

    def __init__(
        self,
        where: str | Pool,
        *,
        max_connections: int = MAX_CONNECTIONS,
        timeout: float = TIMEOUT,
        listen_conninfo: str | None = None,
        durability: Durability = "all",
    ) -> None:
        check_options(where, ConnectionPool, max_connections, timeout)
        self._durable = require_durability(durability)
        self._listen_conninfo = listening_conninfo(where, listen_conninfo, timeout)
        if isinstance(where, str):
            where = complete(where, timeout)
        self._schema = require_schema(where, timeout) if isinstance(where, str) else ""
        self._timeout = timeout
        self._connections = PostgresConnections(where, max_connections, timeout)
        self._batched_commits = BatchedCommits(self._commit, self._commit_many)

    def get(self, id: str) -> Record | None:
        """As Store.get."""
        return self._run(partial(operations.get, id))

    def create(self, create: Create) -> Applied | Refused:
        """As Store.create."""
        return self._run(partial(operations.create, create), repeatable=False)

    def commit(self, commit: Commit) -> Applied | Refused:
        """As Store.commit."""
        return self._batched_commits.commit(commit) if commits.is_change(commit) else self._commit(commit)

    def end(self, end: End) -> Record | None:
        """As Store.end."""
        return self._run(partial(operations.end, end))

    def end_all(
        self, user_id: str, reason: EndReason, now: int, keep: str | None = None, realm: str = ""
    ) -> Sequence[str]:
        """As Store.end_all."""
        return self._run(partial(operations.end_all, user_id, reason, now, keep, realm))

    def bar(self, now: int, realm: str = "") -> None:
        """As Store.bar. Writers wait for it, and it for them: milliseconds."""
        self._run(partial(operations.bar, now, realm))

    def list(self, user_id: str, now: int, realm: str = "", after: str = "", limit: int = 100) -> Sequence[Record]:
        """As Store.list."""
        return self._run(partial(operations.of_user, user_id, now, realm, after, limit))

    def erase(self, user_id: str, realm: str = "") -> int:
        """As Store.erase. Looks at every row."""
        return self._run(partial(operations.erase, user_id, realm), limit=STATS_TIMEOUT)

    def put_mark(self, mark: Mark) -> bool:
        """As Store.put_mark."""
        return self._run(partial(operations.put_mark, mark))

    def get_mark(self, id: str) -> Mark | None:
        """As Store.get_mark."""
        return self._run(partial(operations.get_mark, id))

    def put_bar(self, bar: Bar) -> None:
        """As Store.put_bar."""
        self._run(partial(operations.put_bar, bar))

    def marks(self, after: str, limit: int) -> Sequence[Mark]:
        """As Store.marks."""
        return self._run(partial(operations.marks, after, limit))

    def bars(self, after: str, limit: int) -> Sequence[Bar]:
        """As Store.bars."""
        return self._run(partial(operations.bars, after, limit))

    def end_expired(self, now: int, limit: int) -> int:
        """As Store.end_expired."""
        return self._run(partial(operations.end_expired, now, limit))

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
        watch(require_direct(self._listen_conninfo), watcher, interval)

    def close(self) -> None:
        """As Store.close. The caller's own pool stays open."""
        self._connections.close()

    def _commit(self, commit: Commit) -> Applied | Refused:
        return self._run(partial(commits.commit, commit, self._durable), repeatable=commits.is_touch(commit))

    def _commit_many(self, many: Sequence[Commit]) -> Mapping[str, Applied]:
        return self._run(partial(commits.commit_many, many, self._durable), repeatable=False)

    def _run(self, work: Callable[[], Steps[T]], *, repeatable: bool = True, limit: float | None = None) -> T:
        began = time.monotonic()
        wait_until, give_up = began + self._timeout, began + (limit or self._timeout)
        for _ in range(MAX_RETRIES):
            try:
                return self._try(work, wait_until, give_up)
            except psycopg.Error as error:
                if not may_retry(error, repeatable=repeatable):
                    raise translated(error) from error
        try:
            return self._try(work, wait_until, give_up)
        except psycopg.Error as error:
            raise translated(error) from error

    def _try(self, work: Callable[[], Steps[T]], wait_until: float, give_up: float) -> T:
        with self._connections.lend(wait_until, give_up) as connection:
            if not self._schema:
                self._schema = perform(connection, operations.require_schema(), "")
            return perform(connection, work(), self._schema)


def perform(connection: psycopg.Connection[Any], steps: Steps[T], schema: str) -> T:
    """What an operation comes to, over a connection that is in no transaction."""
    try:
        batch = next(steps)
        while True:
            batch = steps.send(_execute(connection, batch, schema))
    except StopIteration as stop:
        result: T = stop.value
        return result


def _execute(connection: psycopg.Connection[Any], batch: Sequence[Statement], schema: str) -> Sequence[Rows]:
    cursors = [psycopg.Cursor(connection, row_factory=tuple_row) for _ in batch]
    if len(batch) == 1:
        cursors[0].execute(*batch[0].of(schema), prepare=batch[0].prepare)
    else:
        with connection.pipeline():
            for cursor, statement in zip(cursors, batch, strict=True):
                cursor.execute(*statement.of(schema), prepare=statement.prepare)
    return [cursor.fetchall() if has_rows(cursor) else [] for cursor in cursors]


def has_rows(cursor: psycopg.Cursor[Any] | psycopg.AsyncCursor[Any]) -> bool:
    """Whether a statement answered with rows, none among them."""
    # Not by `description`, which tells of each column.
    return cursor.pgresult is not None and cursor.pgresult.nfields > 0


def check_options(where: object, pool: type, max_connections: int, timeout: float) -> None:
    """Raise ConfigurationError for what neither store takes."""
    if not isinstance(where, (str, pool)):
        raise ConfigurationError(
            "PostgresStore takes a conninfo or a psycopg_pool.ConnectionPool, AsyncPostgresStore a conninfo or an "
            f"AsyncConnectionPool. This is of type {type(where).__name__}."
        )
    if max_connections < 1 or timeout <= 0:
        raise ConfigurationError(f"max_connections={max_connections} and timeout={timeout} must be over 0.")


def require_durability(durability: str) -> bool:
    """Whether changes wait for the disk too. Raises ConfigurationError for a word that is none of the two."""
    if durability not in get_args(Durability):
        raise ConfigurationError(
            'durability= takes "all", for every write to wait for the disk, or "ends", for log-ins and ends alone to.'
        )
    return durability == "all"


def listening_conninfo(where: str | Pool | AsyncPool, given: str | None, timeout: float) -> str | None:
    """How `watch` reaches the server; None where that is not known."""
    conninfo = where if given is None and isinstance(where, str) else given
    return None if conninfo is None else complete(conninfo, timeout)


def require_direct(conninfo: str | None) -> str:
    """The same. Raises ConfigurationError where it is not known."""
    if conninfo is None:
        raise ConfigurationError("Listening takes a connection of its own: give the store listen_conninfo= too.")
    return conninfo


def require_schema(conninfo: str, timeout: float) -> str:
    """The schema with the tables. Over a connection of its own: the pool is made where it is used, after a fork say."""
    try:
        connection = BoundConnection.connect(conninfo, autocommit=True, prepare_threshold=None)
    except psycopg.Error as error:
        raise unreachable(error) from error
    connection.give_up = time.monotonic() + timeout
    try:
        with connection:
            return perform(connection, operations.require_schema(), "")
    except psycopg.Error as error:
        raise translated(error) from error
