"""PostgreSQL's writes: a change beside a bare UPDATE, many with and without a listener, a revocation among them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from time import perf_counter

import msgspec
import psycopg

from sojourn.core.record import Record
from sojourn.core.store import Applied, Change, Commit, Create
from sojourn.stores.cached import CachedStore
from sojourn.stores.postgres import AsyncPostgresStore, PostgresStore
from sojourn.testing.records import NOW, make_record

from .revocation import Delay, delays
from .rounds import Rounds, Spread
from .servers import start_servers
from .tables import table, with_quartiles

__all__ = ["LISTENED", "PostgresWrites", "Size", "measure", "report"]

WRITERS, PROCESSES = 32, 2
# Of others, a second, while sessions are revoked: so many as leave the processor time.
OTHERS = 200
QUIET, LISTENED = "nobody listens", "a cache listens"
PADDING = b'"' + b"x" * 300 + b'"'
BARE = """
UPDATE sojourn_session SET data = data || %s::jsonb, version = version + 1 WHERE id = %s AND ended_at IS NULL
RETURNING version
"""


class Size(msgspec.Struct, frozen=True):
    """Rounds, the changes one after another and the seconds of many writers in each, and the revocations."""

    rounds: int
    changes: int
    seconds: float
    revocations: int


class PostgresWrites(msgspec.Struct, frozen=True):
    """µs of a change alone, by what waits for the disk; changes a second of 32 writers; a revocation among writes."""

    size: Size
    bare: dict[str, Spread]
    ours: dict[str, Spread]
    of_bare: dict[str, Spread]
    per_second: dict[str, Spread]
    of_quiet: Spread
    revocation: Delay


def _change(record: Record, value: int) -> Commit:
    change = Change(b"%d" % value, b"%d" % (value + 1))
    return Commit(id=record.id, now=NOW + 1, seen_at=NOW, changes={"n": change}, max_bytes=1 << 15)


async def _new_records(store: AsyncPostgresStore, count: int) -> list[Record]:
    records = [make_record(data={"n": b"0", "padding": PADDING}) for _ in range(count)]
    for record in records:
        await store.create(Create(record=record, now=NOW, began_at=NOW))
    return records


async def _changes(store: AsyncPostgresStore, record: Record, first: int, count: int, pause: float = 0.0) -> None:
    for value in range(first, first + count):
        assert isinstance(await store.commit(_change(record, value)), Applied)
        if pause:
            await asyncio.sleep(pause)


# One after another


async def _bare(connection: psycopg.AsyncConnection[tuple[int]], record: Record, first: int, count: int) -> None:
    for value in range(first, first + count):
        cursor = await connection.execute(BARE, (f'{{"n":"{value}"}}', record.id))
        assert await cursor.fetchall()


async def _alone(url: str, size: Size) -> Rounds:
    """µs of each, by name and durability: psycopg as it comes, so that it has the statement prepared."""
    rounds, made = Rounds(), 0
    ends = AsyncPostgresStore(url, durability="ends")
    async with (
        await psycopg.AsyncConnection.connect(url, autocommit=True) as waits,
        await psycopg.AsyncConnection.connect(url, autocommit=True, options="-csynchronous_commit=off") as hurries,
    ):
        store = AsyncPostgresStore(url)
        records = await _new_records(store, 4)
        peers: dict[str, Callable[[int, int], Awaitable[None]]] = {
            "bare all": partial(_bare, waits, records[0]),
            "bare ends": partial(_bare, hurries, records[1]),
            "ours all": partial(_changes, store, records[2]),
            "ours ends": partial(_changes, ends, records[3]),
        }
        for _ in range(size.rounds + 1):
            took = {}
            for name in random.sample(list(peers), len(peers)):
                began = perf_counter()
                await peers[name](made, size.changes)
                took[name] = (perf_counter() - began) / size.changes * 1e6
            # The first one finds nothing prepared.
            if made:
                rounds.add(took)
            made += size.changes
        await store.close()
        await ends.close()
    return rounds


# Many at once


def _writers(url: str, channel: Connection) -> None:
    asyncio.run(_write(url, channel))


async def _write(url: str, channel: Connection) -> None:
    """Change a session each for so many seconds, as often as it is told; say how many changes that were."""
    store = AsyncPostgresStore(url)
    records = await _new_records(store, WRITERS // PROCESSES)
    written = [0] * len(records)

    async def write(which: int, until: float) -> None:
        while perf_counter() < until:
            await _changes(store, records[which], written[which], 1)
            written[which] += 1

    channel.send(0)
    while (seconds := await asyncio.to_thread(channel.recv)) is not None:
        before, until = sum(written), perf_counter() + seconds
        await asyncio.gather(*[write(which, until) for which in range(len(records))])
        channel.send(sum(written) - before)
    await store.close()


@contextmanager
def _processes(work: Callable[[str, Connection], None], url: str, count: int) -> Iterator[list[Connection]]:
    """So many processes that `work`, once they are ready, and the channels to them; None ends them."""
    context, channels, running = get_context("spawn"), [], []
    for _ in range(count):
        channel, theirs = context.Pipe()
        running.append(context.Process(target=work, args=(url, theirs), daemon=True))
        running[-1].start()
        theirs.close()
        channels.append(channel)
    for channel in channels:
        channel.recv()
    yield channels
    for channel, process in zip(channels, running, strict=True):
        channel.send(None)
        process.join()


def _listener(url: str, channel: Connection) -> None:
    """A cache that has begun to listen."""
    with closing(CachedStore(PostgresStore(url))) as cached:
        record = make_record()
        cached.create(Create(record=record, now=NOW, began_at=NOW))
        while cached._channel.cache._served_until < 0:
            cached.get(record.id)
        channel.send("listening")
        channel.recv()


def _at_once(url: str, size: Size) -> Rounds:
    rounds = Rounds()

    def per_second(channels: list[Connection]) -> float:
        for channel in channels:
            channel.send(size.seconds)
        written: int = sum(channel.recv() for channel in channels)
        return written / size.seconds

    with _processes(_writers, url, PROCESSES) as channels:
        per_second(channels)
        for _ in range(size.rounds):
            found = {}
            for kind in random.sample([QUIET, LISTENED], 2):
                with _processes(_listener, url, int(kind == LISTENED)):
                    found[kind] = per_second(channels)
            rounds.add(found)
    return rounds


# A revocation among writes


def _others(url: str, channel: Connection) -> None:
    asyncio.run(_write_by_and_by(url, channel))


async def _write_by_and_by(url: str, channel: Connection) -> None:
    store = AsyncPostgresStore(url)
    records = await _new_records(store, WRITERS)
    pause = WRITERS / OTHERS
    writes = [asyncio.create_task(_changes(store, record, 0, 1_000_000, pause)) for record in records]
    channel.send("writing")
    await asyncio.to_thread(channel.recv)
    for write in writes:
        write.cancel()
    await asyncio.wait(writes)
    await store.close()


def measure(size: Size) -> PostgresWrites:
    """In rounds, interleaved."""
    with start_servers() as servers:
        url = servers.new_database()
        alone = asyncio.run(_alone(url, size))
        at_once = _at_once(url, size)
        with _processes(_others, url, 1):
            revocation = asyncio.run(delays("PostgreSQL", url, size.revocations))
    kinds = ("all", "ends")
    return PostgresWrites(
        size,
        bare={kind: alone.compare(lambda us: us, f"bare {kind}") for kind in kinds},
        ours={kind: alone.compare(lambda us: us, f"ours {kind}") for kind in kinds},
        of_bare={kind: alone.compare(lambda us, bare: us / bare, f"ours {kind}", f"bare {kind}") for kind in kinds},
        per_second={kind: at_once.compare(lambda found: found, kind) for kind in (QUIET, LISTENED)},
        of_quiet=at_once.compare(lambda listened, quiet: listened / quiet, LISTENED, QUIET),
        revocation=revocation,
    )


def report(found: PostgresWrites) -> str:
    """The tables, in Markdown."""
    waits = {"all": "waits for the disk", "ends": "does not: durability=ends"}
    alone = [
        [waits[kind], *map(with_quartiles, (found.bare[kind], found.ours[kind], found.of_bare[kind]))] for kind in waits
    ]
    at_once = [[kind, with_quartiles(each)] for kind, each in found.per_second.items()]
    revocation = found.revocation
    among = [[f"{OTHERS} a second", f"{revocation.median_ms:.1f}", f"{revocation.p99_ms:.1f}"]]
    return "\n\n".join(
        [
            table(["One change after another, which", "bare UPDATE, µs", "Sojourn, µs", "× bare"], alone),
            table(
                [f"{WRITERS} writers in {PROCESSES} processes", "changes a second"],
                [*at_once, ["× nobody", with_quartiles(found.of_quiet)]],
            ),
            table(["Revoked while others change", "refused elsewhere, median ms", "p99 ms"], among),
        ]
    )
