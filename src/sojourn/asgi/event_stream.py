"""Events: the stream of one browser, from the state to the end of its session."""

from __future__ import annotations

import asyncio
import os

from sojourn.browser.event_stream import HEADERS, EventStream
from sojourn.manager.followers import Follower

from .exchange import AsyncExchange, encode_headers
from .types import Message, Receive, Send

__all__ = ["stream_events"]


async def stream_events(stream: EventStream, exchange: AsyncExchange, receive: Receive, send: Send) -> None:
    """Send what `stream` has to tell until the session is over, or nobody listens."""
    session, manager = exchange.session, exchange.manager
    live = session._live
    follower = None if live is None else manager._follow(live.id, live.expires_at)
    try:
        await send({"type": "http.response.start", "status": 200, "headers": encode_headers(HEADERS)})
        await send(_body(stream.begin(session, manager.clock(), os.urandom(2))))
        if follower is not None:
            await _go_on(stream, follower, exchange, receive, send)
        await send(_body(b"", more=False))
    finally:
        if follower is not None:
            follower.leave()


async def _go_on(
    stream: EventStream, follower: Follower, exchange: AsyncExchange, receive: Receive, send: Send
) -> None:
    loop, clock = asyncio.get_running_loop(), exchange.manager.clock
    gone = loop.create_task(_disconnected(receive))
    news = loop.create_task(follower.news())
    try:
        while not stream.over:
            await asyncio.wait((gone, news), timeout=stream.pause(clock()), return_when=asyncio.FIRST_COMPLETED)
            if gone.done():
                return
            if news.done():
                told = stream.look(news.result(), clock())
                news = loop.create_task(follower.news())
            else:
                told = stream.beat(clock())
            if told:
                await send(_body(told))
    finally:
        gone.cancel()
        news.cancel()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _body(told: bytes, more: bool = True) -> Message:
    return {"type": "http.response.body", "body": told, "more_body": more}
