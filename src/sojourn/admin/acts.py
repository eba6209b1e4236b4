"""Acts: what operators do to sessions, and where who did it is told. Nothing else in this wing ends one."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import NamedTuple

from sojourn.audit.trail import AuditTrail
from sojourn.core.errors import SojournError
from sojourn.manager import AsyncSessionManager

from .operators import Operator

__all__ = ["Acts", "RevocationRun"]

logger = logging.getLogger("sojourn.admin")


class RevocationRun(NamedTuple):
    """The end of every session that there was: by whom, since when, and how far it is."""

    by: Operator
    began_at: int
    ended: int
    state: str


class Acts:
    """Ends sessions in an operator's name. `sweep` is the latest end of everything, if there was one.

    What is done to something else than a session goes into `trail`; the manager's events tell of the rest.
    """

    def __init__(self, manager: AsyncSessionManager, trail: AuditTrail | None) -> None:
        self._manager = manager
        self._trail = trail
        self._task: asyncio.Task[None] | None = None
        self.sweep: RevocationRun | None = None

    async def end(self, id: str, by: Operator, address: str) -> bool:
        """End one session; whether it was live until now."""
        was_live = await self._manager.revoke(id, by=by.actor, address=address)
        return bool(_told("session", int(was_live), by, id=id))

    async def end_all(self, user_id: str, keep: str | None, by: Operator, address: str) -> int:
        """End a user's sessions at one instant, but `keep`; how many."""
        ended = await self._manager.revoke_all(user_id, keep=keep, by=by.actor, address=address)
        return _told("sessions of a user", ended, by, user_id=user_id)

    def end_everything(self, by: Operator, address: str) -> None:
        """Begin to end every session of the realm. It goes on by itself, and one at a time."""
        if self._task is None:
            self.sweep = RevocationRun(by, self._manager.clock(), 0, "under way")
            self._task = asyncio.get_running_loop().create_task(self._end_everything(self.sweep, address))

    def note(self, what: str, by: Operator, address: str, **of: str) -> None:
        """Tell of what was done to something else than a session, as `what` in the trail is spelled."""
        _tell({"what": what}, by, of)
        if self._trail is not None:
            self._trail.note(what, by=by.actor, address=address, **of)

    async def close(self) -> None:
        """End no more."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _end_everything(self, begun: RevocationRun, address: str) -> None:
        def count(ended: int) -> None:
            self.sweep = begun._replace(ended=ended)

        try:
            total = await self._manager.revoke_everything(count, by=begun.by.actor, address=address)
        except SojournError as error:
            logger.error("not every session was ended: %s", error)
            assert self.sweep is not None
            self.sweep = self.sweep._replace(state="stopped: the store did not answer; do it again")
        else:
            self.sweep = begun._replace(ended=total, state="done")
            _told("every session", total, begun.by)
        finally:
            self._task = None


def _told(what: str, ended: int, by: Operator, **of: str) -> int:
    _tell({"what": what, "ended": ended}, by, of)
    return ended


def _tell(told: dict[str, str | int], by: Operator, of: dict[str, str]) -> None:
    """The one place that says in the log who did it."""
    logger.warning("done by an operator", extra={"told": {**told, "by": by.actor, "by_name": by.name, **of}})
