"""Calls that wait go together: what remote managers on an event loop send, and what each call is told."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from adapters.tests.relay import Relay
from sojourn import Session
from sojourn.core.errors import DataTooLarge, SessionEnded, SojournError, StoreUnavailable
from sojourn.remote import AsyncRemoteSessionManager
from sojourn.remote.batch import BatchAnswers, call_batch
from sojourn.remote.service_call import ServiceCall
from sojourn.wire.batches import MAX_CALLS
from sojourn.wire.http import COMMIT, OPEN

from .service import Service, begin, manager_of, token_of

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "batches.json").read_text("utf-8"))
PATHS = {"open": OPEN, "commit": COMMIT}
MANY = 40
# Seconds on the way: on a busy machine the first call is answered else before the others are asked.
DELAY = 0.05

T = TypeVar("T")


def by_why(cases: list[dict[str, Any]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=lambda case: case["why"])


@by_why(VECTORS["sent"])
def test_calls_are_sent_as_lines(case: dict[str, Any]) -> None:
    calls = [
        ServiceCall("POST", PATHS[name], json.dumps(body, separators=(",", ":")).encode())
        for call in case["calls"]
        for name, body in call.items()
    ]

    assert call_batch(calls).body.decode() == case["body"]


@by_why(VECTORS["answered"])
def test_each_call_is_told_its_own_answer(case: dict[str, Any]) -> None:
    answers = BatchAnswers(case["calls"])
    told: list[Any] = [None] * case["calls"]
    body = b"".join(piece.encode() for piece in case["pieces"])
    try:
        for piece in [body[at : at + 1] for at in range(len(body))] if "each_byte" in case else [body]:
            for place, (status, text) in answers.read(piece):
                told[place] = {"status": status, "answer": json.loads(text)}
    except StoreUnavailable:
        pass

    assert told == case["told"]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def relay(service: Service) -> Iterator[Relay]:
    with Relay(service.server.port) as made:
        yield made


@asynccontextmanager
async def introduced(url: str, key: str, timeout: float = 20.0) -> AsyncIterator[AsyncRemoteSessionManager]:
    """A manager that has heard of batches."""
    manager = AsyncRemoteSessionManager(url, key, timeout=timeout)
    try:
        await manager.open(f"sj1-{'0' * 32}-{'0' * 64}")
        yield manager
    finally:
        await manager.close()


async def settled(asked: Sequence[Awaitable[T]]) -> list[T | BaseException]:
    return list(await asyncio.gather(*asked, return_exceptions=True))


async def changed(manager: AsyncRemoteSessionManager, token: str, **data: Any) -> Session:
    session = await manager.open(token)
    session.update(data)
    await manager.commit(session)
    return session


@pytest.fixture(scope="module")
def tokens(service: Service) -> list[str]:
    with manager_of("threads", service.url, service.key) as manager:
        return [begin(manager, number=n) for n in range(MANY)]


async def test_what_waits_goes_together_and_each_gets_its_own_answer(
    relay: Relay, service: Service, tokens: list[str]
) -> None:
    async with introduced(relay.url, service.key) as manager:
        relay.forget()
        relay.delay = DELAY
        sessions = await asyncio.gather(*map(manager.open, tokens))

        assert [session["number"] for session in sessions] == [*range(MANY)]
        # The first was alone; what came with it is a batch, or two where the first takes long.
        assert relay.paths[0] == "/v1/open"
        assert len(relay.paths) <= 4
        relay.forget()
        for session in sessions:
            session.increment("opened")
        await asyncio.gather(*map(manager.commit, sessions))
        assert relay.paths.count("/v1/commit") == 1
        assert len(relay.paths) <= 4
        assert [session["opened"] for session in sessions] == [1] * MANY


async def test_a_call_alone_is_sent_as_ever(relay: Relay, service: Service, tokens: list[str]) -> None:
    async with introduced(relay.url, service.key) as manager:
        relay.forget()
        for _ in range(2):
            await changed(manager, tokens[0], n=1)

    assert "/v1/batch" not in relay.paths


async def test_more_than_a_batch_may_hold_goes_in_several(relay: Relay, service: Service, tokens: list[str]) -> None:
    async with introduced(relay.url, service.key) as manager:
        relay.forget()
        relay.delay = DELAY
        sessions = await asyncio.gather(*[manager.open(tokens[n % MANY]) for n in range(2 * MAX_CALLS)])

    assert [session["number"] for session in sessions] == [n % MANY for n in range(2 * MAX_CALLS)]
    assert relay.paths == ["/v1/open", "/v1/batch", "/v1/batch"]


async def test_one_that_is_refused_says_nothing_of_its_neighbours(service: Service) -> None:
    async with introduced(service.url, service.key) as manager:
        sessions = []
        for n in range(9):
            session = manager.anonymous()
            session["n"] = n
            sessions.append(await manager.open(token_of(await manager.commit(session))))
        await manager.revoke(sessions[4].id or "")
        for session in sessions:
            session["more"] = 1
        sessions[6]["more"] = "x" * 40_000
        sessions[7]["more"] = "x" * 200_000

        found = await settled([manager.commit(session) for session in sessions])

    kinds = {n: type(each) for n, each in enumerate(found) if isinstance(each, SojournError)}
    assert kinds == {4: SessionEnded, 6: DataTooLarge, 7: DataTooLarge}


async def test_a_hundred_changes_of_one_session_are_made_in_the_order_in_which_they_were_asked(
    service: Service,
) -> None:
    async with introduced(service.url, service.key) as manager:
        session = manager.anonymous()
        session["last"] = None
        token = token_of(await manager.commit(session))
        sessions = await asyncio.gather(*[manager.open(token) for _ in range(100)])
        for n, each in enumerate(sessions):
            each["last"] = n
        await asyncio.gather(*map(manager.commit, sessions[1:]))
        assert (await manager.open(token))["last"] == 99


async def test_a_connection_that_dies_amid_a_batch_leaves_commits_unknown_and_opens_are_asked_again_alone(
    relay: Relay, service: Service, tokens: list[str]
) -> None:
    async with introduced(relay.url, service.key) as manager:
        sessions = await asyncio.gather(*map(manager.open, tokens[:5]))
        for session in sessions:
            session.increment("lost")
        relay.delay = DELAY
        first = asyncio.create_task(manager.open(tokens[0]))
        await asyncio.sleep(0)
        relay.forget()
        relay.break_batches = 1

        found = await settled([*map(manager.commit, sessions), *map(manager.open, tokens)])

        await first
    assert all(isinstance(each, StoreUnavailable) for each in found[:5])
    assert [each["number"] for each in found[5:] if isinstance(each, Session)] == [*range(MANY)]
    assert relay.paths.count("/v1/batch") == 1
    assert relay.paths.count("/v1/commit") == 0
    assert relay.paths.count("/v1/open") in (MANY, MANY + 1)


async def test_a_service_that_knows_no_batches_is_asked_as_ever(
    relay: Relay, service: Service, tokens: list[str]
) -> None:
    relay.hides_batches = True
    async with introduced(relay.url, service.key) as manager:
        relay.forget()
        sessions = await asyncio.gather(*map(manager.open, tokens))

    assert [session["number"] for session in sessions] == [*range(MANY)]
    assert relay.paths == ["/v1/open"] * MANY


async def test_a_service_that_is_put_back_to_an_older_one_has_done_nothing_of_a_batch(
    relay: Relay, service: Service, tokens: list[str]
) -> None:
    async with introduced(relay.url, service.key) as manager:
        sessions = await asyncio.gather(*map(manager.open, tokens))
        relay.forget()
        relay.forgets_batches = True
        for session in sessions:
            session.increment("again")
        await asyncio.gather(*map(manager.commit, sessions))

        assert [session["again"] for session in sessions] == [1] * MANY
        # Two are under way at once, where the first takes long. No other comes after them.
        assert relay.paths.count("/v1/batch") in (1, 2)
        relay.forget()
        await asyncio.gather(*map(manager.open, tokens))
        assert "/v1/batch" not in relay.paths


async def test_where_none_is_answered_in_time_all_are_refused_and_the_next_are_not(
    relay: Relay, service: Service, tokens: list[str]
) -> None:
    async with introduced(relay.url, service.key, timeout=1.0) as manager:
        relay.delay = 3.0
        found = await settled([manager.open(token) for token in tokens])
        assert all(isinstance(each, StoreUnavailable) and "within 1 s" in str(each) for each in found)
        relay.delay = 0.0

    async with introduced(relay.url, service.key) as manager:
        assert len(await asyncio.gather(*map(manager.open, tokens))) == MANY


async def test_a_request_that_is_given_up_takes_no_neighbour_with_it(
    relay: Relay, service: Service, tokens: list[str]
) -> None:
    async with introduced(relay.url, service.key) as manager:
        relay.delay = 0.2
        asked = [asyncio.create_task(manager.open(token)) for token in tokens]
        await asyncio.sleep(0.1)
        for given_up in asked[::2]:
            given_up.cancel()
        found = await settled(asked)

    assert [isinstance(each, asyncio.CancelledError) for each in found] == [True, False] * (MANY // 2)


def test_a_manager_may_be_used_by_one_event_loop_after_the_other(service: Service, tokens: list[str]) -> None:
    manager = AsyncRemoteSessionManager(service.url, service.key)

    async def open_all() -> list[int]:
        return [session["number"] for session in await asyncio.gather(*map(manager.open, tokens))]

    for _ in range(3):
        assert asyncio.run(open_all()) == [*range(MANY)]
    asyncio.run(manager.close())


async def test_no_token_is_in_what_is_told_of_a_batch(relay: Relay, service: Service, tokens: list[str]) -> None:
    async with introduced(relay.url, service.key) as manager:
        relay.break_batches = 9
        sessions = await asyncio.gather(*map(manager.open, tokens))
        for session in sessions:
            session["n"] = 1
        found = await settled([manager.commit(session) for session in sessions])

    told = " ".join(str(each) for each in found if isinstance(each, SojournError))
    assert told
    assert not re.search("sj1-|sjk1-", told)
