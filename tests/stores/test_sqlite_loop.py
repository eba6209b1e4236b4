"""AsyncSQLiteStore and its event loop: a lock held elsewhere delays the write, and nobody else."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

from sojourn import AsyncSessionManager
from sojourn.core.store import Mark
from sojourn.stores.sqlite import AsyncSQLiteStore


async def started(manager: AsyncSessionManager) -> str:
    session = manager.anonymous()
    session.start()
    token = (await manager.commit(session)).token
    assert token is not None
    return token.reveal()


async def increment(manager: AsyncSessionManager, token: str) -> None:
    session = await manager.open(token)
    session.increment("n")
    await manager.commit(session)


def test_a_lock_held_elsewhere_does_not_stall_the_loop(tmp_path: Path) -> None:
    path = tmp_path / "sessions.sqlite3"

    async def main() -> int:
        manager = AsyncSessionManager(AsyncSQLiteStore(path))
        token = await started(manager)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        writes = [asyncio.create_task(increment(manager, token)) for _ in range(20)]
        # With a write that waited for the lock here, these turns would take minutes, or end in an error.
        for _ in range(200):
            await asyncio.sleep(0.002)
        assert (await manager.open(token)).get("n") is None
        assert not any(write.done() for write in writes)
        other.execute("ROLLBACK")
        await asyncio.gather(*writes)
        total: int = (await manager.open(token))["n"]
        await manager.close()
        return total

    assert asyncio.run(main()) == 20


def test_the_log_is_moved_to_the_main_file_by_and_by(tmp_path: Path) -> None:
    """However busy the writers are: 12,000 writes of a page each would be 48 MB of log."""
    path = tmp_path / "sessions.sqlite3"

    async def main() -> int:
        manager = AsyncSessionManager(AsyncSQLiteStore(path))
        tokens = [await started(manager) for _ in range(4)]

        async def storm(token: str) -> None:
            for _ in range(3000):
                await increment(manager, token)

        await asyncio.gather(*map(storm, tokens))
        size = path.with_name("sessions.sqlite3-wal").stat().st_size
        await manager.close()
        return size

    assert asyncio.run(main()) < 25_000_000


def test_a_proofs_use_is_noted_on_the_loop_and_an_end_waits_for_the_disk_in_the_thread(tmp_path: Path) -> None:
    async def main() -> None:
        store, other = (AsyncSQLiteStore(tmp_path / "sessions.sqlite3") for _ in range(2))
        manager, mark = AsyncSessionManager(store), Mark("proof", "", 2**40)
        id = (await started(manager))[4:36]

        assert [await each.put_mark(mark) for each in (store, other, store)] == [True, False, False]
        assert store._thread is None
        assert await manager.revoke(id)
        assert store._thread is not None
        for each in (store, other):
            await each.close()

    asyncio.run(main())


def test_a_store_serves_one_event_loop_after_another(tmp_path: Path) -> None:
    manager = AsyncSessionManager(AsyncSQLiteStore(tmp_path / "sessions.sqlite3"))
    token = asyncio.run(started(manager))
    for _ in range(3):
        asyncio.run(increment(manager, token))

    assert asyncio.run(manager.open(token))["n"] == 3
