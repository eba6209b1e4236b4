"""The connections of an event loop: one that all calls share, and those that are one call's. Calls are cancelled,
connections are cut, and the loop ends, with many under way.
"""

from __future__ import annotations

import asyncio
import gc
import select
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
import uvloop

from sojourn.core.errors import StoreUnavailable
from sojourn.core.record import Record
from sojourn.core.store import Applied
from sojourn.stores.redis import AsyncRedisStore, RedisStore
from sojourn.stores.redis.async_node import AsyncNode
from sojourn.stores.redis.batch import Packed
from sojourn.stores.redis.calls import pack
from sojourn.stores.redis.connections import async_connect
from sojourn.stores.redis.url import parse
from sojourn.testing.records import change, commit, live, make_record, put
from tests.servers.proxy import Proxy
from tests.servers.redis import RedisServer

LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]


@pytest.fixture
def store(redis_server: RedisServer) -> Iterator[RedisStore]:
    redis_server.clear()
    opened = RedisStore(redis_server.url)
    yield opened
    opened.close()


@pytest.fixture(params=LOOPS, ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Coroutine[Any, Any, None]], None]:
    def in_loop(main: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(main)

    return in_loop


def node_at(port: int, timeout: float) -> AsyncNode:
    location = parse(f"redis://127.0.0.1:{port}")
    return AsyncNode(async_connect(location, location.addresses[0], timeout), 0, timeout)


def echo(text: str) -> list[Packed]:
    return [(pack("ECHO", text), 0, False)]


def answered_after(seconds: float) -> list[Packed]:
    return [(pack("BLPOP", "nothing", str(seconds)), 0, False)]


# One call's connection


@pytest.mark.parametrize("is_cancelled", [True, False])
def test_a_connection_is_given_back_by_the_call_that_has_it_and_by_nobody_else(
    redis_server: RedisServer, is_cancelled: bool
) -> None:
    """Its answer comes, and it is looked for what is overdue, in one turn of the loop; in the next another call comes,
    before the first has heard of its answer.
    """

    async def main() -> None:
        node, comes = node_at(redis_server.port, 1.0), asyncio.Event()
        first = asyncio.create_task(node.exchange(answered_after(0.05), 0.9))

        async def come() -> list[Any]:
            await comes.wait()
            if is_cancelled:
                first.cancel()
            return await node.exchange(answered_after(0.5), 0.9)

        second = asyncio.create_task(come())
        while not node._lent:
            await asyncio.sleep(0)
        (connection,) = node._lent
        asyncio.get_running_loop().call_soon(comes.set)
        time.sleep(0.15)  # the time to look comes, and the answer
        assert select.select([connection._transport.get_extra_info("socket")], [], [], 20)[0]
        (done,), _ = await asyncio.wait([first, second], return_when=asyncio.FIRST_COMPLETED)
        assert done is first
        assert first.cancelled() == is_cancelled
        third = asyncio.create_task(node.exchange(echo("third"), 0.9))
        await asyncio.sleep(0)
        if is_cancelled:
            assert await second == [None]
        else:
            second.cancel()
        assert await third == [b"third"]
        await node.close()

    asyncio.run(main())


def test_a_call_that_a_close_leaves_under_way_is_told_in_time(redis_server: RedisServer) -> None:
    async def main(network: Proxy) -> None:
        node = node_at(network.port, 1.0)
        assert await node.exchange(echo("first"), 0.9) == [b"first"]
        network.pause()
        second = asyncio.create_task(node.exchange(echo("second"), 0.9))
        await asyncio.sleep(0)
        await node.close()
        (answer,) = await asyncio.wait_for(second, 20)
        assert isinstance(answer, Exception)

    with Proxy(redis_server.port) as network:
        asyncio.run(main(network))


# The connection that all share


def cut(server: RedisServer) -> None:
    server.ask("CLIENT", "KILL", "TYPE", "normal")


def forget_scripts(server: RedisServer) -> None:
    server.ask("SCRIPT", "FLUSH")


def fill_up(server: RedisServer) -> None:
    server.ask("CONFIG", "SET", "maxmemory", 1)


async def use(store: AsyncRedisStore, record: Record, writes: bool) -> str:
    """What came of it, and that it was this record's."""
    try:
        if writes:
            assert await store.commit(commit(record, increments={"n": 1})) == Applied(2)
        else:
            assert await store.get(record.id) == record
    except StoreUnavailable as error:
        return str(error)
    return "ok"


@pytest.mark.parametrize("fail", [cut, forget_scripts, fill_up])
def test_who_is_under_way_when_it_fails_gets_their_own_answer_and_writes_once(
    redis_server: RedisServer, store: RedisStore, run: Callable[..., None], fail: Callable[[RedisServer], None]
) -> None:
    records = [put(store) for _ in range(100)]
    told: list[str] = []

    async def main() -> None:
        shared = AsyncRedisStore(redis_server.url)
        assert await shared.get(records[0].id) == records[0]
        redis_server.ask("CLIENT", "PAUSE", 60_000, "WRITE")
        uses = [asyncio.create_task(use(shared, record, number % 2 == 0)) for number, record in enumerate(records)]
        await asyncio.sleep(0.02)
        assert not any(each.done() for each in uses)
        fail(redis_server)
        redis_server.ask("CLIENT", "UNPAUSE")
        told.extend(await asyncio.gather(*uses))
        await shared.close()

    try:
        run(main())
    finally:
        redis_server.ask("CLIENT", "UNPAUSE")
        redis_server.ask("CONFIG", "SET", "maxmemory", 0)
    assert told[1::2] == ["ok"] * 50, "reads are asked again"
    assert (set(told[::2]) == {"ok"}) == (fail is forget_scripts)
    written = [live(store, record.id).data.get("n") for record in records]
    assert written[::2] == [b"1" if each == "ok" else None for each in told[::2]]


def test_a_loop_that_ends_with_calls_under_way_leaves_nothing_open_and_waits_for_no_server(
    redis_server: RedisServer, run: Callable[..., None]
) -> None:
    """Nothing is read any more of what is sent."""

    async def main(network: Proxy) -> None:
        store = AsyncRedisStore(f"redis://127.0.0.1:{network.port}", timeout=60.0)
        assert await store.get("0" * 32) is None
        network.pause()
        write = commit(make_record(), changes={"text": change(None, b'"' + b"x" * 100_000 + b'"')})
        uses = [asyncio.create_task(store.commit(write)) for _ in range(200)]
        await asyncio.sleep(0.02)
        # As for those who come when it was silent for long: it is left to who waits there.
        (node,) = store._at_work().nodes.values()
        assert node._shared is not None
        node._shared.asked[0].give_up -= 60.0 / 2
        uses.append(asyncio.create_task(store.commit(write)))
        await asyncio.sleep(0.02)
        assert len(node._left) == 1
        assert not any(each.done() for each in uses)

    with Proxy(redis_server.port) as network:
        began = time.monotonic()
        run(main(network))
        gc.collect()  # what is left open is told as an error
        assert time.monotonic() - began < 30
