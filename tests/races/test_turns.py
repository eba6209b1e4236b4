"""Many requests at once that change one and the same value: each is kept, and asks the store a few times, not as often
as there are others."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from msgspec.structs import replace

from sojourn import AsyncSessionManager, Session, SessionEnded, SessionManager, StoreUnavailable
from sojourn.core.outcome import as_written
from sojourn.core.store import Applied, Commit, Refused, Store
from sojourn.manager.turns import AsyncTurns, Turns
from sojourn.stores.memory import MemoryStore
from sojourn.stores.store_url import open_async_store
from sojourn.testing.records import make_record
from tests.servers.waiting import wait_until
from tests.store_kinds import url_of

from .stores import store

__all__ = ["store"]

REQUESTS = 24


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def begin(manager: SessionManager) -> str:
    session = manager.anonymous()
    session["list"] = []
    reply = manager.commit(session)
    assert reply.token is not None
    return reply.token.reveal()


def counted(commit: Callable[[Commit], Applied | Refused], asked: list[str]) -> Callable[[Commit], Applied | Refused]:
    def counting(write: Commit) -> Applied | Refused:
        asked.append(write.id)
        return commit(write)

    return counting


def at_once(manager: SessionManager, sessions: Sequence[Session]) -> list[BaseException | None]:
    """Commit all of them at the same moment; what each raised."""
    gate = threading.Barrier(len(sessions))

    def commit(session: Session) -> BaseException | None:
        gate.wait()
        try:
            manager.commit(session)
        except (SessionEnded, StoreUnavailable) as error:
            return error
        return None

    with ThreadPoolExecutor(len(sessions)) as pool:
        return list(pool.map(commit, sessions))


def appending(manager: SessionManager, token: str, count: int = REQUESTS) -> list[Session]:
    """As many requests, which all loaded the same and append their number."""
    sessions = [manager.open(token) for _ in range(count)]
    for number, session in enumerate(sessions):
        session["list"].append(number)
    return sessions


def test_threads_that_change_one_value_ask_the_store_a_few_times_each(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager, asked = SessionManager(store), list[str]()
    token = begin(manager)
    monkeypatch.setattr(store, "commit", counted(store.commit, asked))

    for rounds in (1, 2, 3, 4):
        assert at_once(manager, appending(manager, token)) == [None] * REQUESTS
        assert sorted(manager.open(token)["list"]) == sorted([*range(REQUESTS)] * rounds)
        assert len(asked) <= 3 * REQUESTS * rounds
    assert not manager._turns._turns


@pytest.mark.parametrize("kind", ["memory", "sqlite", "postgres", "redis"])
async def test_tasks_that_change_one_value_ask_the_store_a_few_times_each(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = AsyncSessionManager(open_async_store(url_of(kind, request, tmp_path)))
    asked, commit = list[str](), manager._store.commit

    async def counting(write: Commit) -> Applied | Refused:
        asked.append(write.id)
        return await commit(write)

    session = manager.anonymous()
    session["list"] = []
    reply = await manager.commit(session)
    assert reply.token is not None
    sessions = [await manager.open(reply.token.reveal()) for _ in range(REQUESTS)]
    for number, session in enumerate(sessions):
        session["list"].append(number)
    monkeypatch.setattr(manager._store, "commit", counting)
    await asyncio.gather(*map(manager.commit, sessions))

    assert sorted((await manager.open(reply.token.reveal()))["list"]) == [*range(REQUESTS)]
    assert len(asked) <= 3 * REQUESTS
    assert not manager._turns._turns
    await manager.close()


def test_who_waits_while_another_logs_in_writes_into_no_session_but_its_own(store: Store) -> None:
    """What was acknowledged came along with the log-in, and nothing else is in the session that it made."""
    manager = SessionManager(store)
    for _ in range(20):
        token = begin(manager)
        writers = appending(manager, token, 8)
        login = manager.open(token)
        login.login("ada")
        raised = at_once(manager, [*writers[:4], login, *writers[4:]])
        raised.pop(4)

        kept = manager.get(login.id or "")
        assert kept is not None
        assert sorted(kept.data["list"]) == [number for number, error in enumerate(raised) if error is None]
        assert manager.open(token).end_reason == "replaced"


def test_who_knows_more_than_the_one_before_left_does_not_go_back(store: Store) -> None:
    """What was written by another process meanwhile is neither lost nor there twice."""
    manager, elsewhere = SessionManager(store), SessionManager(store)
    token = begin(manager)
    [first] = appending(manager, token, 1)
    manager.commit(first)
    older = first._record
    assert older is not None
    [late] = appending(manager, token, 1)
    late["list"].append("late")
    [other] = appending(elsewhere, token, 1)
    elsewhere.commit(other)

    with manager._turns.of(older) as turn:
        writer = threading.Thread(target=manager.commit, args=(late,))
        writer.start()
        wait_until(lambda: turn.sharing == 2, "a writer that was overtaken")
        [last] = appending(elsewhere, token, 1)
        elsewhere.commit(last)
        turn.leave(replace(older, data=first._base))
    writer.join()

    assert manager.open(token)["list"] == [0, 0, 0, 0, "late"]


def test_what_is_not_known_for_sure_is_left_to_nobody() -> None:
    """Another one wrote to another key between the load and the write."""
    manager = SessionManager(MemoryStore())
    token = begin(manager)
    session, other = manager.open(token), manager.open(token)
    other["b"] = 1
    manager.commit(other)
    session["a"] = 1
    settled = manager._attempt(session)

    assert settled is not None
    assert as_written(session, settled) is None
    session["c"] = 1
    settled = manager._attempt(session)
    assert settled is not None
    assert as_written(session, settled) is None

    fresh = manager.open(token)
    fresh["c"] = 2
    settled = manager._attempt(fresh)
    assert settled is not None
    assert as_written(fresh, settled) == manager._store.get(token[4:36])


class Fails(MemoryStore):
    """It takes one write, and refuses those that it overtook. Then it is away, which the first to ask is told at once.

    The others are told when all of them ask at the same time.
    """

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self._all, self._others = threading.Barrier(REQUESTS), threading.Barrier(REQUESTS - 2)
        self._guard = threading.Lock()
        self.all_wait: Callable[[], bool] = lambda: False

    def commit(self, commit: Commit) -> Applied | Refused:
        with self._guard:
            self.asked += 1
            asked = self.asked
        if asked <= REQUESTS:
            self._all.wait(30)
            return super().commit(commit)
        if asked == REQUESTS + 1:
            wait_until(self.all_wait, "all others, waiting for this one")
        else:
            self._others.wait(30)
        raise StoreUnavailable("It is away.")


def test_where_the_store_does_not_answer_nobody_waits_for_those_before() -> None:
    store = Fails()
    manager = SessionManager(store)
    store.all_wait = lambda: [turn.sharing for turn in manager._turns._turns.values()] == [REQUESTS - 1]
    raised = at_once(manager, appending(manager, begin(manager)))

    assert [type(error) for error in raised].count(StoreUnavailable) == REQUESTS - 1
    assert not manager._turns._turns


def test_two_that_go_on_without_a_session_do_not_wait_for_each_other() -> None:
    turns = Turns()
    with turns.of(None) as one, turns.of(None) as other:
        assert one is not other


async def test_a_task_that_is_cancelled_while_it_waits_leaves_nothing() -> None:
    manager = AsyncSessionManager(open_async_store("memory:"))
    session = manager.anonymous()
    session["a"] = 1
    await manager.commit(session)
    record = session._record

    async with manager._turns.of(record):
        waiting = asyncio.create_task(manager._turns.of(record).__aenter__())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    assert not manager._turns._turns


async def test_a_task_that_waited_for_one_that_was_told_of_an_outage_waits_for_nobody() -> None:
    turns = AsyncTurns()
    record = make_record()
    asked: list[int] = []
    both = asyncio.Barrier(2)

    async def ask(number: int) -> None:
        async with turns.of(record) as turn:
            asked.append(number)
            while not number and turn.sharing < 3:
                await asyncio.sleep(0)
            if number:
                await both.wait()
            raise StoreUnavailable("It is away.")

    tasks = [asyncio.create_task(ask(number)) for number in range(3)]
    raised = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 30)

    assert [type(error) for error in raised] == [StoreUnavailable] * 3
    assert asked == [0, 1, 2]
    assert not turns._turns
