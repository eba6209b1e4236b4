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

__all__ = ["counting", "kind_of"]

OnOpen = Callable[[Session], None]


def kind_of(manager: SessionManager | AsyncSessionManager, *, is_remote: bool) -> type:
    """What comes before the methods of such a manager."""
    if isinstance(manager, AsyncSessionManager):
        return AsyncCountedRemoteManager if is_remote else AsyncCountedManager
    return CountedRemoteManager if is_remote else CountedManager


def counting(live: Callable[[], object], ended: Callable[[], object], none: Callable[[], object]) -> OnOpen:
    """What counts a session that was opened, by what the token was worth."""

    def count(session: Session) -> None:
        if session._end_reason is not None:
            ended()
        elif session._record is not None:
            live()
        else:
            none()

    return count


class _Told(ManagerContext):
    _metrics: Metrics
    _count_open: OnOpen

    def _emit(self, events: Iterable[Event]) -> None:
        told = tuple(events)
        self._metrics._count_events(told)
        super()._emit(told)

    def _refused(self, error: SojournError) -> None:
        self._metrics._count_refusal(error)


class CountedManager(_Told, SessionManager):
    """Counts what a SessionManager does. Its opens it tells itself: a call round each would cost more than all else."""


class AsyncCountedManager(_Told, AsyncSessionManager):
    """Counts what an AsyncSessionManager does."""

    _uncounted_open_at_hand: Callable[[str, Client], Session | None]

    def open_at_hand(self, token: str, client: Client = Client()) -> Session | None:
        """As AsyncSessionManager.open_at_hand."""
        shown = [token]
        del token  # A reporter of errors sends what frames hold.
        session = self._uncounted_open_at_hand(shown.pop(), client)
        if session is not None:
            self._count_open(session)
            self._metrics._hits.add()
        return session


class CountedRemoteManager(_Told, SessionManager):
    """Counts what a RemoteSessionManager does."""

    _uncounted_open: Callable[[str, Client, Shown | None], Session]

    def open(self, token: str, client: Client = Client(), presented: Shown | None = None) -> Session:
        """As SessionManager.open."""
        shown = [token]
        del token
        try:
            session = self._uncounted_open(shown.pop(), client, presented)
        except SojournError as error:
            self._metrics._count_refusal(error)
            raise
        self._count_open(session)
        return session


class AsyncCountedRemoteManager(_Told, AsyncSessionManager):
    """Counts what an AsyncRemoteSessionManager does."""

    _uncounted_open: Callable[[str, Client, Shown | None], Coroutine[Any, Any, Session]]

    async def open(self, token: str, client: Client = Client(), presented: Shown | None = None) -> Session:
        """As AsyncSessionManager.open."""
        opening = self._uncounted_open(token, client, presented)
        del token
        try:
            session = await opening
        except SojournError as error:
            self._metrics._count_refusal(error)
            raise
        self._count_open(session)
        return session
