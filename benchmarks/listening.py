"""Listening: what a write elsewhere costs a process that has a cache, and whether a busy loop keeps its cache."""

from __future__ import annotations

import asyncio
import time
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import cast

import msgspec

from sojourn import AsyncSessionManager
from sojourn.core.record import Record
from sojourn.core.store import Applied, Change, Commit, Create
from sojourn.core.token import Token
from sojourn.stores.cached import AsyncCachedStore
from sojourn.stores.redis import AsyncRedisStore
from sojourn.testing.records import NOW, make_record

__all__ = ["AT_ONCE", "Busy", "Heard", "heard", "kept_busy"]

AT_ONCE = (1, 32)


class Heard(msgspec.Struct, frozen=True):
    """µs of the listener's processor for each write, of which so many were under way at once."""

    at_once: int
    cpu_us: float


class Busy(msgspec.Struct, frozen=True):
    """A loop with so many requests under way: the longest of its rounds, and the share that the cache answers."""

    tasks: int
    lag_ms: float
    from_cache: float


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


async def kept_busy(url: str, tasks: int, seconds: float) -> Busy:
    """A loop that so many requests keep busy, 0.1 ms each, with a cache before the Redis at `url`."""
    store = AsyncRedisStore(url)
    reads, get = 0, store.get

    async def counted(id: str) -> Record | None:
        nonlocal reads
        reads += is_warm()
        return await get(id)

    store.get = counted  # type: ignore[method-assign]
    manager = AsyncSessionManager(AsyncCachedStore(store))
    tokens = []
    for _ in range(32):
        session = manager.anonymous()
        session["n"] = 1
        tokens.append(cast(Token, (await manager.commit(session)).token).reveal())
    opened, longest, began = 0, 0.0, time.monotonic()

    def is_warm() -> bool:
        # In the first half the cache is filled.
        return time.monotonic() > began + seconds / 2

    async def ask(token: str) -> None:
        nonlocal opened, longest
        before = time.monotonic()
        while before < began + seconds:
            assert (await manager.open(token)).status == "active"
            opened += is_warm()
            # What a framework does meanwhile.
            busy = time.perf_counter() + 1e-4
            while time.perf_counter() < busy:
                pass
            await asyncio.sleep(0)
            longest, before = max(longest, time.monotonic() - before), time.monotonic()

    await asyncio.gather(*[ask(tokens[task % len(tokens)]) for task in range(tasks)])
    await manager.close()
    return Busy(tasks, longest * 1000, 1 - reads / max(opened, 1))
