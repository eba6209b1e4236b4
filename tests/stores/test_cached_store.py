"""CachedStore and AsyncCachedStore before a store in memory: the contract, own writes, and the channel's faults."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import pytest

from sojourn import ConfigurationError, SessionManager, StoreUnavailable
from sojourn.core.store import Create, End, Ends, Limit, Store
from sojourn.stores.cached import AsyncCachedStore, CachedStore, channel
from sojourn.stores.memory import AsyncMemoryStore, MemoryStore
from sojourn.stores.sqlite import AsyncSQLiteStore, SQLiteStore
from sojourn.testing import NOW, StoreContract, blocking, make_record
from sojourn.testing.records import change, commit, put
from tests.servers.waiting import wait_until
from tests.stores.watchable_memory import AsyncWatchableMemoryStore, WatchableMemoryStore

Cached = Callable[..., Store]
T = TypeVar("T")


def frozen() -> int:
    return NOW


def in_threads(store: WatchableMemoryStore, **options: float) -> Store:
    return CachedStore(store, clock=frozen, **options)  # type: ignore[arg-type]


def on_a_loop(store: WatchableMemoryStore, **options: float) -> Store:
    return blocking(AsyncCachedStore(AsyncWatchableMemoryStore(store), clock=frozen, **options))  # type: ignore[arg-type]


@pytest.fixture
def memory() -> WatchableMemoryStore:
    return WatchableMemoryStore()


@pytest.fixture(params=[in_threads, on_a_loop])
def cached(request: pytest.FixtureRequest, memory: WatchableMemoryStore) -> Iterator[Cached]:
    """Makes a cache in front of `memory`, ready to serve."""
    made: list[Store] = []

    def make(**options: float) -> Store:
        store: Store = request.param(memory, **options)
        made.append(store)
        wait_until_it_serves(store, memory)
        return store

    yield make
    memory.silent = False
    for store in made:
        store.close()


def wait_until_it_serves(store: Store, memory: WatchableMemoryStore) -> None:
    record = put(memory)

    def serves() -> bool:
        store.get(record.id)
        before = memory.reads
        return store.get(record.id) is not None and memory.reads == before

    wait_until(serves, "a cache that serves")


# The contract


def begun(make: Cached) -> Store:
    """A new one, with its channel."""
    memory = WatchableMemoryStore()
    store = make(memory)
    store.get("0" * 32)
    wait_until(lambda: bool(memory.watchers), "a channel")
    return store


class TestCachedStore(StoreContract):
    def make_store(self) -> Store:
        return begun(in_threads)


class TestAsyncCachedStore(StoreContract):
    def make_store(self) -> Store:
        return begun(on_a_loop)


# Reads


def test_a_record_is_read_once(memory: WatchableMemoryStore, cached: Cached) -> None:
    store = cached()
    record = put(store, "ada", data={"n": b"1"})
    memory.reads = 0
    for _ in range(5):
        assert store.get(record.id) == record

    assert memory.reads == 1


def test_an_unknown_session_is_asked_for_every_time(memory: WatchableMemoryStore, cached: Cached) -> None:
    store = cached()
    memory.reads = 0
    for _ in range(3):
        assert store.get("0" * 32) is None

    assert memory.reads == 3


def test_lists_pages_and_counts_are_the_stores(cached: Cached) -> None:
    store = cached()
    record = put(store, "ada")

    assert store.list("ada", NOW) == [record]
    assert record in store.scan("", 10)
    assert store.stats(NOW).live == 2


def test_requests_share_a_record_and_not_its_values(memory: WatchableMemoryStore) -> None:
    manager = SessionManager(in_threads(memory), clock=frozen)
    session = manager.anonymous()
    session["cart"] = ["apple"]
    token = manager.commit(session).token
    assert token is not None
    wait_until_it_serves(manager._store, memory)
    one, other = manager.open(token.reveal()), manager.open(token.reveal())
    one["cart"].append("pear")
    del one["cart"][0]
    one["more"] = 1

    assert one._record is other._record
    assert dict(other) == dict(manager.open(token.reveal())) == {"cart": ["apple"]}
    manager.close()


# Writes


def test_one_reads_ones_own_writes(cached: Cached) -> None:
    store = cached()
    record = put(store, "ada")
    store.get(record.id)
    store.commit(commit(record, changes={"a": change(None, b"1")}))
    after = store.get(record.id)
    assert after is not None
    assert after.data == {"a": b"1"}
    store.end(End(record.id, "logout", NOW))
    after = store.get(record.id)

    assert after is not None
    assert after.end_reason == "logout"


def test_one_reads_the_writes_of_others(memory: WatchableMemoryStore, cached: Cached) -> None:
    here, there = cached(), cached()
    record = put(here, "ada")
    there.get(record.id)
    here.end_all("ada", "revoked", NOW)
    after = there.get(record.id)

    assert after is not None
    assert after.end_reason == "revoked"


def test_a_new_session_takes_the_ones_that_it_ends_out_of_the_cache(
    memory: WatchableMemoryStore, cached: Cached
) -> None:
    """Even if the channel is silent: these are our own writes."""
    store = cached()
    anonymous, oldest = put(store), put(store, "ada")
    store.get(anonymous.id)
    store.get(oldest.id)
    memory.silent = True
    ends, limit = Ends(anonymous.id, "replaced", 1), Limit(1, end_oldest=True)
    store.create(Create(record=make_record("ada"), now=NOW, began_at=NOW, ends=ends, limit=limit))

    assert [record and record.end_reason for record in map(store.get, (anonymous.id, oldest.id))] == [
        "replaced",
        "limit",
    ]


class UnsureStore(WatchableMemoryStore):
    """It makes every write, tells nobody, and says that it cannot tell whether it did."""

    unsure = False

    def _report(self, write: Callable[[], T], changed: Callable[[T], Sequence[str]]) -> T:
        if not self.unsure:
            return super()._report(write, changed)
        write()
        raise StoreUnavailable("The connection was cut off at work.")


@pytest.mark.parametrize("memory", [UnsureStore()], ids=["unsure"])
def test_a_write_that_may_be_made_is_asked_for(memory: UnsureStore, cached: Cached) -> None:
    store = cached()
    records = [put(store, "ada") for _ in range(4)]
    writes: list[Callable[[], object]] = [
        lambda: store.commit(commit(records[0], changes={"a": change(None, b"1")})),
        lambda: store.end(End(records[1].id, "logout", NOW)),
        lambda: store.create(
            Create(record=make_record(), now=NOW, began_at=NOW, ends=Ends(records[2].id, "replaced", 1))
        ),
        lambda: store.end_all("ada", "revoked", NOW),
    ]
    for record, write in zip(records, writes, strict=True):
        assert store.get(record.id) == record
        memory.unsure = True
        with pytest.raises(StoreUnavailable):
            write()
        memory.unsure = False

        assert store.get(record.id) == memory.get(record.id) != record


# The channel


def test_a_silent_channel_lets_nothing_be_stale_for_long(memory: WatchableMemoryStore, cached: Cached) -> None:
    store = cached(max_staleness=0.2)
    record = put(store, "ada")
    store.get(record.id)
    memory.silent = True
    memory.end(End(record.id, "revoked", NOW))
    revoked = time.monotonic()
    wait_until(lambda: store.get(record.id) != record, "the revocation to be seen")

    assert time.monotonic() - revoked < 3


def test_after_silence_the_cache_serves_again(memory: WatchableMemoryStore, cached: Cached) -> None:
    store = cached(max_staleness=0.05)
    memory.silent = True
    time.sleep(0.1)
    record = put(store, "ada")
    before = memory.reads
    for _ in range(3):
        store.get(record.id)
    assert memory.reads == before + 3
    memory.silent = False

    wait_until_it_serves(store, memory)


def test_a_channel_that_breaks_down_is_told_of_and_begun_again(
    memory: WatchableMemoryStore, cached: Cached, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(channel, "PAUSE", 0.05)
    store = cached()
    record = put(store)
    store.get(record.id)
    memory.broken = RuntimeError("a bug")
    wait_until(lambda: "hears of no writes" in caplog.text, "the log")
    before = memory.reads
    store.get(record.id)
    store.get(record.id)
    assert memory.reads == before + 2
    memory.broken = None

    wait_until_it_serves(store, memory)
    assert "a bug" in caplog.text


def test_a_closed_cache_leaves_no_thread_behind(memory: WatchableMemoryStore) -> None:
    store = in_threads(memory)
    wait_until_it_serves(store, memory)
    assert "sojourn-watch" in [thread.name for thread in threading.enumerate()]
    store.close()

    assert "sojourn-watch" not in [thread.name for thread in threading.enumerate()]


def test_a_cache_that_was_never_read_is_closed(memory: WatchableMemoryStore) -> None:
    in_threads(memory).close()
    on_a_loop(memory).close()


def test_a_forked_child_has_a_channel_of_its_own(memory: WatchableMemoryStore) -> None:
    """And nothing of its parent's cache, whose channel stayed behind."""
    store = in_threads(memory)
    record = put(store, "ada")
    wait_until_it_serves(store, memory)
    store.get(record.id)
    child = os.fork()
    if child == 0:
        before = memory.reads
        store.get(record.id)
        asked = memory.reads == before + 1
        wait_until_it_serves(store, memory)
        os._exit(0 if asked else 1)
    _, status = os.waitpid(child, 0)
    before = memory.reads
    store.get(record.id)

    assert status == 0
    assert memory.reads == before
    store.close()


