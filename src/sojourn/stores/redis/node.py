"""Node: the connections to one server, for threads, and for an event loop, where calls of one tick travel together.

The connections are redis-py's; its clients and pools are not used, for they send again what may have been made.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from redis.asyncio.connection import AbstractConnection as AsyncConnection
from redis.connection import AbstractConnection as Connection
from redis.exceptions import RedisError, ResponseError

from .calls import pack
from .retry import AnswerLost, NotReplicated, NotSent

__all__ = ["AsyncNode", "Node", "Packed"]

Packed = tuple[bytes, int, bool]
"""What to send, how many answers come before the one that counts, and whether replicas must have it."""

# For one event loop. More calls wait, and then travel together.
MAX_CONNECTIONS = 32
REPLICA_WAIT = 1000  # ms


class _Batch:
    """Calls put together for one trip, and the answers told apart again."""

    def __init__(self, calls: Sequence[Packed], min_replicas: int) -> None:
        self.calls = list(calls)
        self.arrived: asyncio.Future[list[Any]] | None = None
        self.waits = False
        self._min_replicas = min_replicas

    async def join(self, calls: Sequence[Packed]) -> list[Any]:
        """Add `calls` to the batch, and wait for their answers."""
        if self.arrived is None:
            self.arrived = asyncio.get_running_loop().create_future()
        first = len(self.calls)
        self.calls += calls
        return (await asyncio.shield(self.arrived))[first : first + len(calls)]

    def arrive(self, replies: list[Any]) -> None:
        """Answer those who joined."""
        if self.arrived is not None:
            self.arrived.set_result(replies)

    def packed(self) -> bytes:
        """What to send. From then on `waits` says whether the replicas' answer comes last."""
        calls = self.calls
        packed = b"".join([call[0] for call in calls]) if len(calls) > 1 else calls[0][0]
        self.waits = self._min_replicas > 0 and any([durable for _, _, durable in calls])
        return packed + pack("WAIT", self._min_replicas, REPLICA_WAIT) if self.waits else packed

    def confirm(self, replies: list[Any], replicas: int) -> None:
        """Turn the answers to writes that too few replicas have into NotReplicated."""
        if replicas >= self._min_replicas:
            return
        failure = NotReplicated(f"{replicas} of {self._min_replicas} replicas confirmed it in {REPLICA_WAIT} ms")
        for index, (_, _, durable) in enumerate(self.calls):
            if durable and not isinstance(replies[index], Exception):
                replies[index] = failure


class Node:
    """One server, for threads: each call has a connection to itself while it lasts."""

    def __init__(self, connect: Callable[[], Connection], min_replicas: int) -> None:
        self._connect = connect
        self._min_replicas = min_replicas
        self._idle: deque[Connection] = deque()
        self._pid = os.getpid()

    def exchange(self, calls: Sequence[Packed]) -> list[Any]:
        """The answers, in order; an exception where there is none."""
        batch = _Batch(calls, self._min_replicas)
        try:
            connection = self._take()
        except (RedisError, OSError) as error:
            return [_not_sent(error) for _ in calls]
        replies: list[Any] = []
        try:
            connection.send_packed_command([batch.packed()], check_health=False)
            for _, passed_over, _ in batch.calls:
                for _ in range(passed_over):
                    _read(connection)
                replies.append(_read(connection))
            if batch.waits:
                batch.confirm(replies, _read(connection))
        except (RedisError, OSError) as error:
            connection.disconnect()
            return _fill_up(replies, len(calls), error)
        except BaseException:
            connection.disconnect()
            raise
        self._idle.append(connection)
        return replies

    def close(self) -> None:
        """Close the connections that nobody uses."""
        while self._idle:
            self._idle.pop().disconnect()

    def _take(self) -> Connection:
        if self._pid != os.getpid():
            # These sockets are the parent's: two processes must not talk over one.
            self._idle, self._pid = deque(), os.getpid()
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:  # another thread was faster
                break
            if _is_open(connection):
                return connection
            connection.disconnect()
        connection = self._connect()
        connection.connect()
        return connection


