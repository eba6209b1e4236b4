"""Managers whose opens, refusals and events are counted: what comes before a manager's own methods."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import TYPE_CHECKING, Any

from sojourn.core.errors import SojournError
from sojourn.core.events import Event
from sojourn.core.record import Client
from sojourn.core.session import Session
from sojourn.manager import AsyncSessionManager, SessionManager
from sojourn.manager.context import ManagerContext

if TYPE_CHECKING:
    from sojourn.core.binding import Shown

    from .metrics import Metrics

__all__ = ["AsyncCountedManager", "CountedManager"]


class _Told(ManagerContext):
    _metrics: Metrics
    _live: Callable[[], int]

    def _emit(self, events: Iterable[Event]) -> None:
        told = tuple(events)
        self._metrics._count_events(told)
        super()._emit(told)

    def _refused(self, error: SojournError) -> None:
        self._metrics._count_refusal(error)


class CountedManager(_Told, SessionManager):
    """Counts what a SessionManager does."""

    _uncounted_open: Callable[[str, Client, Shown | None], Session]

    def open(self, token: str, client: Client = Client(), presented: Shown | None = None) -> Session:
        """As SessionManager.open."""
        shown = [token]
        del token  # A reporter of errors sends what frames hold.
        try:
            session = self._uncounted_open(shown.pop(), client, presented)
        except SojournError as error:
            self._metrics._count_refusal(error)
            raise
        if session._end_reason is None and session._record is not None:
            self._live()
        else:
            self._metrics._count_not_live(session)
        return session


class AsyncCountedManager(_Told, AsyncSessionManager):
    """Counts what an AsyncSessionManager does."""

    _uncounted_open: Callable[[str, Client, Shown | None], Coroutine[Any, Any, Session]]
    _uncounted_open_at_hand: Callable[[str, Client], Session | None]

    def open_at_hand(self, token: str, client: Client = Client()) -> Session | None:
        """As AsyncSessionManager.open_at_hand."""
        shown = [token]
        del token
        session = self._uncounted_open_at_hand(shown.pop(), client)
        if session is not None:
            self._live()
            self._metrics._hits.add()
        return session

    async def open(self, token: str, client: Client = Client(), presented: Shown | None = None) -> Session:
        """As AsyncSessionManager.open."""
        opening = self._uncounted_open(token, client, presented)
        del token
        try:
            session = await opening
        except SojournError as error:
            self._metrics._count_refusal(error)
            raise
        if session._end_reason is None and session._record is not None:
            self._live()
        else:
            self._metrics._count_not_live(session)
        return session
