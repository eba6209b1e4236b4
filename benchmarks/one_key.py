"""One key: 64 requests at once that change one value, beside the same where each has a value of its own."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from sojourn import AsyncSessionManager, SessionConflict, open_async_store
from sojourn.core.store import Applied, Commit, Refused

from .rounds import Spread, spread
from .servers import Servers, start_servers
from .tables import table, with_quartiles

__all__ = ["OneKey", "one_key_rounds", "report_one_key"]

REQUESTS = 64
STORES = ("SQLite", "Redis", "PostgreSQL")


class OneKey(msgspec.Struct, frozen=True):
    """What one request of 64 at once costs with this store, where they change keys of their own, and one and the same.

    `writes` are what the store is asked for, and the microseconds are the application's and the server's together.
    """

    store: str
    own_writes: Spread
    one_writes: Spread
    own_cpu_us: Spread
    one_cpu_us: Spread
    slowest_ms: Spread
    refused: int


class _Round(NamedTuple):
    writes: float
    cpu_us: float
    slowest_ms: float
    refused: int


class _Counted:
    """A manager over a store, and how often it was asked to commit."""

    def __init__(self, url: str) -> None:
        store = open_async_store(url)
        self.manager = AsyncSessionManager(store)
        self.commits = 0
        commit = store.commit

        async def counted(write: Commit) -> Applied | Refused:
            self.commits += 1
            return await commit(write)

        store.commit = counted  # type: ignore[assignment, method-assign]


async def _round(counted: _Counted, server: int | None, one_key: bool) -> _Round:
    manager = counted.manager
    session = manager.anonymous()
    session.update({f"key{n}": 0 for n in range(REQUESTS)})
    reply = await manager.commit(session)
    assert reply.token is not None
    token = reply.token.reveal()
    loaded, together, refused = 0, asyncio.Event(), 0

    async def request(n: int) -> float:
        nonlocal loaded, refused
        session = await manager.open(token)
        session["key0" if one_key else f"key{n}"] = n + 1
        loaded += 1
        if loaded == REQUESTS:
            together.set()
        await together.wait()
        began = time.perf_counter()
        try:
            await manager.commit(session)
        except SessionConflict:
            refused += 1
        return time.perf_counter() - began

    counted.commits = 0
    before = time.process_time() + _cpu_of(server)
    took = await asyncio.gather(*[request(n) for n in range(REQUESTS)])
    cpu = time.process_time() + _cpu_of(server) - before
    return _Round(counted.commits / REQUESTS, cpu / REQUESTS * 1e6, max(took) * 1e3, refused)


def _cpu_of(server: int | None) -> float:
    """Seconds of CPU that a server and its children have taken so far."""
    ticks = 0
    for status in Path("/proc").glob("[0-9]*/stat") if server else ():
        try:
            name, _, rest = status.read_text().rpartition(")")
        except OSError:  # it ended meanwhile
            continue
        fields = rest.split()
        if server in (int(name.split()[0]), int(fields[1])):
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _url(store: str, folder: Path, servers: Servers) -> tuple[str, int | None]:
    if store == "SQLite":
        return f"sqlite:///{folder / 'one-key.sqlite3'}", None
    if store == "Redis":
        redis = servers.new_redis()
        return redis.url, redis.process.pid
    return servers.new_database(), servers.postgres_pid


async def one_key_rounds(rounds: int, folder: Path) -> list[OneKey]:
    """Each store's own figures, over so many rounds."""
    found = []
    with start_servers() as servers:
        for store in STORES:
            url, server = _url(store, folder, servers)
            counted = _Counted(url)
            # The first round warms caches and connections up.
            own = [await _round(counted, server, False) for _ in range(rounds + 1)][1:]
            one = [await _round(counted, server, True) for _ in range(rounds + 1)][1:]
            await counted.manager.close()
            found.append(_found(store, own, one))
    return found


def _found(store: str, own: Sequence[_Round], one: Sequence[_Round]) -> OneKey:
    return OneKey(
        store=store,
        own_writes=spread([each.writes for each in own]),
        one_writes=spread([each.writes for each in one]),
        own_cpu_us=spread([each.cpu_us for each in own]),
        one_cpu_us=spread([each.cpu_us for each in one]),
        slowest_ms=spread([each.slowest_ms for each in one]),
        refused=sum(each.refused for each in one),
    )


def report_one_key(found: Sequence[OneKey]) -> str:
    """The table, in Markdown."""
    rows = [
        [
            f"Sojourn, {each.store}",
            with_quartiles(each.own_writes),
            with_quartiles(each.one_writes),
            with_quartiles(each.own_cpu_us),
            with_quartiles(each.one_cpu_us),
            with_quartiles(each.slowest_ms),
            str(each.refused),
        ]
        for each in found
    ]
    head = [
        f"{REQUESTS} requests at once",
        "writes asked, own keys",
        "one key",
        "CPU µs a request, own keys",
        "one key",
        "slowest, ms",
        "refused",
    ]
    return table(head, rows)