class AsyncNode:
    """One server, for an event loop."""

    def __init__(self, connect: Callable[[], AsyncConnection], min_replicas: int, timeout: float) -> None:
        self._connect = connect
        self._min_replicas = min_replicas
        self._timeout = timeout
        self._idle: list[AsyncConnection] = []
        self._free = asyncio.Semaphore(MAX_CONNECTIONS)
        self._next_batch: _Batch | None = None
        self._trips: set[asyncio.Task[None]] = set()
        self._trips_out = 0
        self._under_way: dict[AsyncConnection, float] = {}  # with when to give up
        self._overdue: set[AsyncConnection] = set()
        self._watch: asyncio.TimerHandle | None = None

    async def exchange(self, calls: Sequence[Packed]) -> list[Any]:
        """The answers, in order; an exception where there is none.

        Where nothing is under way the calls are sent at once. Else those of one tick of the loop travel together.
        """
        batch = self._next_batch
        if batch is not None:
            return await batch.join(calls)
        batch = _Batch(calls, self._min_replicas)
        if not self._trips_out:
            await self._free.acquire()
            return await self._trip(batch)
        self._next_batch = batch
        try:
            await asyncio.sleep(0)
            await self._free.acquire()
        except BaseException:
            batch.arrive([NotSent() for _ in batch.calls])
            raise
        finally:
            self._next_batch = None
        if batch.arrived is None:
            return await self._trip(batch)
        # The others must not go down with this request, should its client hang up.
        trip = asyncio.create_task(self._trip_of_many(batch))
        self._trips.add(trip)
        trip.add_done_callback(self._trips.discard)
        return (await asyncio.shield(batch.arrived))[: len(calls)]

    async def close(self) -> None:
        """Close the connections that nobody uses."""
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        while self._idle:
            await self._idle.pop().disconnect()

    async def _trip_of_many(self, batch: _Batch) -> None:
        replies = [AnswerLost() for _ in batch.calls]
        try:
            replies = await self._trip(batch)
        finally:
            batch.arrive(replies)

    async def _trip(self, batch: _Batch) -> list[Any]:
        """One trip over one connection, which `_free` was acquired for."""
        self._trips_out += 1
        try:
            try:
                connection = await self._take()
            except (RedisError, OSError) as error:
                return [_not_sent(error) for _ in batch.calls]
            return await self._talk(connection, batch)
        finally:
            self._trips_out -= 1
            self._free.release()

    async def _talk(self, connection: AsyncConnection, batch: _Batch) -> list[Any]:
        self._under_way[connection] = time.monotonic() + self._timeout
        if self._watch is None:
            self._watch = asyncio.get_running_loop().call_later(self._timeout / 4, self._cut_overdue)
        replies: list[Any] = []
        try:
            await connection.send_packed_command(batch.packed(), check_health=False)
            for _, passed_over, _ in batch.calls:
                for _ in range(passed_over):
                    await _read_async(connection)
                replies.append(await _read_async(connection))
            if batch.waits:
                batch.confirm(replies, await _read_async(connection))
        except (RedisError, OSError) as error:
            await connection.disconnect(nowait=True)
            late = TimeoutError(f"no answer within {self._timeout:g} s") if connection in self._overdue else error
            return _fill_up(replies, len(batch.calls), late)
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        finally:
            del self._under_way[connection]
            self._overdue.discard(connection)
        self._idle.append(connection)
        return replies

    def _cut_overdue(self) -> None:
        # One timer for all trips: a time limit for each, as asyncio has it, takes as long as half a trip.
        now = time.monotonic()
        for late, give_up in self._under_way.items():
            if now >= give_up and (writer := late._writer) is not None:
                self._overdue.add(late)
                writer.transport.abort()
        again = asyncio.get_running_loop().call_later
        self._watch = again(self._timeout / 4, self._cut_overdue) if self._under_way else None

    async def _take(self) -> AsyncConnection:
        while self._idle:
            connection = self._idle.pop()
            if (reader := connection._reader) is not None and not reader.at_eof():
                return connection
            await connection.disconnect(nowait=True)
        connection = self._connect()
        await connection.connect()
        return connection


def _read(connection: Connection) -> Any:
    try:
        return connection.read_response(disable_decoding=True)
    except ResponseError as error:
        return error


async def _read_async(connection: AsyncConnection) -> Any:
    try:
        return await connection.read_response(disable_decoding=True)
    except ResponseError as error:
        return error


def _is_open(connection: Connection) -> bool:
    try:
        # Something to read before anything was asked: the server's farewell, or the end of the stream.
        return not connection.can_read(timeout=0)
    except (RedisError, OSError):
        return False


def _fill_up(replies: list[Any], count: int, error: Exception) -> list[Any]:
    if len(replies) < count and _is_answer(error):
        replies.append(error)
    return replies + [_because(AnswerLost(), error) for _ in range(count - len(replies))]


def _not_sent(error: Exception) -> Exception:
    return error if _is_answer(error) else _because(NotSent(), error)


def _is_answer(error: Exception) -> bool:
    # That it is loading, or wants another password, redis-py tells as if the connection were broken.
    return getattr(error, "status_code", None) is not None


def _because(failure: Exception, error: Exception) -> Exception:
    failure.__cause__ = error
    return failure