# Event loops


def test_in_the_next_event_loop_the_cache_starts_empty(memory: WatchableMemoryStore) -> None:
    record = put(memory)

    async def asks_anew_and_then_serves(store: AsyncCachedStore) -> bool:
        first = memory.reads
        for _ in range(1000):  # until its channel is under way
            before = memory.reads
            await store.get(record.id)
            if first < before == memory.reads:
                return True
            await asyncio.sleep(0.02)
        return False

    store = AsyncCachedStore(AsyncWatchableMemoryStore(memory), clock=frozen)

    assert asyncio.run(asks_anew_and_then_serves(store))
    assert asyncio.run(asks_anew_and_then_serves(store))
    asyncio.run(store.close())


def test_two_event_loops_at_once_are_refused(memory: WatchableMemoryStore) -> None:
    cache = AsyncCachedStore(AsyncWatchableMemoryStore(memory))
    elsewhere = blocking(cache)
    elsewhere.get("0" * 32)
    with pytest.raises(ConfigurationError, match="another event loop"):
        asyncio.run(cache.get("0" * 32))
    elsewhere.close()


def channels() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "sojourn-watch"]


def test_a_channel_ends_with_its_event_loop_or_before(memory: WatchableMemoryStore) -> None:
    async def use(store: AsyncCachedStore) -> None:
        await store.get("0" * 32)
        assert len(set(channels()) - before) == 1

    async def use_and_close(store: AsyncCachedStore) -> None:
        await use(store)
        await store.close()
        assert not set(channels()) - before

    before = set(channels())
    asyncio.run(use_and_close(AsyncCachedStore(AsyncWatchableMemoryStore(memory))))
    # Nobody closed it: some programs only end their loop.
    asyncio.run(use(AsyncCachedStore(AsyncWatchableMemoryStore(memory))))
    for left in set(channels()) - before:
        left.join(10)
        assert not left.is_alive()


