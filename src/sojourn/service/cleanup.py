"""Upkeep: what is dead for long is deleted from the store now and then, by one process of the service."""

from __future__ import annotations

import asyncio
import logging
import secrets

from sojourn.core.errors import StoreUnavailable
from sojourn.manager import AsyncSessionManager

__all__ = ["keep_up"]

logger = logging.getLogger("sojourn.service")

EVERY = 600.0


async def keep_up(manager: AsyncSessionManager) -> None:
    """Delete what expired long ago, about every ten minutes, for as long as it is awaited."""
    while True:
        # Not at once, and not all at the same time: processes that start together do not clean together.
        await asyncio.sleep(EVERY * (0.5 + secrets.randbelow(1024) / 1024))
        try:
            deleted = await manager.delete_expired(once_in=EVERY)
        except StoreUnavailable as error:
            logger.warning("clean-up was put off: %s", error)
        else:
            logger.debug("clean-up: %d deleted", deleted)
