"""Node: the connections to one server, for threads.

The connections are redis-py's; its clients and pools are not used, for they send again what may have been made.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from redis.connection import AbstractConnection as Connection
from redis.exceptions import ConnectionError, RedisError, ResponseError

from sojourn.core.errors import ConfigurationError

from .batch import BUSY, MAX_CONNECTIONS, Batch, Packed
from .calls import PING
from .eviction import ASK_MEMORY, Memory
from .idle import HUNG_UP, PROBE_SHARE, TRUSTED, Idle, condemned

__all__ = ["Node"]


class Node:
    """One server: each call has a connection to itself while it lasts. `timeout` is the longest that it may.

    Up to MAX_CONNECTIONS at once; who comes then waits for its turn. `watched`: by Sentinels, which are asked before
    what hung up is called again. `memory`: the server's, judged over the first connection.
    """

    def __init__(
        self,
        connect: Callable[[], Connection],
        min_replicas: int,
        timeout: float,
        watched: bool = False,
        memory: Memory | None = None,
    ) -> None:
        self._connect = connect
        self._min_replicas = min_replicas
        self._timeout = timeout
        self._watched = watched
        self._memory = memory
        self._idle: Idle[Connection] = deque()
        self._free = threading.Semaphore(MAX_CONNECTIONS)
        self._pid = os.getpid()

    def exchange(self, calls: Sequence[Packed], limit: float | None = None) -> list[Any]:
        """The answers, in order; an exception where there is none. `limit`: less than the timeout, in seconds."""
        began = time.monotonic()
        batch = Batch(calls, self._min_replicas, began + (limit or self._timeout))
        if self._pid != os.getpid():
            # These sockets are the parent's: two processes must not talk over one.
            self._idle, self._free, self._pid = deque(), threading.Semaphore(MAX_CONNECTIONS), os.getpid()
        free = self._free
        if not free.acquire(timeout=limit or self._timeout):
            return batch.not_sent(BUSY)
        try:
            return self._exchange(batch, began, limit)
        finally:
            free.release()

    def _exchange(self, batch: Batch, began: float, limit: float | None) -> list[Any]:
        try:
            connection, used_at = self._take(began, limit)
        except (RedisError, OSError, ConfigurationError) as error:
            return batch.not_sent(error)
        replies: list[Any] = []
        try:
            if limit is not None:
                _bound(connection, limit)
            connection.send_packed_command([batch.packed()[0]], check_health=False)
            for _, passed_over, _ in batch.calls:
                for _ in range(passed_over):
                    _read(connection)
                replies.append(_read(connection))
            if batch.waits:
                batch.confirm(replies, _read(connection))
            if limit is not None:
                _bound(connection, self._timeout)
        except (RedisError, OSError) as error:
            self._drop(connection, used_at)
            return batch.broken_off(replies, error)
        except BaseException:
            connection.disconnect()
            raise
        self._idle.append((connection, began))
        return replies

    def close(self) -> None:
        """Close the connections that nobody uses."""
        while self._idle:
            self._idle.pop()[0].disconnect()

    def _take(self, now: float, limit: float | None) -> tuple[Connection, float]:
        """A connection, and when it was last used; 0 for a new one."""
        while self._idle:
            try:
                connection, used_at = self._idle.pop()
            except IndexError:  # another thread was faster
                break
            if _is_open(connection) and (now - used_at < TRUSTED or self._answers(connection)):
                return connection, used_at
            self._drop(connection, used_at)
            if self._watched:
                raise ConnectionError(HUNG_UP)
        connection = self._connect()
        if limit is not None:
            connection.socket_timeout = connection.socket_connect_timeout = limit
        connection.connect()
        try:
            self._judge(connection)
        except BaseException:
            connection.disconnect()
            raise
        _bound(connection, self._timeout)
        return connection, 0.0

    def _judge(self, connection: Connection) -> None:
        if self._memory is not None and not self._memory.known:
            connection.send_packed_command([ASK_MEMORY], check_health=False)
            self._memory.take(_read(connection))

    def _answers(self, connection: Connection) -> bool:
        try:
            _bound(connection, self._timeout / PROBE_SHARE)
            connection.send_packed_command([PING], check_health=False)
            _read(connection)
            _bound(connection, self._timeout)
        except (RedisError, OSError):
            return False
        return True

    def _drop(self, connection: Connection, used_at: float) -> None:
        connection.disconnect()
        for other in condemned(self._idle, used_at):
            other.disconnect()


def _bound(connection: Connection, seconds: float) -> None:
    """Wait for the server so long, and no longer."""
    sock: Any = connection._sock  # its type says None
    sock.settimeout(seconds)


def _read(connection: Connection) -> Any:
    try:
        return connection.read_response(disable_decoding=True)
    except ResponseError as error:
        return error


def _is_open(connection: Connection) -> bool:
    try:
        # Something to read before anything was asked: the server's farewell, or the end of the stream.
        return not connection.can_read(timeout=0)
    except (RedisError, OSError):
        return False
