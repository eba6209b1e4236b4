"""AsyncNode: the connections to one server, for an event loop. Calls of one tick of it travel together.

The connections are redis-py's; its clients and pools are not used, for they send again what may have been made.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from redis.asyncio.connection import AbstractConnection as AsyncConnection
from redis.exceptions import ConnectionError, RedisError, ResponseError

from sojourn.core.errors import ConfigurationError

from .calls import PING, pack
from .idle import HUNG_UP, PROBE_SHARE, TRUSTED, Idle, condemned
from .memory import ASK_MEMORY, Memory
from .refusal import is_refusal
from .retry import AnswerLost, NotReplicated, NotSent

__all__ = ["BUSY", "MAX_CONNECTIONS", "AsyncNode", "Batch", "Packed"]

Packed = tuple[bytes, int, bool]
"""What to send, how many answers come before the one that counts, and whether replicas must have it."""

# Of one process to one server; of each event loop. More calls wait, and then, in a loop, travel together.
MAX_CONNECTIONS = 32
REPLICA_WAIT = 1000  # ms
# A call may be late by one of so many parts of the timeout: they are looked for that often.
LOOKS = 8


class Batch:
    """Calls put together for one trip, and the answers failure apart again.

    `give_up` is when the trip is over, in seconds of time.monotonic().
    """

    def __init__(self, calls: Sequence[Packed], min_replicas: int, give_up: float) -> None:
        self.calls = list(calls)
        self.give_up = give_up
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

    def confirm(self, replies: list[Any], replicas: object) -> None:
        """Turn the answers to writes that too few replicas have into NotReplicated. `replicas` is WAIT's answer."""
        if not isinstance(replicas, int):
            self._unsure(replies, NotReplicated(f"WAIT was refused: {replicas}"))
        elif replicas < self._min_replicas:
            needed = f"{replicas} of {self._min_replicas} replicas confirmed it in {REPLICA_WAIT} ms"
            self._unsure(replies, NotReplicated(needed))

    def _unsure(self, replies: list[Any], failure: Exception) -> None:
        for index, (reply, (_, _, durable)) in enumerate(zip(replies, self.calls, strict=False)):
            if durable and not isinstance(reply, Exception):
                replies[index] = failure

    def not_sent(self, error: Exception) -> list[Any]:
        """The answers where no connection was to be had."""
        told = is_refusal(error) or isinstance(error, ConfigurationError)
        return [error if told else _because(NotSent(), error) for _ in self.calls]

    def broken_off(self, replies: list[Any], error: Exception) -> list[Any]:
        """The answers where the connection broke after `replies`."""
        if len(replies) < len(self.calls) and is_refusal(error):
            replies.append(error)
        if self.waits:
            # A write that was answered, and WAIT was not, may be on no replica.
            self._unsure(replies, _because(AnswerLost(), error))
        return replies + [_because(AnswerLost(), error) for _ in range(len(self.calls) - len(replies))]


