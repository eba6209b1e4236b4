"""ThreadedCleanup: rows that are dead for long are deleted when traffic comes by. With threads; asgi.cleanup awaits."""

from __future__ import annotations

import logging
import os
import threading

from sojourn.core.cleanup import CleanupSchedule
from sojourn.core.errors import StoreUnavailable

from .manager import SessionManager

__all__ = ["ThreadedCleanup"]

logger = logging.getLogger("sojourn")


class ThreadedCleanup:
    """One application's clean-up, in a thread of its own, and when it is due: no request waits for it."""

    def __init__(self, manager: SessionManager, interval: float | None) -> None:
        self.schedule = CleanupSchedule(None if manager.expires_by_itself else interval)
        self._manager = manager
        self._deciding = threading.Lock()
        self._cleaning = threading.Lock()

    def start_if_due(self, now: float) -> None:
        """Start it in the background; one at a time. `now` is time.monotonic()'s."""
        with self._deciding:
            due = self.schedule.is_due(now, os.urandom)
        if due:
            threading.Thread(target=self._clean, name="sojourn-cleanup", daemon=True).start()

    def _clean(self) -> None:
        if not self._cleaning.acquire(blocking=False):
            return
        try:
            self._manager.delete_expired(once_in=self.schedule.interval)
        except StoreUnavailable as error:
            logger.warning("clean-up was put off: %s", error)
        finally:
            self._cleaning.release()
