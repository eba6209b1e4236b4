"""What goes on for long is over with its session, on every store: streams, subscriptions, rooms and long polls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest
import socketio  # type: ignore[import-untyped]
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from sojourn import AsyncSessionManager, ConfigurationError
from sojourn.asgi import Ending, SessionMiddleware, until_ended
from sojourn.stores.memory import AsyncMemoryStore

from .site import Site, begin, cookie
from .test_wait_for_end import Here, run


async def left_room(url: str, token: str, transport: str, joined: asyncio.Event) -> str:
    client, left = socketio.AsyncClient(reconnection=False), asyncio.Event()

    async def disconnected(*_: Any) -> None:
        left.set()

    client.on("disconnect", disconnected)
    await client.connect(url, headers=cookie(token), transports=[transport])
    joined.set()
    await left.wait()
    await client.disconnect()
    return "room"


async def read_feed(client: httpx2.AsyncClient, token: str, joined: asyncio.Event) -> str:
    async with client.stream("GET", "/feed", headers=cookie(token), timeout=30) as answer:
        lines = []
        async for line in answer.aiter_lines():
            lines.append(line)
            joined.set()
    return " ".join(line for line in lines if line)


async def read_subscription(url: str, token: str, joined: asyncio.Event) -> tuple[int, str]:
    protocol, where = Subprotocol("graphql-transport-ws"), url.replace("http", "ws") + "/subscribe"
    async with connect(where, additional_headers=cookie(token), subprotocols=[protocol]) as socket:
        with suppress(ConnectionClosed):
            while await socket.recv():
                joined.set()
    return socket.close_code or 0, socket.close_reason or ""


@pytest.mark.parametrize("kind", ["memory", "sqlite", "postgres", "redis"])
def test_streams_subscriptions_rooms_and_polls_end_with_a_session_that_is_revoked_elsewhere(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Those of another session go on: they end only when their own does."""
    here = Here(kind, request, tmp_path)

    async def main() -> None:
        manager, elsewhere = here.manager, here.elsewhere
        site = Site(manager)
        (mine, token), (bobs, other) = await begin(manager), await begin(manager, "bob")
        async with site.served(), httpx2.AsyncClient(base_url=site.url) as client:
            joined = [asyncio.Event() for _ in range(5)]
            ends: list[asyncio.Task[Any]] = [
                asyncio.create_task(read_feed(client, token, joined[0])),
                asyncio.create_task(read_subscription(site.url, token, joined[1])),
                asyncio.create_task(left_room(site.url, token, "polling", joined[2])),
                asyncio.create_task(left_room(site.url, token, "websocket", joined[3])),
                asyncio.create_task(client.get("/poll", headers=cookie(token), timeout=30)),
            ]
            bob = asyncio.create_task(read_feed(client, other, joined[4]))
            await asyncio.gather(*(each.wait() for each in joined))
            assert not [each for each in ends if each.done()]

            await asyncio.to_thread(elsewhere.revoke, mine)
            feed, subscription, *rooms, poll = await asyncio.gather(*ends)
            assert feed == "data: 1 event: end data: revoked"
            assert subscription == (1008, "revoked")
            assert rooms == ["room", "room"]
            assert poll.json() == {"ended": "revoked"}
            assert sorted(site.closed) == ["feed", "room", "room", "subscribe"]
            assert not bob.done()
            await asyncio.to_thread(elsewhere.revoke, bobs, "limit")
            assert await bob == "data: 1 event: end data: limit"
            elsewhere._store.close()
            await manager.close()

    run(main())


# The limit itself, without a server between


async def within(manager: AsyncSessionManager, token: str | None, body: Any) -> Any:
    """What `body` makes of the request."""
    made: list[Any] = []

    async def app(scope: Any, _: Any, send: Any) -> None:
        class Request:
            pass

        request: Any = Request()
        request.scope = scope
        made.append(await body(request))
        await send({"type": "http.response.start", "status": 204, "headers": []})

    async def nothing(*_: Any) -> Any:
        return {"type": "http.request"}

    headers = [(name.lower().encode(), value.encode()) for name, value in (cookie(token) if token else {}).items()]
    scope = {"type": "http", "method": "GET", "path": "/", "scheme": "https", "headers": headers}
    await SessionMiddleware(app, manager)(scope, nothing, nothing)
    return made[0]


def test_an_error_and_a_cancellation_of_the_body_are_its_own() -> None:
    async def body(request: Any) -> list[str]:
        seen = []
        with pytest.raises(ValueError, match="mine"):
            async with until_ended(request):
                raise ValueError("mine")
        ending = until_ended(request)
        with pytest.raises(TimeoutError):
            async with ending, asyncio.timeout(0):
                await asyncio.Event().wait()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01), ending:
                await asyncio.Event().wait()
        seen.append(str(ending.ended))
        return seen

    async def main() -> None:
        manager = AsyncSessionManager(AsyncMemoryStore())
        _, token = await begin(manager)
        assert await within(manager, token, body) == ["False"]
        await manager.close()

    run(main())


def test_a_session_that_is_over_lets_nothing_begin_to_wait() -> None:
    async def body(request: Any) -> Ending:
        async with until_ended(request) as ending:
            await asyncio.Event().wait()
        items = [item async for item in until_ended(request).each(counted([]))]
        assert items == []
        return ending

    async def main() -> None:
        manager = AsyncSessionManager(AsyncMemoryStore())
        id, token = await begin(manager)
        await manager.revoke(id)
        ending = await within(manager, token, body)
        assert (ending.ended, ending.reason) == (True, "revoked")

    run(main())


async def counted(closed: list[str]) -> AsyncIterator[int]:
    try:
        for number in range(3):
            yield number
    finally:
        closed.append("closed")


def test_without_a_session_and_within_one_that_lives_all_items_come() -> None:
    async def body(request: Any) -> list[int]:
        closed: list[str] = []
        ending = until_ended(request)
        items = [item async for item in ending.each(counted(closed))]
        assert closed == ["closed"]
        assert not ending.ended
        return items

    async def main() -> None:
        manager = AsyncSessionManager(AsyncMemoryStore())
        _, token = await begin(manager)
        for shown in (None, token):
            assert await within(manager, shown, body) == [0, 1, 2]
        await manager.close()

    run(main())


def test_an_end_while_the_items_are_being_used_stops_before_the_next_one() -> None:
    """And cancels nothing of who uses them."""

    async def main() -> None:
        manager = AsyncSessionManager(AsyncMemoryStore())
        id, token = await begin(manager)

        async def body(request: Any) -> list[int]:
            closed: list[str] = []
            ending, taken = until_ended(request), []
            async for item in ending.each(counted(closed)):
                await manager.revoke(id)
                while not ending.ended:
                    await asyncio.sleep(0.01)
                taken.append(item)
            assert (closed, ending.reason) == (["closed"], "revoked")
            return taken

        assert await within(manager, token, body) == [0]
        await manager.close()

    run(main())


def test_outside_of_the_middleware_it_says_what_is_missing() -> None:
    class Request:
        scope: dict[str, Any] = {}  # noqa: RUF012

    with pytest.raises(ConfigurationError, match="SessionMiddleware"):
        until_ended(Request())
