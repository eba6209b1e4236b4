"""Cleanup: rows that are dead for long are deleted when traffic comes by, once for all that share a manager."""

from __future__ import annotations

import asyncio
import logging
import os
from weakref import WeakKeyDictionary

from sojourn.core.cleanup import CleanupSchedule
from sojourn.core.errors import StoreUnavailable
from sojourn.manager import AsyncSessionManager

__all__ = ["Cleanup"]

logger = logging.getLogger("sojourn")


class Cleanup:
    """One manager's clean-up, in the background of the event loop, and when it is due."""

    def __init__(self, interval: float | None) -> None:
        self.schedule = CleanupSchedule(interval)
        self._task: asyncio.Task[None] | None = None

    @classmethod
    def of(cls, manager: AsyncSessionManager, interval: float | None) -> Cleanup:
        """The manager's one: Litestar makes a middleware for each route."""
        return _OF_MANAGERS.setdefault(manager, cls(None if manager.expires_by_itself else interval))

    def start_if_due(self, manager: AsyncSessionManager, now: float) -> None:
        """Start it in the background; one at a time. `now` is time.monotonic()'s."""
        if self.schedule.is_due(now, os.urandom) and (self._task is None or self._task.done()):
            self._task = asyncio.get_running_loop().create_task(_clean(manager, self.schedule.interval))


async def _clean(manager: AsyncSessionManager, interval: float) -> None:
    try:
        await manager.delete_expired(once_in=interval)
    except StoreUnavailable as error:
        logger.warning("clean-up was put off: %s", error)


_OF_MANAGERS: WeakKeyDictionary[AsyncSessionManager, Cleanup] = WeakKeyDictionary()