class AsyncNode:
    """One server, for an event loop. `timeout` is the longest that a call may take, waiting for its turn included.

    `watched` and `memory`: as for Node.
    """

    def __init__(
        self,
        connect: Callable[[], AsyncConnection],
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
        self._idle: Idle[AsyncConnection] = deque()
        self._free = asyncio.Semaphore(MAX_CONNECTIONS)
        self._next_batch: Batch | None = None
        self._trips: set[asyncio.Task[None]] = set()
        self._trips_out = 0
        self._under_way: dict[AsyncConnection, float] = {}  # with when to give up
        self._overdue: set[AsyncConnection] = set()
        self._watch: asyncio.TimerHandle | None = None

    async def exchange(self, calls: Sequence[Packed], limit: float | None = None) -> list[Any]:
        """The answers, in order; an exception where there is none. `limit`: less than the timeout, in seconds.

        Where nothing is under way the calls are sent at once. Else those of one tick of the loop travel together; but
        those with a limit of their own go alone.
        """
        batch = self._next_batch
        if batch is not None and limit is None:
            return await batch.join(calls)
        batch = Batch(calls, self._min_replicas, time.monotonic() + (limit or self._timeout))
        if limit is not None or not self._trips_out:
            return await self._trip(batch) if await self._turn(batch) else batch.not_sent(BUSY)
        self._next_batch = batch
        try:
            await asyncio.sleep(0)
            is_its_turn = await self._turn(batch)
        except BaseException:
            batch.arrive([NotSent() for _ in batch.calls])
            raise
        finally:
            self._next_batch = None
        if batch.arrived is None:
            return await self._trip(batch) if is_its_turn else batch.not_sent(BUSY)
        if not is_its_turn:
            batch.arrive(batch.not_sent(BUSY))
        else:
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
            await self._idle.pop()[0].disconnect()

    async def _turn(self, batch: Batch) -> bool:
        """Wait for a connection to be free, which is the batch's then; whether one was in time."""
        if not self._free.locked():
            await self._free.acquire()  # at once
            return True
        try:
            async with asyncio.timeout(batch.give_up - time.monotonic()):
                await self._free.acquire()
        except TimeoutError:
            return False
        return True

    async def _trip_of_many(self, batch: Batch) -> None:
        replies = [AnswerLost() for _ in batch.calls]
        try:
            replies = await self._trip(batch)
        finally:
            batch.arrive(replies)

    async def _trip(self, batch: Batch) -> list[Any]:
        """One trip over one connection, whose turn it is."""
        self._trips_out += 1
        began = time.monotonic()
        try:
            try:
                connection, used_at = await self._take(began, batch.give_up)
            except (RedisError, OSError, ConfigurationError) as error:
                return batch.not_sent(error)
            return await self._talk(connection, batch, began, used_at)
        finally:
            self._trips_out -= 1
            self._free.release()

    async def _talk(self, connection: AsyncConnection, batch: Batch, began: float, used_at: float) -> list[Any]:
        self._under_way[connection] = batch.give_up
        if self._watch is None:
            self._watch = asyncio.get_running_loop().call_later(self._timeout / LOOKS, self._cut_overdue)
        replies: list[Any] = []
        try:
            await connection.send_packed_command(batch.packed(), check_health=False)
            for _, passed_over, _ in batch.calls:
                for _ in range(passed_over):
                    await _read(connection)
                replies.append(await _read(connection))
            if batch.waits:
                batch.confirm(replies, await _read(connection))
        except (RedisError, OSError) as error:
            await self._drop(connection, used_at)
            late = TimeoutError(f"no answer within {self._timeout:g} s") if connection in self._overdue else error
            return batch.broken_off(replies, late)
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        finally:
            del self._under_way[connection]
            self._overdue.discard(connection)
        self._idle.append((connection, began))
        return replies

    def _cut_overdue(self) -> None:
        # One timer for all trips: a time limit for each, as asyncio has it, takes as long as half a trip.
        now = time.monotonic()
        for late, give_up in self._under_way.items():
            if now >= give_up and (writer := late._writer) is not None:
                self._overdue.add(late)
                writer.transport.abort()
        again = asyncio.get_running_loop().call_later
        self._watch = again(self._timeout / LOOKS, self._cut_overdue) if self._under_way else None

    async def _take(self, now: float, give_up: float) -> tuple[AsyncConnection, float]:
        """A connection, and when it was last used; 0 for a new one."""
        while self._idle:
            connection, used_at = self._idle.pop()
            is_open = (reader := connection._reader) is not None and not reader.at_eof()
            if is_open and (now - used_at < TRUSTED or await self._answers(connection)):
                return connection, used_at
            await self._drop(connection, used_at)
            if self._watched:
                raise ConnectionError(HUNG_UP)
        connection = self._connect()
        try:
            async with asyncio.timeout(give_up - time.monotonic()):
                await connection.connect()
                if self._memory is not None and not self._memory.known:
                    await connection.send_packed_command(ASK_MEMORY, check_health=False)
                    self._memory.take(await _read(connection))
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        return connection, 0.0

    async def _answers(self, connection: AsyncConnection) -> bool:
        try:
            async with asyncio.timeout(self._timeout / PROBE_SHARE):
                await connection.send_packed_command(PING, check_health=False)
                await _read(connection)
        except (RedisError, OSError):
            return False
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        return True

    async def _drop(self, connection: AsyncConnection, used_at: float) -> None:
        await connection.disconnect(nowait=True)
        for other in condemned(self._idle, used_at):
            await other.disconnect(nowait=True)


async def _read(connection: AsyncConnection) -> Any:
    try:
        return await connection.read_response(disable_decoding=True)
    except ResponseError as error:
        return error


BUSY = TimeoutError("every connection is in use")


def _because(failure: Exception, error: Exception) -> Exception:
    failure.__cause__ = error
    return failure
