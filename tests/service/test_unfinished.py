"""What is begun without a task: it goes on, is cancelled and fails as if it had had one from the beginning."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from sojourn.core.errors import SojournError
from sojourn.core.problem import Problem
from sojourn.service.batch import CallBatch, rows_of
from sojourn.service.refusal import RequestRefused
from sojourn.service.unfinished import Unfinished, begin
from sojourn.wire.batches import BatchedCall
from sojourn.wire.problems import NOT_FOUND


@pytest.fixture
def anyio_backend() -> str:
    # As uvicorn's: the service knows no other loop.
    return "asyncio"


async def test_what_waits_for_nothing_is_done_at_once() -> None:
    async def work() -> int:
        return 7

    assert begin(work()) == 7


async def test_what_waits_goes_on_where_it_is_awaited_and_is_told_what_it_waited_for() -> None:
    told: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def work() -> int:
        await asyncio.sleep(0)
        try:
            await asyncio.wait_for(asyncio.sleep(60), 0)
        except TimeoutError:
            return await told + 1
        return 0

    begun = begin(work())
    assert isinstance(begun, Unfinished)
    task = asyncio.ensure_future(begun)
    told.set_result(1)

    assert await task == 2


async def test_who_cancels_it_cancels_what_was_begun() -> None:
    cleaned: list[str] = []

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            cleaned.append("up")

    begun = begin(work())
    assert isinstance(begun, Unfinished)
    task = asyncio.ensure_future(begun)
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert cleaned == ["up"]


@pytest.mark.parametrize("waits", [False, True])
async def test_its_mistake_is_raised_where_it_is_awaited(waits: bool) -> None:
    async def work() -> None:
        if waits:
            await asyncio.sleep(0)
        raise LookupError("lost")

    begun = begin(work())
    assert isinstance(begun, Unfinished)

    with pytest.raises(LookupError, match="lost"):
        await begun


# A batch


def problem(error: RequestRefused | SojournError) -> Problem:
    assert isinstance(error, RequestRefused)
    return error.problem


def batch_of(carry_out: Callable[[str], Any], *tokens: str) -> CallBatch:
    """Commits, each carried out by its token."""
    lines = [json.dumps({"commit": {"token": token, "status": "active"}}) for token in tokens]

    async def call(batched: BatchedCall) -> bytes:
        assert batched.commit is not None
        assert batched.commit.token is not None
        told = await carry_out(batched.commit.token)
        return json.dumps(told).encode()

    return CallBatch(rows_of("\n".join(lines).encode(), 1000), call)


def told(text: bytes) -> list[tuple[int, int, Any]]:
    return [(line["call"], line["status"], line["answer"]) for line in map(json.loads, text.splitlines())]


class Sent:
    """What went out, a piece each."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    async def __call__(self, message: Any) -> None:
        if message["type"] == "http.response.body":
            self.pieces.append(message["body"])


async def test_a_batch_of_which_nothing_waits_is_answered_without_a_task() -> None:
    before = asyncio.all_tasks()

    async def carry_out(token: str) -> str:
        if token == "wrong":
            raise RequestRefused(NOT_FOUND)
        if token == "broken":
            raise LookupError
        assert asyncio.all_tasks() == before
        return token

    answer = batch_of(carry_out, "a", "wrong", "broken", "b").begin(problem)

    assert answer is not None
    found = told(answer)
    assert [each[:2] for each in found] == [(0, 200), (1, 404), (2, 500), (3, 200)]
    assert [found[0][2], found[3][2]] == ["a", "b"]


async def test_a_call_that_waits_after_all_holds_none_of_its_neighbours_but_its_own_sessions() -> None:
    done: list[str] = []
    slow = asyncio.Event()
    name = "s" * 36

    async def carry_out(token: str) -> str:
        if token == f"{name} first":
            await slow.wait()
        done.append(token)
        return token

    batch, sent = batch_of(carry_out, "a", f"{name} first", f"{name} second", "b"), Sent()
    assert batch.begin(problem) is None
    assert done == ["a", "b"]
    answering = asyncio.ensure_future(batch.answer(sent, problem, whole=False))
    while not sent.pieces:
        await asyncio.sleep(0)
    assert [call for call, _, _ in told(sent.pieces[0])] == [0, 3]
    assert not answering.done()
    slow.set()
    await answering

    assert done == ["a", "b", f"{name} first", f"{name} second"]
    assert sorted(call for call, _, _ in told(b"".join(sent.pieces))) == [0, 1, 2, 3]


async def test_a_batch_that_was_begun_is_cancelled_as_one_that_was_not() -> None:
    ended: list[str] = []

    async def carry_out(token: str) -> str:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(token)
        return token

    batch = batch_of(carry_out, "a", "b")
    batch.begin(problem)
    answering = asyncio.ensure_future(batch.answer(Sent(), problem, whole=True))
    for _ in range(3):
        await asyncio.sleep(0)
    answering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await answering
    await asyncio.sleep(0)

    assert ended == ["a", "b"]
