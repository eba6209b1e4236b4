"""Reads of one tick of the event loop are made as one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from sojourn import StoreUnavailable
from sojourn.core.record import Record
from sojourn.core.store import Create
from sojourn.stores.postgres import AsyncPostgresStore
from sojourn.stores.postgres.batched_reads import BatchedReads
from sojourn.testing.records import NOW, make_record

RECORDS = {record.id: record for record in (make_record() for _ in range(20))}
IDS = list(RECORDS)


class Reads:
    """What was read in one batch."""

    def __init__(self, error: Exception | None = None) -> None:
        self.batches: list[list[str]] = []
        self.release = asyncio.Event()
        self._error = error

    async def read(self, ids: Sequence[str]) -> Mapping[str, Record]:
        self.batches.append(list(ids))
        await self.release.wait()
        if self._error:
            raise self._error
        return {id: RECORDS[id] for id in ids if id in RECORDS}


async def settle() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


def test_those_of_one_tick_travel_together() -> None:
    async def run() -> None:
        reads = Reads()
        reads.release.set()
        batched = BatchedReads(reads.read)
        found = await asyncio.gather(*map(batched.get, [*IDS, "unknown", IDS[0]]))

        assert found == [*RECORDS.values(), None, RECORDS[IDS[0]]]
        assert reads.batches == [[*IDS, "unknown", IDS[0]]]
        assert await batched.get(IDS[1]) == RECORDS[IDS[1]]
        assert reads.batches[1:] == [[IDS[1]]]

    asyncio.run(run())


def test_who_comes_later_does_not_wait_for_those_on_their_way() -> None:
    async def run() -> None:
        reads = Reads()
        batched = BatchedReads(reads.read)
        first = asyncio.gather(*map(batched.get, IDS[:2]))
        await settle()
        second = asyncio.gather(*map(batched.get, IDS[2:4]))
        await settle()
        assert reads.batches == [IDS[:2], IDS[2:4]]
        reads.release.set()
        assert await first + await second == [RECORDS[id] for id in IDS[:4]]

    asyncio.run(run())


@pytest.mark.parametrize("settled", [True, False], ids=["under way", "not yet gone"])
@pytest.mark.parametrize("gone", [0, 1, 2])
def test_a_request_that_goes_away_takes_nobody_with_it(gone: int, settled: bool) -> None:
    async def run() -> None:
        reads = Reads()
        batched = BatchedReads(reads.read)
        tasks = [asyncio.create_task(batched.get(id)) for id in IDS[:3]]
        await asyncio.sleep(0)
        if settled:
            await settle()
        tasks[gone].cancel()
        await settle()
        reads.release.set()
        found = await asyncio.gather(*tasks, return_exceptions=True)

        assert isinstance(found.pop(gone), asyncio.CancelledError)
        assert found == [RECORDS[id] for id in IDS[:3] if id != IDS[gone]]

    asyncio.run(run())


def test_an_error_is_told_to_each() -> None:
    async def run() -> None:
        reads = Reads(StoreUnavailable("away"))
        reads.release.set()
        batched = BatchedReads(reads.read)
        for count in (1, 3):
            found = await asyncio.gather(*map(batched.get, IDS[:count]), return_exceptions=True)
            assert [str(error) for error in found] == ["away"] * count

    asyncio.run(run())


def test_a_store_reads_many_at_once(database: str) -> None:
    """More than it may have connections."""

    async def run() -> None:
        store = AsyncPostgresStore(database, max_connections=1)
        await asyncio.gather(
            *(store.create(Create(record=record, now=NOW, began_at=NOW)) for record in RECORDS.values())
        )
        assert await asyncio.gather(*map(store.get, [*IDS, "unknown"])) == [*RECORDS.values(), None]
        await store.close()

    asyncio.run(run())
