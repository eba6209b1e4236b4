"""RemoteSessionManager and AsyncRemoteSessionManager: managers whose sessions a session service keeps.

Two thin shells of the same lines: what has an `if` is in session.py and calls.py, or decided by the service."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from sojourn.core.commit import NO_REPLY, Reply
from sojourn.core.errors import ConfigurationError, EndReason, SojournError
from sojourn.core.events import UnknownToken
from sojourn.core.info import SessionInfo
from sojourn.core.policy import LONGEST, Policy
from sojourn.core.record import Client
from sojourn.core.session import Session
from sojourn.core.store import Stats
from sojourn.core.token import parse
from sojourn.manager import AsyncSessionManager, SessionManager
from sojourn.wire.answers import Committed, EndedCount, Found, ListedSessions, Opened

from .address import Address
from .service_call import (
    ServiceCall,
    call_commit,
    call_get,
    call_list,
    call_open,
    call_revoke,
    call_revoke_all,
    read,
)
from .service_clock import ServiceClock
from .service_connections import ServiceConnections
from .session import RemoteSession, as_remote, opened_session
from .visitor_key import hand_on, key_shown, require_proof

if TYPE_CHECKING:
    from sojourn.core.binding import Shown
    from sojourn.core.sighting import Sighting
    from sojourn.core.transport import Transport

__all__ = ["AsyncRemoteSessionManager", "RemoteSessionManager"]

T = TypeVar("T")

logger = logging.getLogger("sojourn")

# Nothing falls due by it: what does, the service says with each session it opens.
JUDGED_THERE = Policy(
    idle_timeout=LONGEST, absolute_timeout=LONGEST, touch_interval=LONGEST / 2, rotate_interval=None, remember=None
)
# No method of a remote manager comes to a store.
NO_STORE: Any = None


class RemoteSessionManager(SessionManager):
    """A SessionManager over `sojourn serve`: for Flask, WSGI, Django, scripts.

    `service` is http://host:port, https://host or unix:///path/to.sock, and `key` an API key of it. The policy and the
    events are the service's. Every method may raise StoreUnavailable, `timeout` seconds after the call at the latest,
    and ConfigurationError for an address or a key that is none, or that the service refuses.
    """

    def __init__(self, service: str, key: str, *, timeout: float = 2.0) -> None:
        self._time = ServiceClock()
        super().__init__(NO_STORE, JUDGED_THERE, clock=self._time)
        self._address = Address.parse(service, key)
        self._connections = ServiceConnections(self._address, timeout)

    def anonymous(
        self, client: Client = Client(), *, refused: UnknownToken | None = None, presented: Shown | None = None
    ) -> Session:
        """A session that does not exist yet, for a request without a token. The service is not asked."""
        session = RemoteSession(None, self.clock(), client, presented=refused is not None)
        session.shown = key_shown(presented)
        return session

    def _require_binding(self, transport: Transport, adopts: bool) -> None:
        hand_on(transport)

    def open(self, token: str, client: Client = Client(), presented: Shown | None = None) -> Session:
        """The session that `token` opens, or an empty one. One request; none for what is no token."""
        parsed = parse(token)
        del token  # A reporter of errors sends what frames hold.
        if parsed is None:
            return self._malformed(client, presented)
        key = key_shown(presented)
        answer = self._ask(call_open(parsed, key), Opened)
        self._time.heard(answer.now)
        require_proof(answer, presented)
        return opened_session(answer, parsed, client, key)

    def commit(self, session: Session) -> Reply:
        """Have the service write what the request changed: one request, normally none. Raises as SessionManager's."""
        mine, reply = as_remote(session), NO_REPLY
        try:
            while (request := mine.next_commit()) is not None:
                answer = self._ask(call_commit(request), Committed)
                self._time.heard(answer.now)
                reply = mine.take(request, answer)
        except SojournError as error:
            if not mine.failed(error):
                self._refused(error)
                raise
            logger.warning("activity goes unnoted: %s", error)
            return NO_REPLY
        return mine.forget_logout() if mine._logged_out else reply

    def get(self, id: str) -> SessionInfo | None:
        """One session, live or ended, by its public id; without its data."""
        call = call_get(id)
        found = self._ask(call, Found).session if call else None
        return found.info() if found else None

    def list(self, user_id: str, *, after: str = "", limit: int = 100) -> Sequence[SessionInfo]:
        """A page of the user's live sessions, as SessionManager.list; without their data. Scope `admin`."""
        return [session.info() for session in self._ask(call_list(user_id, after, limit), ListedSessions).sessions]

    def revoke(self, id: str, reason: EndReason = "revoked", *, by: str = "application", address: str = "") -> bool:
        """End one session, wherever it is open. Whether it was live until this call. Scope `admin`.

        By "application" the service tells of its API key. Raises ConfigurationError for a `by` that Event has not.
        """
        call = call_revoke(id, reason, by, address)
        return call is not None and self._ask(call, EndedCount).ended > 0

    def revoke_all(
        self,
        user_id: str,
        *,
        keep: str | None = None,
        reason: EndReason = "revoked",
        by: str = "application",
        address: str = "",
    ) -> int:
        """End a user's sessions at one instant, but the id `keep`; how many. `by` is as for revoke. Scope `admin`."""
        return self._ask(call_revoke_all(user_id, keep, reason, by, address), EndedCount).ended

    def delete_expired(self, on_batch: Callable[[int], None] | None = None, *, once_in: float | None = None) -> int:
        """Nothing, `once_in` so many seconds or not: the service cleans up after itself."""
        return 0

    def revoke_everything(
        self, on_batch: Callable[[int], None] | None = None, *, by: str = "application", address: str = ""
    ) -> int:
        """Not over the service: `sojourn revoke --all` does it on its store. Raises ConfigurationError."""
        _not_here("revoke_everything")

    def erase(self, user_id: str, *, by: str = "application", address: str = "") -> int:
        """Not over the service: `sojourn erase` does it on its store. Raises ConfigurationError."""
        _not_here("erase")

    def scan(self, after: str = "", limit: int = 100) -> Sequence[SessionInfo]:
        """Not over the service: `sojourn list` asks its store. Raises ConfigurationError."""
        _not_here("scan")

    def stats(self) -> Stats:
        """Not over the service: `sojourn stats` asks its store. Raises ConfigurationError."""
        _not_here("stats")

    def close(self) -> None:
        """Close the connections."""
        self._connections.close()

    def _ask(self, call: ServiceCall, kind: type[T]) -> T:
        return read(kind, self._connections.ask(call), call, self._address)


