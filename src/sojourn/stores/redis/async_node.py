"""AsyncNode: the connections to one server, for an event loop. Its calls share one, each behind those that wait.

The connections are redis-py's; its clients and pools are not used, for they send again what may have been made.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from redis.asyncio.connection import AbstractConnection as AsyncConnection
from redis.exceptions import ConnectionError, RedisError

from sojourn.core.errors import ConfigurationError

from .batch import BUSY, MAX_CONNECTIONS, Batch, Packed
from .calls import PING
from .eviction import ASK_MEMORY, Memory
from .idle import HUNG_UP, PROBE_SHARE, TRUSTED, Idle, condemned
from .protocol import Question, RedisProtocol

__all__ = ["AsyncNode"]

# A call may be late by one of so many parts of the timeout: they are looked for that often.
LOOKS = 8


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
        self._idle: Idle[RedisProtocol] = deque()
        self._free = asyncio.Semaphore(MAX_CONNECTIONS)
        self._shared: RedisProtocol | None = None
        self._sharing = asyncio.Lock()
        # Each is one call's, which alone gives it back; and those that were shared, left to those who wait there.
        self._lent: set[RedisProtocol] = set()
        self._left: set[RedisProtocol] = set()
        self._watch: asyncio.TimerHandle | None = None

    async def exchange(self, calls: Sequence[Packed], limit: float | None = None) -> list[Any]:
        """The answers, in order; an exception where there is none. `limit`: less than the timeout, in seconds.

        All calls share one connection, one behind the other. But those with a limit, and those that wait for replicas
        and would hold up the others, have one to themselves.
        """
        now = time.monotonic()
        give_up = now + (limit or self._timeout)
        batch = None
        if limit is not None or len(calls) > 1 or self._min_replicas:
            batch = Batch(calls, self._min_replicas, give_up)
            if limit is not None or batch.waits:
                return await self._exchange_alone(batch, now)
        shared = self._shared
        if shared is None or not self._is_trusted(shared, now):
            try:
                shared = await self._share(now, give_up)
            except (RedisError, OSError, ConfigurationError) as error:
                return (batch or Batch(calls, 0, give_up)).not_sent(error)
        shared.used_at = now
        packed, passed_over, _ = calls[0]
        if batch is not None or passed_over:
            return await self._talk(shared, batch or Batch(calls, 0, give_up))
        # As _talk, written out: each request passes here.
        question = self._ask(shared, packed, 1, give_up)
        try:
            return await question.arrived
        except (RedisError, OSError) as error:
            return await self._broken(shared, Batch(calls, 0, give_up), question, error)

    async def close(self) -> None:
        """Close the connections that nobody uses."""
        shared = self._shared
        if shared is not None and not shared.is_awaited:
            self._shared = None
            self._left.add(shared)
        for each in [each for each in self._left if not each.is_awaited]:
            self._left.discard(each)
            self._idle.append((each, each.used_at))
        if self._watch is not None and not (self._shared or self._left or self._lent):
            self._watch.cancel()
            self._watch = None
        while self._idle:
            await self._idle.pop()[0].disconnect(wait=True)

    def _is_trusted(self, shared: RedisProtocol, now: float) -> bool:
        if shared.closed:
            return False
        if shared.asked:
            # One that the network forgot while it was in use takes no more with it than came in that time.
            return now < shared.asked[0].give_up - self._timeout * (1 - 1 / PROBE_SHARE)
        return now - shared.used_at < TRUSTED

    async def _share(self, now: float, give_up: float) -> RedisProtocol:
        """The connection that all share, probed or made by one of those who ask for it."""
        async with asyncio.timeout(give_up - time.monotonic()), self._sharing:
            shared = self._shared
            if shared is None or not self._is_trusted(shared, now):
                self._shared = None
                if shared is not None and shared.asked:
                    self._left.add(shared)
                elif shared is not None:
                    self._idle.append((shared, shared.used_at))
                shared = (await self._take(now, give_up))[0]
                shared.used_at = now
                self._shared = shared
            return shared

    async def _exchange_alone(self, batch: Batch, now: float) -> list[Any]:
        try:
            async with asyncio.timeout(batch.give_up - now):
                await self._free.acquire()
        except TimeoutError:
            return batch.not_sent(BUSY)
        try:
            connection, _ = await self._take(now, batch.give_up)
            connection.used_at = now
            self._lent.add(connection)
            try:
                return await self._talk(connection, batch)
            except BaseException:
                await connection.disconnect()
                raise
            finally:
                self._lent.discard(connection)
                self._put_by(connection)
        except (RedisError, OSError, ConfigurationError) as error:
            return batch.not_sent(error)
        finally:
            self._free.release()

    def _put_by(self, connection: RedisProtocol) -> None:
        if not connection.closed:
            self._idle.append((connection, connection.used_at))

    async def _talk(self, connection: RedisProtocol, batch: Batch) -> list[Any]:
        question = self._ask(connection, *batch.packed(), batch.give_up)
        try:
            replies = await question.arrived
        except (RedisError, OSError) as error:
            return await self._broken(connection, batch, question, error)
        own = batch.own(replies)
        if batch.waits:
            batch.confirm(own, replies[-1])
        return own

    def _ask(self, connection: RedisProtocol, packed: bytes, expected: int, give_up: float) -> Question:
        if self._watch is None:
            self._watch = asyncio.get_running_loop().call_later(self._timeout / LOOKS, self._cut_overdue)
        return connection.ask(packed, expected, give_up)

    async def _broken(self, connection: RedisProtocol, batch: Batch, question: Question, error: Exception) -> list[Any]:
        if self._shared is connection:
            self._shared = None
        await self._drop(connection, connection.used_at)
        return batch.broken_off(batch.own(question.replies), error)

    def _cut_overdue(self) -> None:
        # One timer for all calls: a time limit for each, as asyncio has it, takes as long as half a call.
        now = time.monotonic()
        under_way = [each for each in (self._shared, *self._left, *self._lent) if each is not None and each.asked]
        for each in under_way:
            if now >= each.asked[0].give_up:
                each.abort(TimeoutError(f"no answer within {self._timeout:g} s"))
        for each in [each for each in self._left if not each.asked]:
            self._left.discard(each)
            self._put_by(each)
        again = asyncio.get_running_loop().call_later
        self._watch = again(self._timeout / LOOKS, self._cut_overdue) if under_way else None

    async def _take(self, now: float, give_up: float) -> tuple[RedisProtocol, float]:
        """A connection, and when it was last used; 0 for a new one."""
        while self._idle:
            connection, used_at = self._idle.pop()
            if not connection.closed and (now - used_at < TRUSTED or await self._answers(connection)):
                return connection, used_at
            await self._drop(connection, used_at)
            if self._watched:
                raise ConnectionError(HUNG_UP)
        return await self._new(give_up), 0.0

    async def _new(self, give_up: float) -> RedisProtocol:
        streams = self._connect()
        ask_memory = self._memory is not None and not self._memory.known
        try:
            async with asyncio.timeout(give_up - time.monotonic()):
                await streams.connect()
                connection = RedisProtocol(streams)
                # A server that has no connection left, or loads its file, says so before anybody relies on this one.
                (answer,) = await connection.ask(ASK_MEMORY if ask_memory else PING, 1, give_up).arrived
                if isinstance(answer, ConnectionError):
                    raise answer  # noqa: TRY301  # to be closed, as after any other failure
                if ask_memory and self._memory is not None:
                    self._memory.take(answer)
                return connection
        except BaseException:
            await streams.disconnect(nowait=True)
            raise

    async def _answers(self, connection: RedisProtocol) -> bool:
        try:
            async with asyncio.timeout(self._timeout / PROBE_SHARE):
                await connection.ask(PING, 1, math.inf).arrived
        except (RedisError, OSError):
            return False
        except BaseException:
            await connection.disconnect()
            raise
        return True

    async def _drop(self, connection: RedisProtocol, used_at: float) -> None:
        await connection.disconnect()
        for other in condemned(self._idle, used_at):
            await other.disconnect()