def test_a_beat_waits_for_no_request(memory: WatchableMemoryStore) -> None:
    """One keeps the event loop for longer than the cache believes silence: what it holds is still served."""

    async def main() -> None:
        store = AsyncCachedStore(AsyncWatchableMemoryStore(memory), max_staleness=3.0, clock=frozen)
        record = put(memory)
        while store.at_hand(record.id) is None:
            await store.get(record.id)
            await asyncio.sleep(0.01)
        time.sleep(4)  # a handler that should not
        assert store.at_hand(record.id) == record
        await store.close()

    asyncio.run(main())


# Wiring


def test_a_store_that_tells_nobody_is_refused(tmp_path: Path) -> None:
    """With what can have a cache, and why these need none."""
    path = tmp_path / "sessions.sqlite3"
    for store in (MemoryStore(), SQLiteStore(path)):
        with pytest.raises(ConfigurationError, match=r"tells nobody of writes.*PostgreSQL, Redis and Valkey"):
            CachedStore(store)  # type: ignore[arg-type]
    for other in (AsyncMemoryStore(), AsyncSQLiteStore(path)):
        with pytest.raises(ConfigurationError, match="tells nobody of writes"):
            AsyncCachedStore(other)  # type: ignore[arg-type]


def test_a_mistaken_setting_is_told_at_once(memory: WatchableMemoryStore) -> None:
    with pytest.raises(ConfigurationError, match="max_staleness=0"):
        CachedStore(memory, max_staleness=0)
    with pytest.raises(ConfigurationError, match="max_bytes=0"):
        AsyncCachedStore(AsyncWatchableMemoryStore(memory), max_bytes=0)