class AsyncRemoteSessionManager(AsyncSessionManager):
    """RemoteSessionManager for an event loop: ASGI. The same methods, awaited."""

    streams = False

    def __init__(self, service: str, key: str, *, timeout: float = 2.0) -> None:
        self._time = ServiceClock()
        super().__init__(NO_STORE, JUDGED_THERE, clock=self._time)
        from .async_connections import AsyncServiceConnections  # here: the threads' side never loads an event loop

        self._address = Address.parse(service, key)
        self._connections = AsyncServiceConnections(self._address, timeout)

    def anonymous(
        self, client: Client = Client(), *, refused: UnknownToken | None = None, presented: Shown | None = None
    ) -> Session:
        """A session that does not exist yet, for a request without a token. The service is not asked."""
        session = RemoteSession(None, self.clock(), client, presented=refused is not None)
        session.shown = key_shown(presented)
        return session

    def _require_binding(self, transport: Transport, adopts: bool) -> None:
        hand_on(transport)

    async def open(self, token: str, client: Client = Client(), presented: Shown | None = None) -> Session:
        """The session that `token` opens, or an empty one. One request; none for what is no token."""
        parsed = parse(token)
        del token  # A reporter of errors sends what frames hold.
        if parsed is None:
            return self._malformed(client, presented)
        key = key_shown(presented)
        answer = await self._ask(call_open(parsed, key), Opened)
        self._time.heard(answer.now)
        require_proof(answer, presented)
        return opened_session(answer, parsed, client, key)

    async def commit(self, session: Session) -> Reply:
        """Have the service write what the request changed: one request, normally none. Raises as SessionManager's."""
        mine, reply = as_remote(session), NO_REPLY
        try:
            while (request := mine.next_commit()) is not None:
                answer = await self._ask(call_commit(request), Committed)
                self._time.heard(answer.now)
                reply = mine.take(request, answer)
        except SojournError as error:
            if not mine.failed(error):
                self._refused(error)
                raise
            logger.warning("activity goes unnoted: %s", error)
            return NO_REPLY
        return mine.forget_logout() if mine._logged_out else reply

    async def get(self, id: str) -> SessionInfo | None:
        """One session, live or ended, by its public id; without its data."""
        call = call_get(id)
        found = (await self._ask(call, Found)).session if call else None
        return found.info() if found else None

    async def _look(self, id: str) -> Sighting:
        from sojourn.core.sighting import GONE, Sighting  # here: most applications follow no session

        found = await self.get(id)
        return GONE if found is None else Sighting(found.expires_at, found.end_reason is not None, found.end_reason)

    async def list(self, user_id: str, *, after: str = "", limit: int = 100) -> Sequence[SessionInfo]:
        """A page of the user's live sessions, as SessionManager.list; without their data. Scope `admin`."""
        return [
            session.info() for session in (await self._ask(call_list(user_id, after, limit), ListedSessions)).sessions
        ]

    async def revoke(
        self, id: str, reason: EndReason = "revoked", *, by: str = "application", address: str = ""
    ) -> bool:
        """End one session, wherever it is open. Whether it was live until this call. Scope `admin`.

        By "application" the service tells of its API key. Raises ConfigurationError for a `by` that Event has not.
        """
        call = call_revoke(id, reason, by, address)
        return call is not None and (await self._ask(call, EndedCount)).ended > 0

    async def revoke_all(
        self,
        user_id: str,
        *,
        keep: str | None = None,
        reason: EndReason = "revoked",
        by: str = "application",
        address: str = "",
    ) -> int:
        """End a user's sessions at one instant, but the id `keep`; how many. `by` is as for revoke. Scope `admin`."""
        return (await self._ask(call_revoke_all(user_id, keep, reason, by, address), EndedCount)).ended

    async def delete_expired(
        self, on_batch: Callable[[int], None] | None = None, *, once_in: float | None = None
    ) -> int:
        """Nothing, `once_in` so many seconds or not: the service cleans up after itself."""
        return 0

    async def revoke_everything(
        self, on_batch: Callable[[int], None] | None = None, *, by: str = "application", address: str = ""
    ) -> int:
        """Not over the service: `sojourn revoke --all` does it on its store. Raises ConfigurationError."""
        _not_here("revoke_everything")

    async def erase(self, user_id: str, *, by: str = "application", address: str = "") -> int:
        """Not over the service: `sojourn erase` does it on its store. Raises ConfigurationError."""
        _not_here("erase")

    async def scan(self, after: str = "", limit: int = 100) -> Sequence[SessionInfo]:
        """Not over the service: `sojourn list` asks its store. Raises ConfigurationError."""
        _not_here("scan")

    async def stats(self) -> Stats:
        """Not over the service: `sojourn stats` asks its store. Raises ConfigurationError."""
        _not_here("stats")

    async def close(self) -> None:
        """Close the connections, when those who wait for the end of a session were told that it is gone."""
        if self._following is not None:
            await self._following.close()
        self._connections.close()

    async def _ask(self, call: ServiceCall, kind: type[T]) -> T:
        return read(kind, await self._connections.ask(call), call, self._address)


def _not_here(method: str) -> NoReturn:
    raise ConfigurationError(f"A remote manager has no {method}(): run `sojourn` where the service runs, on its store.")
