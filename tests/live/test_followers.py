"""Followers: one task that looks at a store as seldom as it may, whatever fails."""

from __future__ import annotations

import asyncio
import math

import pytest

from sojourn import AsyncSessionManager, SessionManager, StoreUnavailable
from sojourn.core.record import Record
from sojourn.core.sighting import GONE, Sighting
from sojourn.manager.followers import Followers
from sojourn.stores.memory import AsyncMemoryStore, MemoryStore
from tests.stores.watchable_memory import AsyncWatchableMemoryStore, WatchableMemoryStore

from .site import begin
from .test_wait_for_end import run

NOW = 1_800_000_000_000


class Outage(AsyncMemoryStore):
    """A store that answers no read while it is `down`."""

    down = False

    async def get(self, id: str) -> Record | None:
        if self.down:
            raise StoreUnavailable("It is down.")
        return await super().get(id)


def test_a_store_that_tells_of_writes_is_not_read_while_nobody_writes_and_a_timeout_is_noticed_all_the_same() -> None:
    async def main() -> None:
        now, looks = [NOW], 0

        async def look(_: str) -> Sighting:
            nonlocal looks
            looks += 1
            return Sighting(NOW + 60_000, is_over=now[0] > NOW)

        followers = Followers(look, None, lambda: now[0], lambda: None)
        followers.sound(math.inf)
        follower = followers.follow("a")
        assert not (await follower.news()).is_over
        await asyncio.sleep(1.2)
        assert looks == 1
        now[0] += 60_000
        assert (await follower.news()).is_over
        await followers.close()

    run(main())


def test_a_store_that_falls_silent_is_read(caplog: pytest.LogCaptureFixture) -> None:
    """Or whose watch fails altogether, which is logged."""

    async def main() -> None:
        for failing in ("silent", "broken"):
            memory = WatchableMemoryStore()
            manager = AsyncSessionManager(AsyncWatchableMemoryStore(memory))
            id, _ = await begin(manager)
            memory.silent, memory.broken = True, RuntimeError("no watch") if failing == "broken" else None
            wait = asyncio.create_task(manager.wait_for_end(id))
            await asyncio.sleep(0.1)
            SessionManager(memory).revoke(id)
            assert await wait == "revoked"
            await manager.close()

    run(main())
    assert [record.getMessage() for record in caplog.records] == [
        "nobody tells of writes, so the store is asked every 0.5 s: no watch"
    ]


def test_while_the_store_is_down_only_those_past_their_end_are_told_and_the_log_says_it_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        shared, now = MemoryStore(), [NOW]
        store = Outage(shared)
        manager = AsyncSessionManager(store, clock=lambda: now[0])
        (id, _), (other, _) = await begin(manager), await begin(manager)
        waits = [asyncio.create_task(manager.wait_for_end(each)) for each in (id, other)]
        await asyncio.sleep(0.05)
        store.down = True
        await manager.revoke(other)
        await asyncio.sleep(1.2)
        assert not any(wait.done() for wait in waits)
        store.down = False
        assert await waits[1] == "revoked"
        store.down = True
        now[0] += 24 * 3_600_000
        assert await waits[0] is None
        await manager.close()

    run(main())
    assert len([record for record in caplog.records if "wait for the store" in record.getMessage()]) == 2


def test_a_store_that_is_down_is_asked_for_a_few_and_who_is_past_the_end_need_not_wait_for_that() -> None:
    async def main() -> None:
        asked: list[str] = []

        async def look(id: str) -> Sighting:
            asked.append(id)
            raise StoreUnavailable("It is down.")

        followers = Followers(look, None, lambda: NOW, lambda: None)
        those = [followers.follow(str(number), expires_at=NOW) for number in range(1000)]
        assert [await each.news() for each in those] == [GONE] * 1000
        assert len(asked) < 1000
        await followers.close()

    run(main())


def test_the_task_is_over_when_nobody_follows_any_more() -> None:
    left: list[str] = []
    over: list[Followers] = []

    async def main() -> None:
        async def look(id: str) -> Sighting:
            return GONE if id == "gone" else Sighting(NOW * 2)

        followers = Followers(look, None, lambda: NOW, lambda: left.append("left"), linger=1.1)
        first, second = followers.follow("a"), followers.follow("a")
        assert not (await first.news()).is_over
        first.leave()
        first.leave()
        assert not (await second.news()).is_over
        assert followers._task in asyncio.all_tasks()
        second.leave()
        await asyncio.wait([followers._task])
        over.append(followers)

    run(main())
    assert (left, over[0].closed) == (["left"], True)
    over[0].lost()  # in an event loop that is closed nobody waits


def test_news_from_another_thread_reach_a_loop_and_harm_none_that_is_closed() -> None:
    shared = MemoryStore()
    manager = AsyncSessionManager(AsyncMemoryStore(shared))
    ids: list[str] = []

    async def main() -> None:
        id, _ = await begin(manager)
        ids.append(id)
        wait = asyncio.create_task(manager.wait_for_end(id))
        await asyncio.sleep(0.05)
        await asyncio.to_thread(asyncio.run, manager.revoke(id))
        assert await wait == "revoked"

    run(main())
    assert manager._following is not None
    assert not manager._following._by_loop
    manager._following.changed(ids)
