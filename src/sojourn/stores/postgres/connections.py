"""Connections from a pool of the store's own or its caller's, lent one at a time, whole and outside any transaction."""

from __future__ import annotations

import asyncio
import math
import os
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeAlias

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import TransactionStatus
from psycopg_pool import AsyncConnectionPool, ConnectionPool

from sojourn.core.errors import ConfigurationError

from .bound_connection import CANCEL_TIMEOUT, AsyncBoundConnection, BoundConnection, answers, answers_async, is_cut
from .idleness import Idleness
from .tables import HARDEN

__all__ = ["AsyncPool", "AsyncPostgresConnections", "Pool", "PostgresConnections", "complete"]

# Between two looks for a server that is away, in seconds.
RECONNECT_PAUSE = 0.5
HARDEN_TIMEOUT = 5.0
# psycopg's own: a statement asked so often over a connection is prepared.
PREPARED_AFTER = 5

# So that no router in between forgets a connection that is idle: the kernel sends a sign of life after 15 s, and gives
# the connection up after three that are not answered.
_KEEPALIVE = {"keepalives": 1, "keepalives_idle": 15, "keepalives_interval": 5, "keepalives_count": 3}

Pool: TypeAlias = "ConnectionPool[psycopg.Connection[Any]]"
AsyncPool: TypeAlias = "AsyncConnectionPool[psycopg.AsyncConnection[Any]]"


def complete(conninfo: str, timeout: float) -> str:
    """`conninfo` with what it leaves open. Raises ConfigurationError, without its words, where it cannot be read."""
    try:
        given = conninfo_to_dict(conninfo)
    except psycopg.ProgrammingError:
        raise ConfigurationError(
            "PostgreSQL's client cannot read this conninfo. Write postgresql://user:password@host:5432/database"
        ) from None
    ours: dict[str, Any] = {"connect_timeout": math.ceil(timeout), "fallback_application_name": "sojourn", **_KEEPALIVE}
    # Not to be chosen: whatever PGCLIENTENCODING says, a session may hold any text.
    return make_conninfo("", **{**ours, **given, "client_encoding": "utf8"})


def _own_pool(conninfo: str, max_connections: int) -> dict[str, Any]:
    return {
        "name": "sojourn",
        "conninfo": conninfo,
        # See _harden.
        "kwargs": {"autocommit": True, "prepare_threshold": None},
        "min_size": 0,
        "max_size": max_connections,
        "open": False,
        # Then trials end. The next one comes with whoever still waits (see _try_again), however long the server is
        # away: by itself, a pool would wait longer and longer.
        "reconnect_timeout": RECONNECT_PAUSE,
    }


def _harden(connection: psycopg.Connection[Any]) -> None:
    """Have no name but the server's own found by search_path; where a pooler is in between, the statements suffice.

    And what is asked often is prepared: not behind a pooler, where the next one may meet another server process.
    """
    if isinstance(connection, BoundConnection):
        connection.give_up = time.monotonic() + HARDEN_TIMEOUT
    if connection.execute(HARDEN, (connection.info.backend_pid,)).fetchone():
        connection.prepare_threshold = PREPARED_AFTER


async def _harden_async(connection: psycopg.AsyncConnection[Any]) -> None:
    if isinstance(connection, AsyncBoundConnection):
        connection.give_up = time.monotonic() + HARDEN_TIMEOUT
    if await (await connection.execute(HARDEN, (connection.info.backend_pid,))).fetchone():
        connection.prepare_threshold = PREPARED_AFTER


def _try_again(pool: Pool) -> None:
    time.sleep(RECONNECT_PAUSE)
    if pool.get_stats().get("requests_waiting"):
        pool.check()


async def _try_again_async(pool: AsyncPool) -> None:
    await asyncio.sleep(RECONNECT_PAUSE)
    if pool.get_stats().get("requests_waiting"):
        await pool.check()


