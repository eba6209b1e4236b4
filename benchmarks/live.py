"""Live: how soon an open page, and its stream, tell of what another process did, and what 10,000 streams take."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from time import perf_counter

import msgspec

from sojourn import AsyncSessionManager, open_async_store

from .pages import shown
from .servers import start_servers
from .streams import USER, Visitor, allow_many, serving
from .tables import figure, table

__all__ = ["MEMORY", "STORES", "Crowd", "Delay", "Live", "Size", "measure", "report"]

MEMORY = "memory"
STORES = (MEMORY, "SQLite", "PostgreSQL", "Redis")
TOGETHER = 10
OPENED_AT_ONCE = 100
REVOKED = b'"end_reason":"revoked"'
DARK = b'"theme":"dark"'


class Size(msgspec.Struct, frozen=True):
    """On each of the stores so many tries; then so many streams at once, which are left alone for some seconds."""

    stores: tuple[str, ...]
    tries: int
    streams: int
    seconds: float


class Delay(msgspec.Struct, frozen=True):
    """ms from the call in one process until another has told of it: the median of so many, and the 99th of 100."""

    store: str
    revocation_ms: float
    revocation_p99_ms: float
    change_ms: float
    change_p99_ms: float


class Crowd(msgspec.Struct, frozen=True):
    """So many streams in one process; and seconds, since all of them were ended, until the first, half, all were told.

    `opening_us` and `end_us` are the process's microseconds of processor, for each stream; `at_rest` is a share of one.
    """

    store: str
    bytes_each: float
    opening_us: float
    at_rest: float
    end_us: float
    first: float
    half: float
    last: float


class Live(msgspec.Struct, frozen=True):
    """All that this benchmark found; and when, and the load of the machine before.

    `delays` are those of streams, `pages` those of Chromium's pages.
    """

    size: Size
    date: str
    load: float
    delays: list[Delay]
    pages: list[Delay]
    crowds: list[Crowd]


class _Elsewhere:
    """Another process than the server's: this one. Of sessions in memory there is no other, so the server is asked."""

    def __init__(self, url: str, port: int) -> None:
        self.manager = None if url == "memory:" else AsyncSessionManager(open_async_store(url))
        self._port = port

    async def revoke_all(self, user: str) -> float:
        """End a user's sessions; when that began."""
        began = perf_counter()
        if self.manager is None:
            await Visitor(self._port).ask(f"/end/{user}")
        else:
            await self.manager.revoke_all(user)
        return began

    async def darken(self, visitor: Visitor) -> float:
        """Change a preference; when that began to be written."""
        if self.manager is None:
            began = perf_counter()
            await visitor.ask("/dark")
            return began
        session = await self.manager.open(visitor.token)
        session["theme"] = "dark"
        began = perf_counter()
        await self.manager.commit(session)
        return began

    async def close(self) -> None:
        """Leave the store."""
        if self.manager is not None:
            await self.manager.close()


async def _try(visitor: Visitor, user: str, elsewhere: _Elsewhere) -> tuple[float, float]:
    """The seconds until a revocation was told, and until a change was."""
    await visitor.ask(f"/begin/{user}")
    await visitor.listen()
    changed = await _delay(visitor, DARK, lambda: elsewhere.darken(visitor))
    revoked = await _delay(visitor, REVOKED, lambda: elsewhere.revoke_all(user))
    await visitor.leave()
    return revoked, changed


async def _delay(visitor: Visitor, words: bytes, act: Callable[[], Awaitable[float]]) -> float:
    # Where a store is asked now and then, whoever was told begins anew just after that.
    await asyncio.sleep(random.random())
    told = asyncio.create_task(visitor.told(words))
    began = await act()
    return await told - began


