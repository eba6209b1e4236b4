"""AsyncRedisStore: carries an operation's calls to the nodes, and the answers back, for an event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, TypeVar

from sojourn.core.errors import EndReason, StoreUnavailable
from sojourn.core.record import Record
from sojourn.core.store import Applied, Commit, Create, End, Mark, Refused, Stats, Watcher

from . import operations
from .blob import decode_record
from .calls import Address, Call, Steps
from .connections import async_connect
from .node import AsyncNode
from .retry import PendingCalls
from .scan import Sweep, erase, scan, stats
from .store import KEEP_ENDED, TIMEOUT
from .topology import Topology, topology_of
from .tracking import track_async
from .url import parse

__all__ = ["AsyncRedisStore"]

T = TypeVar("T")


class AsyncRedisStore:
    """RedisStore for an event loop, one loop in its life. Calls of one tick of the loop travel together."""

    def __init__(
        self, url: str, *, min_replicas: int = 0, timeout: float = TIMEOUT, keep_ended: float = KEEP_ENDED
    ) -> None:
        self._location = parse(url)
        self._topology: Topology = topology_of(self._location)
        self._min_replicas = min_replicas or self._location.min_replicas
        self._timeout = timeout
        self._keep = int(keep_ended * 1000)
        self._nodes: dict[tuple[Address, bool], AsyncNode] = {}
        self._sweep = Sweep()
        self._discovery: asyncio.Task[None] | None = None
        self._node(self._location.addresses[0])  # so that a wrong option fails now

    async def get(self, id: str) -> Record | None:
        """As Store.get."""
        raw = (await self._perform([operations.get(id)]))[0]
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
        return await self._run(operations.end_all(user_id, reason, now, keep, realm, self._keep))

    async def bar(self, now: int, realm: str = "") -> None:
        """As Store.bar. 4,096 small keys."""
        await self._run(operations.bar(now, realm))

    async def list(
        self, user_id: str, now: int, realm: str = "", after: str = "", limit: int = 100
    ) -> Sequence[Record]:
        """As Store.list."""
        return await self._run(operations.of_user(user_id, now, realm, after, limit))

    async def erase(self, user_id: str, realm: str = "") -> int:
        """As Store.erase. Looks at every key."""
        return await self._run(erase(user_id, realm, await self._primaries()))

    async def put_mark(self, mark: Mark) -> None:
        """As Store.put_mark."""
        await self._run(operations.put_mark(mark))

    async def get_mark(self, id: str) -> Mark | None:
        """As Store.get_mark."""
        return await self._run(operations.get_mark(id))

    async def end_expired(self, now: int, limit: int) -> int:
        """As Store.end_expired. Nothing to do: what ran out leaves Redis by itself, `keep_ended` later."""
        return 0

    async def delete_expired(self, before: int, limit: int) -> int:
        """As Store.delete_expired. Redis does it by itself; this looks at every key."""
        return await self._run(self._sweep.delete_expired(before, limit, await self._primaries()))

    async def scan(self, after: str, limit: int) -> Sequence[Record]:
        """As Store.scan. Looks at every key for each page."""
        return await self._run(scan(after, limit, await self._primaries()))

    async def stats(self, now: int) -> Stats:
        """As Store.stats. Reads every session."""
        return await self._run(stats(now, await self._primaries()))

    async def watch(self, watcher: Watcher, interval: float) -> None:
        """As WatchableStore.watch."""
        location, timeout = self._location, self._timeout
        await track_async(
            watcher, interval, self._discovered, lambda address: async_connect(location, address, timeout, protocol=3)()
        )

    async def close(self) -> None:
        """As Store.close."""
        for node in self._nodes.values():
            await node.close()

    async def _run(self, steps: Steps[T]) -> T:
        try:
            calls = next(steps)
            while True:
                try:
                    answers = await self._perform(calls)
                except StoreUnavailable as error:
                    calls = steps.throw(error)
                else:
                    calls = steps.send(answers)
        except StopIteration as stop:
            result: T = stop.value
            return result

    async def _perform(self, calls: Sequence[Call]) -> Sequence[Any]:
        # One call that is answered at once, which is what a request makes, needs no PendingCalls.
        first = calls[0]
        address = None if len(calls) > 1 else first.node or self._topology.address(first.key)
        answers = await self._node(address).exchange([(first.packed, 0, first.durable)]) if address else []
        if answers and not isinstance(answers[0], Exception):
            return answers
        pending = PendingCalls(calls, self._topology, time.monotonic(), self._timeout)
        if answers:
            pending.take([0], answers)
            await self._between_rounds(pending)
        while not pending.done:
            for address, indexes in pending.batches().items():
                pending.take(indexes, await self._node(address).exchange([pending.packed(index) for index in indexes]))
            await self._between_rounds(pending)
        return pending.answers

    async def _between_rounds(self, pending: PendingCalls) -> None:
        pending.next_round(time.monotonic())
        if pending.pause:
            await asyncio.sleep(pending.pause)
        if pending.needs_discovery:
            pending.needs_discovery = False
            # One for all who need it at the same time.
            if self._discovery is None or self._discovery.done():
                self._discovery = asyncio.create_task(self._discover())
            try:
                await asyncio.shield(self._discovery)
            except StoreUnavailable as error:
                pending.discovery_failed(error)

    async def _discover(self) -> None:
        steps = self._topology.discover()
        with suppress(StopIteration):
            question = next(steps)
            while True:
                node = self._node(question.address, question.to_sentinel)
                question = steps.send((await node.exchange([(question.packed, 0, False)]))[0])

    async def _discovered(self) -> Sequence[Address]:
        await self._discover()
        return self._topology.primaries()

    async def _primaries(self) -> Sequence[Address]:
        pending = PendingCalls((), self._topology, time.monotonic(), self._timeout)
        while not self._topology.primaries():
            pending.needs_discovery = True
            await self._between_rounds(pending)
        return self._topology.primaries()

    def _node(self, address: Address, to_sentinel: bool = False) -> AsyncNode:
        node = self._nodes.get((address, to_sentinel))
        if node is None:
            maker = async_connect(self._location, address, self._timeout, to_sentinel=to_sentinel)
            node = self._nodes[address, to_sentinel] = AsyncNode(maker, self._min_replicas, self._timeout)
        return node
