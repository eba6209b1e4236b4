"""BatchedReads: reads that come in the same tick of an event loop, made as one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from sojourn.core.record import Record

__all__ = ["BatchedReads"]

Read = Callable[[Sequence[str]], Awaitable[Mapping[str, Record]]]


class BatchedReads:
    """`read` takes ids and gives the records that there are. Who comes alone pays a turn of the loop, and no task."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._next_batch: tuple[list[str], asyncio.Future[Mapping[str, Record]]] | None = None
        self._reads: set[asyncio.Task[None]] = set()

    async def get(self, id: str) -> Record | None:
        """The record under `id`."""
        batch = self._next_batch
        if batch is not None:
            ids, arrived = batch
            ids.append(id)
            return (await asyncio.shield(arrived)).get(id)
        ids, arrived = self._next_batch = [id], asyncio.get_running_loop().create_future()
        try:
            await asyncio.sleep(0)
        finally:
            self._next_batch = None
            if len(ids) > 1:
                # A task: the others must not go down with this request, should its client hang up.
                read = asyncio.create_task(self._read_batch(ids, arrived))
                self._reads.add(read)
                read.add_done_callback(self._reads.discard)
        if len(ids) > 1:
            return (await asyncio.shield(arrived)).get(id)
        return (await self._read(ids)).get(id)

    async def _read_batch(self, ids: Sequence[str], arrived: asyncio.Future[Mapping[str, Record]]) -> None:
        try:
            arrived.set_result(await self._read(ids))
        except BaseException as error:
            arrived.set_exception(error)
            # Raised to those who asked; should all of them be gone, nobody need log it.
            arrived.exception()
            if not isinstance(error, Exception):
                raise
