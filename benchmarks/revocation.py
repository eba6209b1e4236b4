"""Revocation: how long a session that one process revokes is still served from the cache of another."""

from __future__ import annotations

import asyncio
from multiprocessing import get_context
from multiprocessing.connection import Connection
from statistics import median, quantiles
from time import perf_counter
from typing import Any

import msgspec

from sojourn import AsyncSessionManager, open_async_store
from sojourn.stores.cached import AsyncCachedStore

from .listening import Busy, Heard, heard, kept_busy
from .servers import start_servers
from .session_file import BROWSER
from .shop import SESSION
from .tables import figure, table

__all__ = ["Delay", "Revocation", "Size", "delays", "measure", "report"]


class Size(msgspec.Struct, frozen=True):
    """How many sessions are revoked at each store, and how many writes a cache hears of."""

    sessions: int
    writes: int = 0
    tasks: int = 0
    seconds: float = 0


class Delay(msgspec.Struct, frozen=True):
    """ms from the call of revoke until the other process refuses the session; and until the call returns."""

    store: str
    median_ms: float
    p99_ms: float
    longest_ms: float
    call_ms: float


class Revocation(msgspec.Struct, frozen=True):
    """All that this benchmark found."""

    size: Size
    delays: list[Delay]
    heard: list[Heard] = []
    busy: Busy | None = None


class _CountedReads:
    """A store that counts its reads: what the cache did not answer."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.reads = 0

    async def get(self, id: str) -> Any:
        self.reads += 1
        return await self._store.get(id)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def _process(url: str, channel: Connection) -> None:
    asyncio.run(_serve(_CountedReads(open_async_store(url)), channel))


async def _serve(store: _CountedReads, channel: Connection) -> None:
    """Ask for each session until the cache answers, say so, and go on until it is refused; say when that was."""
    manager = AsyncSessionManager(AsyncCachedStore(store))
    while (token := await asyncio.to_thread(channel.recv)) is not None:
        reads = -1
        while reads != store.reads:
            reads = store.reads
            await asyncio.sleep(0)
            assert (await manager.open(token)).status == "active"
        channel.send("cached")
        refused = False
        while not refused:
            await asyncio.sleep(0)
            refused = (await manager.open(token)).status != "active"
        channel.send(perf_counter())
    await manager.close()


async def _revoke(manager: AsyncSessionManager, channel: Connection) -> tuple[float, float]:
    """The seconds from the call until the refusal, and until the call returned."""
    session = manager.anonymous(BROWSER)
    session.update(SESSION)
    session.login("ada")
    token = (await manager.commit(session)).token
    assert token is not None and session.id is not None
    channel.send(token.reveal())
    assert await asyncio.to_thread(channel.recv) == "cached"
    called = perf_counter()
    assert await manager.revoke(session.id)
    returned = perf_counter()
    return await asyncio.to_thread(channel.recv) - called, returned - called


async def delays(store: str, url: str, sessions: int) -> Delay:
    """Of so many sessions, one after another, in the store at `url`."""
    # Before the other process: PostgreSQL's table is made once.
    manager = AsyncSessionManager(open_async_store(url))
    await manager.list("ada")
    context = get_context("spawn")
    channel, theirs = context.Pipe()
    process = context.Process(target=_process, args=(url, theirs), daemon=True)
    process.start()
    # Theirs alone: if they die, recv must not wait for ever.
    theirs.close()
    # The first ones find caches cold.
    found = [await _revoke(manager, channel) for _ in range(sessions + 10)][10:]
    channel.send(None)
    process.join()
    await manager.close()
    delays = [delay * 1000 for delay, _ in found]
    return Delay(
        store=store,
        median_ms=median(delays),
        p99_ms=quantiles(delays, n=100)[98],
        longest_ms=max(delays),
        call_ms=median(call for _, call in found) * 1000,
    )


async def _measure(size: Size) -> Revocation:
    with start_servers() as servers:
        urls = {"Redis": servers.new_redis().url, "PostgreSQL": servers.new_database()}
        found = [await delays(store, url, size.sessions) for store, url in urls.items()]
        busy = await kept_busy(servers.new_redis().url, size.tasks, size.seconds)
        return Revocation(size, found, await heard(servers.new_redis().url, size.writes), busy)


def measure(size: Size) -> Revocation:
    """Revoke them one by one."""
    return asyncio.run(_measure(size))


def report(found: Revocation) -> str:
    """The table, in Markdown."""
    rows = [
        [each.store, figure(each.median_ms), figure(each.p99_ms), figure(each.longest_ms), figure(each.call_ms)]
        for each in found.delays
    ]
    head = [f"From revoke to refusal elsewhere, {found.size.sessions:,} sessions"]
    told = table([*head, "median ms", "p99 ms", "longest ms", "the call itself, median ms"], rows)
    tables = [told]
    if found.heard:
        listening = [[f"{each.at_once} at once", figure(each.cpu_us)] for each in found.heard]
        tables.append(table(["Writes to Redis by another process", "a cache's µs of processor, each"], listening))
    if busy := found.busy:
        rows = [[f"{busy.tasks:,}", figure(busy.lag_ms), f"{busy.from_cache:.1%}"]]
        tables.append(table(["Requests under way", "longest round of the loop, ms", "answered by the cache"], rows))
    return "\n\n".join(tables)
