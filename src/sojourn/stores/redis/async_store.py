"""AsyncRedisStore: carries an operation's calls to the nodes, and the answers back, for event loops."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from redis.asyncio.connection import AbstractConnection as AsyncConnection

from sojourn.core.errors import EndReason, StoreUnavailable
from sojourn.core.record import Record
from sojourn.core.store import Applied, Bar, Commit, Create, End, Mark, Refused, Stats, Watcher

from . import operations, user_sessions
from .async_node import AsyncNode
from .blob import decode_record
from .calls import Address, Call, Steps
from .connections import async_connect
from .eviction import Memory
from .key_names import get_command
from .retry import QUESTION_SHARE, PendingCalls, limit_of
from .scan import Scan, Sweep, erase, stats
from .store import KEEP_ENDED, TIMEOUT, RedisStore
from .topology import Topology, topology_of
from .url import parse

__all__ = ["AsyncRedisStore"]

T = TypeVar("T")


class AsyncRedisStore:
    """RedisStore for event loops. The calls of a loop share one connection; each loop has connections of its own."""

    expires_by_itself = True

    def __init__(
        self, url: str, *, min_replicas: int = 0, timeout: float = TIMEOUT, keep_ended: float = KEEP_ENDED
    ) -> None:
        self._url = url
        self._location = parse(url)
        self._topology: Topology = topology_of(self._location)
        self._min_replicas = min_replicas or self._location.min_replicas
        self._timeout = timeout
        self._keep = int(keep_ended * 1000)
        self._here: tuple[asyncio.AbstractEventLoop | None, _Loop] = (None, _Loop())
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, _Loop] = WeakKeyDictionary()
        self._memories: dict[Address, Memory] = {}
        self._scan = Scan()
        self._sweep = Sweep()
        self._connect(self._location.addresses[0])  # so that a wrong option fails now

    async def get(self, id: str) -> Record | None:
        """As Store.get."""
        raw = (await self._perform([Call(*get_command(id), repeatable=True)]))[0]
        return None if raw is None else decode_record(id, raw)

    async def create(self, create: Create) -> Applied | Refused:
        """As Store.create."""
        return await self._run(operations.create(create, self._keep))

    async def commit(self, commit: Commit) -> Applied | Refused:
        """As Store.commit."""
        return await self._run(operations.commit(commit, self._keep))

    async def end(self, end: End) -> Record | None:
        """As Store.end."""
        return await self._run(operations.end(end, self._keep))

    async def end_all(
        self, user_id: str, reason: EndReason, now: int, keep: str | None = None, realm: str = ""
    ) -> Sequence[str]:
        """As Store.end_all."""
        return await self._run(user_sessions.end_all(user_id, reason, now, keep, realm, self._keep), long=True)

    async def bar(self, now: int, realm: str = "") -> None:
        """As Store.bar. 4,096 small keys."""
        await self._run(operations.bar(now, realm), long=True)

    async def list(
        self, user_id: str, now: int, realm: str = "", after: str = "", limit: int = 100
    ) -> Sequence[Record]:
        """As Store.list."""
        return await self._run(user_sessions.of_user(user_id, now, realm, after, limit))

    async def erase(self, user_id: str, realm: str = "") -> int:
        """As Store.erase. Looks at every key."""
        return await self._run(erase(user_id, realm, await self._primaries()), long=True)

    async def put_mark(self, mark: Mark) -> bool:
        """As Store.put_mark."""
        return await self._run(operations.put_mark(mark))

    async def get_mark(self, id: str) -> Mark | None:
        """As Store.get_mark."""
        return await self._run(operations.get_mark(id))

    async def put_bar(self, bar: Bar) -> None:
        """As Store.put_bar."""
        await self._run(operations.put_bar(bar), long=True)

    async def marks(self, after: str, limit: int) -> Sequence[Mark]:
        """As Store.marks. Looks at every key once for many pages."""
        return await self._run(self._scan.marks(after, limit, await self._primaries(), time.monotonic()), long=True)

    async def bars(self, after: str, limit: int) -> Sequence[Bar]:
        """As Store.bars. Looks at every key once for many pages."""
        return await self._run(self._scan.bars(after, limit, await self._primaries(), time.monotonic()), long=True)

    async def end_expired(self, now: int, limit: int) -> int:
        """As Store.end_expired. Nothing to do: what ran out leaves Redis by itself, `keep_ended` later."""
        return 0

    async def delete_expired(self, before: int, limit: int) -> int:
        """As Store.delete_expired. Redis does it by itself; this looks at every key."""
        return await self._run(self._sweep.delete_expired(before, limit, await self._primaries()), long=True)

    async def scan(self, after: str, limit: int) -> Sequence[Record]:
        """As Store.scan. Looks at every key once for many pages."""
        return await self._run(self._scan.page(after, limit, await self._primaries(), time.monotonic()), long=True)

    async def stats(self, now: int) -> Stats:
        """As Store.stats. Reads every session."""
        return await self._run(stats(now, await self._primaries()), long=True)

    def watch(self, watcher: Watcher, interval: float) -> None:
        """As RedisStore.watch: for a thread of its own."""
        beside = RedisStore(self._url, timeout=self._timeout)
        # What either learns of the primaries the other knows.
        beside._topology = self._topology
        try:
            beside.watch(watcher, interval)
        finally:
            beside.close()

    async def close(self) -> None:
        """As Store.close."""
        await self._at_work().close()

    async def _run(self, steps: Steps[T], *, long: bool = False) -> T:
        """One time limit for all steps; of a long operation, for each."""
        give_up = time.monotonic() + self._timeout
        try:
            calls = next(steps)
            while True:
                try:
                    answers = await self._perform(calls, None if long else give_up)
                except StoreUnavailable as error:
                    calls = steps.throw(error)
                else:
                    calls = steps.send(answers)
        except StopIteration as stop:
            result: T = stop.value
            return result

    async def _perform(self, calls: Sequence[Call], give_up: float | None = None) -> Sequence[Any]:
        limit, answers = None, []
        if give_up is None:
            give_up = time.monotonic() + self._timeout
        else:
            limit = limit_of(give_up - time.monotonic(), self._timeout)
        # One call that is answered at once, which is what a request makes, needs no PendingCalls.
        first = calls[0]
        address = None if len(calls) > 1 else first.node or self._topology.address(first.key)
        if address is not None:
            answers = await self._node(address).exchange([(first.packed, 0, first.durable)], limit)
            if not isinstance(answers[0], Exception):
                return answers
        pending = PendingCalls(calls, self._topology, give_up, self._timeout)
        if answers:
            pending.take([0], answers)
            await self._between_rounds(pending)
        while not pending.done:
            for address, indexes in pending.batches().items():
                calls_there = [pending.packed(index) for index in indexes]
                pending.take(indexes, await self._node(address).exchange(calls_there, pending.limit(time.monotonic())))
            await self._between_rounds(pending)
        return pending.answers

    async def _between_rounds(self, pending: PendingCalls) -> None:
        pending.next_round(time.monotonic())
        if pending.pause:
            await asyncio.sleep(pending.pause)
        if pending.needs_discovery:
            pending.needs_discovery = False
            # One for all who need it at the same time.
            here = self._at_work()
            if here.discovery is None or here.discovery.done():
                here.discovery = asyncio.create_task(self._discover())
            try:
                async with asyncio.timeout(pending.limit(time.monotonic())):
                    await asyncio.shield(here.discovery)
            except StoreUnavailable as error:
                pending.discovery_failed(error)
            except TimeoutError:
                pending.discovery_failed(StoreUnavailable("Redis did not say in time who has what."))

    async def _discover(self) -> None:
        steps, limit = self._topology.discover(), self._timeout / QUESTION_SHARE
        answer: object
        with suppress(StopIteration):
            question = next(steps)
            while True:
                node = self._node(question.address, question.to_sentinel)
                try:
                    # Over the connection that all share: the others may all be taken, by writes that wait for replicas.
                    async with asyncio.timeout(limit):
                        (answer,) = await node.exchange([(question.packed, 0, False)])
                except TimeoutError:
                    answer = TimeoutError(f"no answer within {limit:g} s")
                question = steps.send(answer)

    async def _discovered(self) -> Sequence[Address]:
        await self._discover()
        return self._topology.primaries()

    async def _primaries(self) -> Sequence[Address]:
        pending = PendingCalls((), self._topology, time.monotonic() + self._timeout, self._timeout)
        while not self._topology.primaries():
            pending.needs_discovery = True
            await self._between_rounds(pending)
        return self._topology.primaries()

    def _node(self, address: Address, to_sentinel: bool = False) -> AsyncNode:
        loop, here = self._here
        if loop is not asyncio.get_running_loop():
            here = self._at_work()
        node = here.nodes.get((address, to_sentinel))
        if node is None:
            watched = self._location.kind == "sentinel" and not to_sentinel
            judged = not to_sentinel and not self._location.allow_eviction
            memory = self._memories.setdefault(address, Memory(address)) if judged else None
            maker = self._connect(address, to_sentinel)
            node = AsyncNode(maker, self._min_replicas, self._timeout, watched, memory)
            here.nodes[address, to_sentinel] = node
        return node

    def _connect(self, address: Address, to_sentinel: bool = False) -> Callable[[], AsyncConnection]:
        return async_connect(self._location, address, self._timeout, to_sentinel=to_sentinel)

    def _at_work(self) -> _Loop:
        """What belongs to the loop that runs."""
        loop = asyncio.get_running_loop()
        here = self._loops.get(loop)
        if here is None:
            here = self._loops[loop] = _Loop()
            here.begin()
        self._here = loop, here
        return here


class _Loop:
    """The nodes as one event loop knows them. It closes their connections when it ends, if nobody did before."""

    def __init__(self) -> None:
        self.nodes: dict[tuple[Address, bool], AsyncNode] = {}
        self.discovery: asyncio.Task[None] | None = None
        self._end = self._close_at_the_end()

    def begin(self) -> None:
        """In the loop: have it close them. Loops close what generators hold open (shutdown_asyncgens)."""
        with suppress(StopIteration):
            self._end.asend(None).send(None)

    async def close(self) -> None:
        """Close the connections that nobody uses."""
        for node in self.nodes.values():
            await node.close()

    async def _close_at_the_end(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            await self.close()
