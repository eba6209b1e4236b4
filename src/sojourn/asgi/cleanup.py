"""Cleanup: rows that are dead for long are deleted when traffic comes by, once for all that share a manager."""

from __future__ import annotations

import asyncio
import logging
import secrets
from weakref import WeakKeyDictionary

from sojourn.core.errors import StoreUnavailable
from sojourn.manager import AsyncSessionManager

__all__ = ["Cleanup"]

logger = logging.getLogger("sojourn")


class Cleanup:
    """When the next one is due, `at`, in the manager's milliseconds.

    Traffic drives it: where nobody comes, nothing piles up. The first one waits, so that processes that start
    together do not clean together.
    """

    def __init__(self) -> None:
        self.at: float = 0
        self._task: asyncio.Task[None] | None = None

    @classmethod
    def of(cls, manager: AsyncSessionManager) -> Cleanup:
        """The manager's one: Litestar makes a middleware for each route."""
        return _OF_MANAGERS.setdefault(manager, cls())

    def start(self, manager: AsyncSessionManager, now: int, interval_ms: int) -> None:
        """Start it, in the background, and say when the next is due."""
        first = self.at == 0
        self.at = now + interval_ms * (0.5 + secrets.randbelow(1024) / 1024)
        if not first and (self._task is None or self._task.done()):
            self._task = asyncio.get_running_loop().create_task(_clean(manager))


async def _clean(manager: AsyncSessionManager) -> None:
    try:
        await manager.delete_expired()
    except StoreUnavailable as error:
        logger.warning("clean-up was put off: %s", error)


_OF_MANAGERS: WeakKeyDictionary[AsyncSessionManager, Cleanup] = WeakKeyDictionary()
