"""EndWait: a back end asks whether a session is over, and is answered once it is, or after a while."""

from __future__ import annotations

import asyncio
import math

from sojourn.core.errors import StoreUnavailable
from sojourn.core.sighting import Sighting
from sojourn.manager import AsyncSessionManager
from sojourn.manager.followers import Follower
from sojourn.wire.answers import SeenEnd

from .request import BackEndRequest, HungUp

__all__ = ["LONGEST_WAIT", "await_end"]

LONGEST_WAIT = 60
"""In seconds: many a proxy closes a connection over which nothing came for so long."""


async def await_end(
    manager: AsyncSessionManager, request: BackEndRequest, id: str, wait: int, stopping: asyncio.Event
) -> SeenEnd:
    """What is known of the session's end once it is over, or after `wait` seconds, or once the service is `stopping`.

    An id that is no session's is over, and nobody can say why. Raises StoreUnavailable where the store said nothing in
    that time, and HungUp.
    """
    follower = manager._follow(id, math.inf)
    over = asyncio.create_task(_over(follower))
    gone, stopped = asyncio.create_task(request.hung_up()), asyncio.create_task(stopping.wait())
    tasks = (over, gone, stopped)
    try:
        await asyncio.wait(tasks, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        follower.leave()
    if gone.done() and not gone.cancelled():
        raise HungUp
    seen = follower.seen
    if not seen.is_over and seen.expires_at == math.inf:
        raise StoreUnavailable(f"The store did not answer within {wait} s.")
    expires_at = None if seen.is_over else int(seen.expires_at)
    return SeenEnd(ended=seen.is_over, end_reason=seen.reason, expires_at=expires_at, now=manager.clock())


async def _over(follower: Follower) -> Sighting:
    while not (seen := await follower.news()).is_over:
        pass
    return seen