async def _delays(store: str, port: int, elsewhere: _Elsewhere, tries: int) -> Delay:
    found: list[tuple[float, float]] = []

    async def several(user: str) -> None:
        for number in range(1 + tries // TOGETHER):
            taken = await _try(Visitor(port), user, elsewhere)
            # With the first ones the server begins to listen to its store.
            if number:
                found.append(taken)

    await asyncio.gather(*(several(f"user{number}") for number in range(TOGETHER)))
    return _delay_of(store, found)


def _delay_of(store: str, found: list[tuple[float, float]]) -> Delay:
    revoked, changed = ([1000 * each for each in taken] for taken in zip(*found, strict=True))
    return Delay(store, *_spread(revoked), *_spread(changed))


async def _crowd(store: str, port: int, elsewhere: _Elsewhere, size: Size) -> Crowd:
    count = size.streams
    operator, visitors = Visitor(port), [Visitor(port) for _ in range(count)]
    groups = [visitors[start : start + OPENED_AT_ONCE] for start in range(0, count, OPENED_AT_ONCE)]
    for group in groups:
        await asyncio.gather(*(visitor.ask(f"/begin/{USER}") for visitor in group))
    bytes_before, cpu_before = await _weight(operator)
    for group in groups:
        await asyncio.gather(*(visitor.listen() for visitor in group))
    bytes_after, cpu_open = await _weight(operator)
    await asyncio.sleep(size.seconds)
    _, cpu_rested = await _weight(operator)
    ends = [asyncio.create_task(visitor.told(REVOKED)) for visitor in visitors]
    began = await elsewhere.revoke_all(USER)
    waits = sorted(at - began for at in await asyncio.gather(*ends))
    _, cpu_ended = await _weight(operator)
    await asyncio.gather(*(visitor.leave() for visitor in visitors))
    return Crowd(
        store=store,
        bytes_each=(bytes_after - bytes_before) / count,
        opening_us=(cpu_open - cpu_before) / count * 1e6,
        at_rest=(cpu_rested - cpu_open) / size.seconds,
        end_us=(cpu_ended - cpu_rested) / count * 1e6,
        first=waits[0],
        half=waits[count // 2],
        last=waits[-1],
    )


async def _weight(operator: Visitor) -> tuple[int, float]:
    resident, _, used = (await operator.ask("/weight")).partition(" ")
    return int(resident), float(used)


async def _measure(size: Size, urls: dict[str, str]) -> Live:
    found = Live(size, datetime.now(UTC).date().isoformat(), os.getloadavg()[0], [], [], [])
    for store, url in urls.items():
        async with AsyncExitStack() as running:
            port = await running.enter_async_context(serving(url))
            other = port if store == MEMORY else await running.enter_async_context(serving(url))
            found.pages.append(_delay_of(store, await shown(other, port, size.tries)))
            elsewhere = _Elsewhere(url, port)
            found.delays.append(await _delays(store, port, elsewhere, size.tries))
            found.crowds.append(await _crowd(store, port, elsewhere, size))
            await elsewhere.close()
    return found


def measure(size: Size) -> Live:
    """The server in one process; who listens, and who revokes, in this one."""
    allow_many()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        servers = stack.enter_context(start_servers())
        url: dict[str, Callable[[], str]] = {
            MEMORY: lambda: "memory:",
            "SQLite": lambda: f"sqlite:///{folder}/sessions.sqlite3",
            "PostgreSQL": servers.new_database,
            "Redis": lambda: servers.new_redis().url,
        }
        return asyncio.run(_measure(size, {store: url[store]() for store in size.stores}))


def report(found: Live) -> str:
    """The tables, in Markdown."""
    tries = f"{found.size.tries} tries ({found.date}, load {found.load:.1f})"
    pages = _table_of(found.pages, f"ms until Chromium's page shows it, {tries}")
    delays = _table_of(found.delays, f"ms until a stream tells of it, {tries}")
    taken = [
        [
            each.store,
            f"{each.bytes_each / 1024:.1f}",
            figure(each.opening_us),
            f"{100 * each.at_rest:.1f}",
            figure(each.end_us),
            *map(figure, (each.first, each.half, each.last)),
        ]
        for each in found.crowds
    ]
    head = [f"{found.size.streams:,} streams of one user", "KiB each", "µs to open, each", "% of a core at rest"]
    return "\n\n".join([pages, delays, table([*head, "µs to end, each", "s to the first", "to half", "to all"], taken)])


def _table_of(delays: list[Delay], head: str) -> str:
    rows = [
        [each.store, *map(figure, (each.revocation_ms, each.revocation_p99_ms, each.change_ms, each.change_p99_ms))]
        for each in delays
    ]
    return table([head, "revocation, median", "p99", "change of a preference, median", "p99"], rows)


def _spread(taken: list[float]) -> tuple[float, float]:
    return median(taken), quantiles(taken, n=100)[98]
