"""until_stopping: whoever waits for a browser to leave is told that it has, once the service stops."""

from __future__ import annotations

import asyncio

from sojourn.asgi.types import Message, Receive

__all__ = ["until_stopping"]


def until_stopping(receive: Receive, stopping: asyncio.Event) -> Receive:
    """`receive`, by which the browser is gone once the service is `stopping`: so an event stream ends.

    A body that is on its way is received first.
    """
    is_whole = False

    async def hear() -> Message:
        nonlocal is_whole
        if not is_whole:
            message = await receive()
            is_whole = not message.get("more_body", False)
            return message
        gone, stopped = asyncio.ensure_future(receive()), asyncio.ensure_future(stopping.wait())
        try:
            await asyncio.wait((gone, stopped), return_when=asyncio.FIRST_COMPLETED)
            return gone.result() if gone.done() else {"type": "http.disconnect"}
        finally:
            gone.cancel()
            stopped.cancel()

    return hear