class PostgresConnections:
    """For threads. An own pool is opened with the first use, and anew in a forked child."""

    def __init__(self, where: str | Pool, max_connections: int, timeout: float) -> None:
        self._where = where
        self._max_connections = max_connections
        self._idleness = Idleness(timeout)
        self._lock = threading.Lock()
        self._pool: Pool | None = None
        self._pid = 0

    @contextmanager
    def lend(self, wait_until: float, give_up: float) -> Iterator[psycopg.Connection[Any]]:
        """A connection that works, in autocommit; what it was in the middle of at the end is undone.

        Until `wait_until` one is waited for, and until `give_up` its answers: both by time.monotonic().
        """
        pool = self._open()
        while not self._works(connection := pool.getconn(timeout=max(wait_until - time.monotonic(), 0.001))):
            connection.pgconn.finish()
            pool.putconn(connection)
        was_autocommit = connection.autocommit
        if isinstance(connection, BoundConnection):
            connection.give_up = give_up
        try:
            if not was_autocommit:
                connection.autocommit = True
            yield connection
        except errors.ReadOnlySqlTransaction:
            # It was the primary once. Its successor is looked for over a new connection.
            connection.pgconn.finish()
            raise
        finally:
            self._settle(connection, was_autocommit)
            self._idleness.note(connection)
            pool.putconn(connection)

    def _works(self, connection: psycopg.Connection[Any]) -> bool:
        if is_cut(connection):
            return False
        patience = self._idleness.probe(connection)
        if patience is None or (patience and answers(connection, patience)):
            return True
        self._idleness.condemn(connection)
        return False

    def close(self) -> None:
        """Close the own pool; a later use opens another."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None and self._pid == os.getpid():
            pool.close()

    def _open(self) -> Pool:
        if not isinstance(self._where, str):
            return self._where
        pool = self._pool
        if pool is not None and self._pid == os.getpid():
            return pool
        with self._lock:
            if self._pool is None or self._pid != os.getpid():
                if self._pool is not None:
                    # The parent's sockets, and threads that are not here.
                    _inherited.append(self._pool)
                pool = ConnectionPool(
                    connection_class=BoundConnection,
                    configure=_harden,
                    reconnect_failed=_try_again,
                    **_own_pool(self._where, self._max_connections),
                )
                pool.open()
                # In this order: who comes without the lock looks at both.
                self._pool, self._pid = pool, os.getpid()
            return self._pool

    @staticmethod
    def _settle(connection: psycopg.Connection[Any], was_autocommit: bool) -> None:
        status = connection.pgconn.transaction_status
        try:
            if status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
                connection.rollback()
            elif status == TransactionStatus.ACTIVE:
                connection.cancel_safe(timeout=CANCEL_TIMEOUT)
                connection.pgconn.finish()
            if not was_autocommit and not connection.closed:
                connection.autocommit = False
        except psycopg.Error:
            connection.pgconn.finish()


class AsyncPostgresConnections:
    """For an event loop. An own pool is opened with the first use, and anew in the next loop."""

    def __init__(self, where: str | AsyncPool, max_connections: int, timeout: float) -> None:
        self._where = where
        self._max_connections = max_connections
        self._idleness = Idleness(timeout)
        self._pool: AsyncPool | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @asynccontextmanager
    async def lend(self, wait_until: float, give_up: float) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        """As PostgresConnections.lend."""
        pool = await self._open()
        while not await self._works(
            connection := await pool.getconn(timeout=max(wait_until - time.monotonic(), 0.001))
        ):
            connection.pgconn.finish()
            await pool.putconn(connection)
        was_autocommit = connection.autocommit
        if isinstance(connection, AsyncBoundConnection):
            connection.give_up = give_up
        try:
            if not was_autocommit:
                await connection.set_autocommit(True)
            yield connection
        except errors.ReadOnlySqlTransaction:
            connection.pgconn.finish()
            raise
        finally:
            await self._settle(connection, was_autocommit)
            self._idleness.note(connection)
            await pool.putconn(connection)

    async def _works(self, connection: psycopg.AsyncConnection[Any]) -> bool:
        if is_cut(connection):
            return False
        patience = self._idleness.probe(connection)
        if patience is None or (patience and await answers_async(connection, patience)):
            return True
        self._idleness.condemn(connection)
        return False

    async def close(self) -> None:
        """As PostgresConnections.close."""
        pool, self._pool = self._pool, None
        if pool is not None and self._loop is asyncio.get_running_loop():
            await pool.close()

    async def _open(self) -> AsyncPool:
        if not isinstance(self._where, str):
            return self._where
        loop = asyncio.get_running_loop()
        if self._pool is None or self._loop is not loop:
            pool: AsyncPool = AsyncConnectionPool(
                connection_class=AsyncBoundConnection,
                configure=_harden_async,
                reconnect_failed=_try_again_async,
                **_own_pool(self._where, self._max_connections),
            )
            await pool.open()
            self._pool, self._loop = pool, loop
        return self._pool

    @staticmethod
    async def _settle(connection: psycopg.AsyncConnection[Any], was_autocommit: bool) -> None:
        status = connection.pgconn.transaction_status
        try:
            if status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
                await connection.rollback()
            elif status == TransactionStatus.ACTIVE:
                await connection.cancel_safe(timeout=CANCEL_TIMEOUT)
                connection.pgconn.finish()
            if not was_autocommit and not connection.closed:
                await connection.set_autocommit(False)
        except psycopg.Error:
            connection.pgconn.finish()


# Pools that a parent process opened: to end one here would end the parent's connections, or wait for its threads.
_inherited: list[Pool] = []
