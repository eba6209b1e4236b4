"""Changes that come while another is under way are made as one, and each is judged and answered for itself."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg
import pytest

from sojourn import StoreUnavailable
from sojourn.core.errors import DataTooLarge
from sojourn.core.record import Record
from sojourn.core.store import Applied, Commit, End, Refused, Store
from sojourn.stores.postgres import AsyncPostgresStore, PostgresStore
from sojourn.stores.postgres.batched_commits import GATHERED_FOR, AsyncBatchedCommits, BatchedCommits
from sojourn.testing.records import NOW, change, commit, live, make_record, put
from tests.servers.waiting import wait_until

BLOCKED = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"


def changes(records: Sequence[Record], value: bytes = b"2") -> list[Commit]:
    return [commit(record, changes={"n": change(b"1", value)}) for record in records]


def at_once(kind: str, database: str, commits: Sequence[Commit]) -> list[object]:
    """What a store of this kind answers to them, or raises."""

    async def by_loop() -> list[object]:
        store = AsyncPostgresStore(database)
        try:
            return await asyncio.gather(*map(store.commit, commits), return_exceptions=True)
        finally:
            await store.close()

    def by_thread(commit: Commit) -> object:
        begin.wait()
        try:
            return own.commit(commit)
        except Exception as error:  # noqa: BLE001  # given back
            return error

    if kind == "loop":
        return asyncio.run(by_loop())
    begin = threading.Barrier(len(commits))
    with closing(PostgresStore(database)) as own, ThreadPoolExecutor(len(commits)) as threads:
        return list(threads.map(by_thread, commits))


def transactions(database: str) -> int:
    """How many the rows of today were written by."""
    with psycopg.connect(database) as connection:
        [(count,)] = connection.execute("SELECT count(DISTINCT xmin::text) FROM sojourn_session").fetchall()
    return int(count)


@pytest.fixture
def store(database: str) -> Store:
    return PostgresStore(database)


both = pytest.mark.parametrize("kind", ["threads", "loop"])


@both
def test_those_that_come_together_are_few_transactions(database: str, store: Store, kind: str) -> None:
    records = [put(store, data={"n": b"1", "other": b'"kept"'}) for _ in range(24)]

    answers = at_once(kind, database, changes(records))

    assert answers == [Applied(record.version + 1) for record in records]
    assert all(live(store, record.id).data == {"n": b"2", "other": b'"kept"'} for record in records)
    assert transactions(database) < len(records) / 2


@both
def test_each_is_judged_for_itself(database: str, store: Store, kind: str) -> None:
    made, ended, changed, large, gone, *others = [put(store, data={"n": b"1", "k\0": b"0"}) for _ in range(16)]
    store.end(End(ended.id, "logout", NOW))
    store.commit(commit(changed, changes={"n": change(b"1", b"7")}))
    asked = [
        *changes(others),
        commit(made, changes={"n": change(b"1", b'"\\u0000\xf0\x9f\xa6\x8a"'), "k\0": change(b"0", None)}),
        *changes([ended, changed]),
        commit(large, changes={"n": change(b"1", b'"%s"' % (b"x" * 40_000))}),
        commit(make_record(), changes={"n": change(None, b"1")}),
        commit(gone, changes={"n": change(None, b"1"), "new": change(None, b"1")}),
    ]

    answers = at_once(kind, database, asked)

    assert answers[: len(others) + 1] == [Applied(2)] * (len(others) + 1)
    assert live(store, made.id).data == {"n": b'"\\u0000\xf0\x9f\xa6\x8a"'}
    refused = answers[len(others) + 1 :]
    assert [type(answer) for answer in refused] == [Refused, Refused, DataTooLarge, Refused, Refused]
    assert isinstance(refused[1], Refused)
    assert refused[1].record is not None
    assert refused[1].record.data["n"] == b"7"
    assert live(store, large.id).data["n"] == live(store, gone.id).data["n"] == b"1"


@both
def test_of_many_for_one_session_and_one_value_one_is_made(database: str, store: Store, kind: str) -> None:
    record = put(store, data={"n": b"1"})

    answers = at_once(kind, database, [each for n in range(8) for each in changes([record], b"%d" % (n + 10))])

    assert [type(answer) for answer in answers].count(Applied) == 1
    assert live(store, record.id).version == 2


@both
def test_a_row_that_somebody_holds_keeps_no_other_session_waiting(database: str, store: Store, kind: str) -> None:
    held, *others = records = [put(store, data={"n": b"1"}) for _ in range(12)]
    with psycopg.connect(database) as stranger, psycopg.connect(database, autocommit=True) as looking:
        stranger.execute("SELECT FROM sojourn_session WHERE id = %s FOR UPDATE", (held.id,))
        with ThreadPoolExecutor(1) as thread:
            answers = thread.submit(at_once, kind, database, changes(records))
            wait_until(lambda: all(live(store, each.id).version == 2 for each in others), "the others' changes")
            assert looking.execute(BLOCKED).fetchone() == (1,)
            assert live(store, held.id).version == 1
            stranger.rollback()

        assert answers.result() == [Applied(2)] * len(records)


@both
def test_what_cannot_be_asked_fails_for_itself_alone(database: str, store: Store, kind: str) -> None:
    """No text, and a number that no bigint holds."""
    records = [put(store, data={"n": b"1"}) for _ in range(6)]
    asked = changes(records)
    asked[3] = commit(records[3], changes={"n": change(b"1", b"\xff")})
    asked[4] = Commit(id=records[4].id, now=NOW, changes=asked[4].changes, max_bytes=2**70)

    answers = at_once(kind, database, asked)

    assert isinstance(answers.pop(3), UnicodeDecodeError)
    assert answers == [Applied(2)] * 5


# The batches themselves


class Writes:
    """What travelled alone, and what together; nothing arrives before `release`."""

    def __init__(self, error: Exception | None = None) -> None:
        self.alone: list[str] = []
        self.together: list[list[str]] = []
        self.release = asyncio.Event()
        self._error = error

    async def one(self, commit: Commit) -> Applied | Refused:
        self.alone.append(commit.id)
        await self.release.wait()
        return Applied(1)

    async def many(self, commits: Sequence[Commit]) -> Mapping[str, Applied]:
        self.together.append([commit.id for commit in commits])
        await self.release.wait()
        if self._error:
            raise self._error
        return {commit.id: Applied(2) for commit in commits}


COMMITS = changes([make_record() for _ in range(6)])


def test_who_comes_while_one_is_under_way_waits_a_moment_and_no_longer() -> None:
    async def run() -> None:
        writes = Writes()
        batched = AsyncBatchedCommits(writes.one, writes.many)
        tasks = [asyncio.create_task(batched.commit(each)) for each in COMMITS[:4]]
        while not writes.together:
            await asyncio.sleep(0)  # the first one does not come back
        assert writes.alone == [COMMITS[0].id]
        assert writes.together == [[each.id for each in COMMITS[1:4]]]
        writes.release.set()
        assert await asyncio.gather(*tasks) == [Applied(1), *[Applied(2)] * 3]
        assert await batched.commit(COMMITS[5]) == Applied(1)

    asyncio.run(run())


@pytest.mark.parametrize("gone", range(4))
def test_a_request_that_goes_away_takes_nobody_with_it(gone: int) -> None:
    async def run() -> None:
        writes = Writes()
        batched = AsyncBatchedCommits(writes.one, writes.many)
        tasks = [asyncio.create_task(batched.commit(each)) for each in COMMITS[:4]]
        while not writes.together:
            await asyncio.sleep(0)
        tasks[gone].cancel()
        await asyncio.sleep(0)
        writes.release.set()
        found = await asyncio.gather(*tasks, return_exceptions=True)

        assert isinstance(found.pop(gone), asyncio.CancelledError)
        assert found == [Applied(1), *[Applied(2)] * 3][:gone] + [Applied(1), *[Applied(2)] * 3][gone + 1 :]

    asyncio.run(run())


def test_an_outage_is_told_to_each() -> None:
    async def run() -> None:
        writes = Writes(StoreUnavailable("away"))
        batched = AsyncBatchedCommits(writes.one, writes.many)
        tasks = [asyncio.create_task(batched.commit(each)) for each in COMMITS[:4]]
        while not writes.together:
            await asyncio.sleep(0)
        writes.release.set()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert [str(each) for each in found[1:]] == ["away"] * 3

    asyncio.run(run())


@pytest.mark.parametrize("when", ["while it gathers", "while it writes"])
def test_a_thread_that_is_broken_off_leaves_nobody_waiting(when: str, monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def alone(each: Commit) -> Applied | Refused:
        release.wait(30)
        return Applied(1)

    def together(commits: Sequence[Commit]) -> Mapping[str, Applied]:
        raise KeyboardInterrupt

    def gather(seconds: float) -> bool:
        wait_until(lambda: batched._gathering.next is not None and len(batched._gathering.next.commits) == 2, "both")
        if when == "while it gathers":
            raise KeyboardInterrupt
        return True

    def commit_one(each: Commit) -> object:
        try:
            return batched.commit(each)
        except BaseException as error:  # noqa: BLE001  # given back
            return error

    batched = BatchedCommits(alone, together)
    with ThreadPoolExecutor(3) as threads:
        first = threads.submit(commit_one, COMMITS[0])
        wait_until(lambda: batched._gathering.under_way == 1, "the first")
        monkeypatch.setattr(threading.Event, "wait", _instead(gather, threading.Event.wait))
        others = [threads.submit(commit_one, each) for each in COMMITS[1:3]]
        answers = {type(other.result(30)) for other in others}
        release.set()

    assert answers == {KeyboardInterrupt, StoreUnavailable}
    assert first.result() == Applied(1)
    assert batched._gathering.under_way == 0


def _instead(gather: Callable[[float], bool], wait: Callable[..., bool]) -> Callable[..., bool]:
    """A wait of a batch's is `gather`."""
    return lambda event, timeout=None: gather(timeout) if timeout == GATHERED_FOR else wait(event, timeout)


def test_a_child_of_a_fork_waits_for_nothing_of_its_parents(database: str, store: Store) -> None:
    records = [put(store, data={"n": b"1"}) for _ in range(2)]
    under_way, release = threading.Event(), threading.Event()

    def alone(each: Commit) -> Applied | Refused:
        under_way.set()
        release.wait(30)
        return store.commit(each)

    batched = BatchedCommits(alone, lambda commits: {})
    thread = threading.Thread(target=batched.commit, args=(changes(records)[0],))
    thread.start()
    under_way.wait()
    batched._guard.acquire()
    child = os.fork()
    if not child:
        batched._alone = lambda each: Applied(9)
        os._exit(batched.commit(changes(records)[1]) != Applied(9))
    batched._guard.release()
    release.set()
    thread.join()
    assert os.waitpid(child, 0)[1] == 0
