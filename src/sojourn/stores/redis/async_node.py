"""AsyncNode: the connections to one server, for an event loop. Its calls share one, each behind those that wait.

The connections are redis-py's; its clients and pools are not used, for they send again what may have been made.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

from redis.asyncio.connection import AbstractConnection as AsyncConnection
from redis.exceptions import ConnectionError, RedisError

from sojourn.core.errors import ConfigurationError

from .calls import PING, pack
from .errors import is_refusal
from .eviction import ASK_MEMORY, Memory
from .idle import HUNG_UP, PROBE_SHARE, TRUSTED, Idle, condemned
from .protocol import Question, RedisProtocol
from .retry import AnswerLost, NotReplicated, NotSent

__all__ = ["BUSY", "MAX_CONNECTIONS", "AsyncNode", "Batch", "Packed"]

Packed = tuple[bytes, int, bool]
"""What to send, how many answers come before the one that counts, and whether replicas must have it."""

# Of one process to one server; of each event loop, beside the one that calls share. More calls wait.
MAX_CONNECTIONS = 32
REPLICA_WAIT = 1000  # ms
# A call may be late by one of so many parts of the timeout: they are looked for that often.
LOOKS = 8


class Batch:
    """Calls put together for one trip, and the answers failure apart again.

    `give_up` is when the trip is over, in seconds of time.monotonic().
    """

    def __init__(self, calls: Sequence[Packed], min_replicas: int, give_up: float) -> None:
        self.calls = calls
        self.give_up = give_up
        self.waits = min_replicas > 0 and any([durable for _, _, durable in calls])
        self._min_replicas = min_replicas

    def packed(self) -> tuple[bytes, int]:
        """What to send, and how many answers there will be."""
        calls = self.calls
        if len(calls) == 1 and not self.waits:
            return calls[0][0], 1 + calls[0][1]
        whole = b"".join([packed for packed, _, _ in calls])
        expected = len(calls) + sum([passed_over for _, passed_over, _ in calls])
        return (
            (whole + pack("WAIT", self._min_replicas, REPLICA_WAIT), expected + 1) if self.waits else (whole, expected)
        )

    def own(self, replies: list[Any]) -> list[Any]:
        """Of the answers that came so far those that count."""
        places = accumulate([passed_over + 1 for _, passed_over, _ in self.calls], initial=-1)
        return [replies[place] for place in list(places)[1:] if place < len(replies)]

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
        self._idle: Idle[RedisProtocol] = deque()
        self._free = asyncio.Semaphore(MAX_CONNECTIONS)
        self._shared: RedisProtocol | None = None
        self._sharing = asyncio.Lock()
        self._apart: set[RedisProtocol] = set()
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
        if shared is not None and all([question.arrived.done() for question in shared.asked]):
            self._shared = None
            self._idle.append((shared, shared.used_at))
        if self._shared is None and self._watch is not None:
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
                    self._apart.add(shared)
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
            self._apart.add(connection)
            try:
                return await self._talk(connection, batch)
            except BaseException:
                await connection.disconnect()
                raise
            finally:
                self._rejoin(connection)
        except (RedisError, OSError, ConfigurationError) as error:
            return batch.not_sent(error)
        finally:
            self._free.release()

    def _rejoin(self, connection: RedisProtocol) -> None:
        if connection in self._apart:
            self._apart.discard(connection)
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
        under_way = [each for each in (self._shared, *self._apart) if each is not None and each.asked]
        for each in under_way:
            if now >= each.asked[0].give_up:
                each.abort(TimeoutError(f"no answer within {self._timeout:g} s"))
        for each in [each for each in self._apart if not each.asked]:
            self._rejoin(each)
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


BUSY = TimeoutError("every connection is in use")


def _because(failure: Exception, error: Exception) -> Exception:
    failure.__cause__ = error
    return failure
