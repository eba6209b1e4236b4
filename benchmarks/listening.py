"""Listening: what a write by another process costs one that has a cache, in its own processor time."""

from __future__ import annotations

import asyncio
import time
from multiprocessing import get_context
from multiprocessing.connection import Connection

import msgspec

from sojourn.core.store import Applied, Change, Commit, Create
from sojourn.stores.cached import AsyncCachedStore
from sojourn.stores.redis import AsyncRedisStore
from sojourn.testing.records import NOW, make_record

__all__ = ["AT_ONCE", "Heard", "heard"]

AT_ONCE = (1, 32)


class Heard(msgspec.Struct, frozen=True):
    """µs of the listener's processor for each write, of which so many were under way at once."""

    at_once: int
    cpu_us: float


def _listener(url: str, channel: Connection) -> None:
    asyncio.run(_listen(url, channel))


async def _listen(url: str, channel: Connection) -> None:
    store = AsyncCachedStore(AsyncRedisStore(url))
    record = make_record()
    await store.create(Create(record=record, now=NOW, began_at=NOW))
    cache = store._channel.cache
    while cache._served_until < 0:
        await store.get(record.id)
        await asyncio.sleep(0.01)
    channel.send("listening")
    await asyncio.to_thread(channel.recv)
    before = time.process_time()
    channel.send("counting")
    await asyncio.to_thread(channel.recv)
    # A beat that comes back after the last write: all of them have been told.
    written = time.monotonic() + store.max_staleness
    while cache._served_until <= written:  # noqa: ASYNC110  # a cache tells nobody
        await asyncio.sleep(0.01)
    channel.send(time.process_time() - before)
    await store.close()


async def _write(url: str, writes: int, at_once: int) -> None:
    store = AsyncRedisStore(url)
    records = [make_record(data={"n": b"0"}) for _ in range(at_once)]
    for record in records:
        await store.create(Create(record=record, now=NOW, began_at=NOW))

    async def write(which: int) -> None:
        for value in range(writes // at_once):
            change = Change(b"%d" % value, b"%d" % (value + 1))
            changes = Commit(id=records[which].id, now=NOW + 1, changes={"n": change}, max_bytes=1 << 15)
            assert isinstance(await store.commit(changes), Applied)

    await asyncio.gather(*[write(which) for which in range(at_once)])
    await store.close()


async def heard(url: str, writes: int) -> list[Heard]:
    """Of so many writes to the Redis at `url`, one after another and many at once."""
    found, context = [], get_context("spawn")
    for at_once in AT_ONCE:
        channel, theirs = context.Pipe()
        process = context.Process(target=_listener, args=(url, theirs), daemon=True)
        process.start()
        theirs.close()
        for word in ("begin", "end"):
            await asyncio.to_thread(channel.recv)
            if word == "end":
                await _write(url, writes, at_once)
            channel.send(word)
        seconds = await asyncio.to_thread(channel.recv)
        process.join()
        found.append(Heard(at_once, seconds / (writes // at_once * at_once) * 1e6))
    return found
