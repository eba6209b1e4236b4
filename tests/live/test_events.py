"""GET /events: what a browser may read, at once and at each change, until its session is over; on every store."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from sojourn import AsyncSessionManager, Client, Policy, Session
from sojourn.browser.event_stream import HEARTBEAT, WARNING, EventStream
from sojourn.core.sighting import GONE, sighting
from sojourn.stores.memory import AsyncMemoryStore
from sojourn.testing.records import NOW, make_record

from .site import Site, begin, cookie
from .test_wait_for_end import Here, run


class Events:
    """An event stream as a browser reads it."""

    def __init__(self, answer: httpx2.Response) -> None:
        self.answer = answer
        self.last_id = ""
        self._lines = answer.aiter_lines()

    async def next(self) -> tuple[str, Any]:
        """The next event's name and data; "" and None at the end."""
        name, data = "", None
        async for line in self._lines:
            field, _, value = line.partition(": ")
            if field == "event":
                name = value
            elif field == "data":
                data = json.loads(value)
            elif field == "id":
                self.last_id = value
            elif not line and name:
                return name, data
        return "", None


@asynccontextmanager
async def listening(site: Site, token: str | None, last_id: str = "") -> AsyncIterator[Events]:
    headers = {**(cookie(token) if token else {}), **({"Last-Event-ID": last_id} if last_id else {})}
    async with (
        httpx2.AsyncClient(base_url=site.url, timeout=30) as client,
        client.stream("GET", "/session/events", headers=headers) as answer,
    ):
        yield Events(answer)


@pytest.mark.parametrize("kind", ["memory", "sqlite", "postgres", "redis"])
def test_a_browser_is_told_its_state_each_change_and_the_end_with_its_reason(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    here = Here(kind, request, tmp_path)

    async def main() -> None:
        manager, elsewhere = here.manager, here.elsewhere
        site = Site(manager)
        id, token = await begin(manager, theme="light", secret="the server's")

        def change(**data: str) -> None:
            there = elsewhere.open(token)
            there.passive = True
            there.update(data)
            elsewhere.commit(there)

        async with site.served(), listening(site, token) as first, listening(site, token) as second:
            for events in (first, second):
                assert events.answer.headers["content-type"] == "text/event-stream"
                assert events.answer.headers["cache-control"] == "no-store"
                name, state = await events.next()
                assert (name, state["status"], state["data"]) == ("state", "active", {"theme": "light"})
            await asyncio.to_thread(change, secret="another one")
            await asyncio.to_thread(change, theme="dark")
            for events in (first, second):
                name, state = await events.next()
                assert (name, state["id"], state["data"]) == ("state", id, {"theme": "dark"})
            await asyncio.to_thread(elsewhere.revoke, id)
            for events in (first, second):
                name, state = await events.next()
                assert (name, state["status"], state["end_reason"]) == ("state", "ended", "revoked")
                assert await events.next() == ("", None)
            assert manager._following is not None
            assert not [those._by_id for those in manager._following._by_loop.values() if those._by_id]
        elsewhere._store.close()
        await manager.close()

    run(main())


def test_a_stream_that_broke_off_goes_on_with_what_is_new() -> None:
    async def main() -> None:
        manager = AsyncSessionManager(AsyncMemoryStore())
        site = Site(manager)
        _, token = await begin(manager, theme="light")
        async with site.served():
            async with listening(site, token) as events:
                await events.next()
            last_id = events.last_id
            async with listening(site, token, last_id) as events:
                there = await manager.open(token)
                there["theme"] = "dark"
                await manager.commit(there)
                _, state = await events.next()
                assert state["data"] == {"theme": "dark"}
            async with listening(site, token, last_id) as events:
                _, state = await events.next()
                assert state["data"] == {"theme": "dark"}
        await manager.close()

    run(main())


def test_without_a_session_that_lives_the_state_is_all() -> None:
    async def main() -> None:
        manager = AsyncSessionManager(AsyncMemoryStore())
        site = Site(manager)
        id, token = await begin(manager)
        await manager.revoke(id)
        async with site.served():
            for shown, status in ((None, "none"), (token, "ended")):
                async with listening(site, shown) as events:
                    name, state = await events.next()
                    assert (name, state["status"]) == ("state", status)
                    assert await events.next() == ("", None)

    run(main())


def test_a_stream_keeps_no_session_alive_and_says_when_the_end_is_near() -> None:
    async def main() -> None:
        now = [NOW]
        manager = AsyncSessionManager(
            AsyncMemoryStore(), Policy(idle_timeout=1800, touch_interval=0), clock=lambda: now[0]
        )
        site = Site(manager)
        id, token = await begin(manager)
        async with site.served(), listening(site, token) as events:
            _, state = await events.next()
            assert state["expires_at"] == NOW + 1_800_000
            now[0] += 1_750_000
            there = await manager.open(token)
            there.passive, there["secret"] = True, "so that the stream looks"
            await manager.commit(there)
            assert await events.next() == ("expiring", {"milliseconds_left": 50_000})
            now[0] += 50_000
            name, over = await events.next()
            assert (name, over["status"], over["end_reason"]) == ("state", "ended", "idle_timeout")
            found = await manager.get(id)
            assert found
            assert found.seen_at == NOW
        await manager.close()

    run(main())


def test_what_logs_out_closes_the_stream() -> None:
    async def main() -> None:
        manager = AsyncSessionManager(AsyncMemoryStore())
        site = Site(manager)
        _, token = await begin(manager)
        async with (
            site.served(),
            listening(site, token) as events,
            httpx2.AsyncClient(base_url=site.url) as browser,
        ):
            await events.next()
            await browser.post("/session/logout", headers=cookie(token))
            _, state = await events.next()
            assert (state["status"], state["end_reason"]) == ("ended", "logout")
            assert await events.next() == ("", None)
        await manager.close()

    run(main())


# What is sent, without a server


def opened(**fields: Any) -> Session:
    return Session(make_record("ada", **fields), NOW, Client())


def test_while_nothing_happens_the_stream_beats_and_warns_once_of_each_end() -> None:
    stream = EventStream({"theme"}, "")
    told = stream.begin(opened(), NOW, b"\0\0")
    end = NOW + 30 * 60_000

    assert told.startswith(b"retry: 1000\n\nevent: state\nid: ")
    assert stream.pause(NOW) == HEARTBEAT
    assert stream.beat(NOW) == b":\n\n"
    assert stream.pause(end - WARNING - 5000) == 5
    assert stream.beat(end - WARNING) == b'event: expiring\ndata: {"milliseconds_left":60000}\n\n'
    assert stream.beat(end - WARNING + 15_000) == b":\n\n"
    later = make_record("ada", seen_at=NOW + 60_000)
    assert stream.look(sighting(later, "", NOW), NOW + 60_000).startswith(b"event: state\n")
    assert stream.beat(end) == b'event: expiring\ndata: {"milliseconds_left":60000}\n\n'
    assert not stream.over


def test_who_come_back_at_once_are_told_to_come_spread() -> None:
    told = {
        EventStream((), "").begin(opened(), NOW, bytes(pair)).split(b"\n")[0] for pair in ((0, 9), (255, 255), (9, 0))
    }

    assert told == {b"retry: 1009", b"retry: 3535", b"retry: 3304"}


def test_a_session_that_is_gone_without_a_word_is_none() -> None:
    stream = EventStream((), "")
    stream.begin(opened(), NOW, b"\0\0")

    assert b'"status":"none"' in stream.look(GONE, NOW)
    assert stream.over
