"""Adoption: the layers that sessions are taken over from, and until when."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from sojourn.core.commit import NO_REPLY, Reply
from sojourn.core.cookie import CookieOptions
from sojourn.core.errors import ConfigurationError, SessionEnded, StoreUnavailable
from sojourn.core.record import Client
from sojourn.core.session import Session
from sojourn.manager import AsyncSessionManager, SessionManager

from .layer import Layer, Old
from .plan import OldCookie, Planned, plan

__all__ = ["AdoptedSession", "Adoption"]

logger = logging.getLogger("sojourn")

LONGEST = timedelta(days=366)
# A browser sends one, or two where paths overlap.
MAX_COOKIES = 4


class AdoptedSession(NamedTuple):
    """A session that was made of another layer's, and what the browser is to be told of it.

    `reply` goes out with the response, where the request's own commit has no newer one. `forget` is the old cookie: the
    browser forgets it in the answer that hands it ours. Adoption.open makes it.
    """

    session: Session
    reply: Reply
    forget: CookieOptions

    def forget_header(self, ours: CookieOptions) -> str | None:
        """The Set-Cookie value that makes the browser forget the old cookie; None where ours takes its very place."""
        old = self.forget
        same = (old.name, old.path, old.domain) == (ours.name, ours.path, ours.domain)
        return None if same else old.clear()


class _Found(NamedTuple):
    """An old cookie that a request shows."""

    layer: Layer
    key: str
    cookie: OldCookie


class Adoption:
    """Takes over sessions of `layers`, up to the end of the day `until` (UTC) or the aware datetime.

    A request that shows an old cookie, and no token of ours, gets a session that is made of the old one, once; the old
    one is deleted, where the server keeps it. `remember` gives adopted sessions the policy's longer timeouts. Until the
    end, a year away at most, the layers' own stores and secrets are needed; afterwards nothing is read any more. Raises
    ConfigurationError without a layer, and for an end that is no date.
    """

    def __init__(self, *layers: Layer, until: date, remember: bool = False) -> None:
        if not layers:
            raise ConfigurationError("Adoption() needs the layer to move from: Adoption(FlaskCookie(…), until=…).")
        if not isinstance(until, date):
            raise ConfigurationError(f"Adoption(until={until!r}): give a date, like date(2027, 3, 1).")
        if not isinstance(until, datetime):
            until = datetime.combine(until + timedelta(days=1), time(), UTC)
        if until.tzinfo is None:
            raise ConfigurationError("Adoption(until=…): a datetime needs a time zone; or give a date.")
        self.layers = layers
        self.remember = remember
        self._until = int(until.timestamp() * 1000)

    def check(self, manager: SessionManager | AsyncSessionManager) -> None:
        """Raise ConfigurationError where this cannot work with `manager`: integrations ask at start-up."""
        if type(manager.anonymous()) is not Session:
            raise ConfigurationError(
                "adopt= needs a manager with a store of its own: a session service gives none away. "
                "Open the service's store here, for as long as sessions are adopted."
            )
        manager.policy.lifetime(remember=self.remember)
        left = self._until - manager.clock()
        if left > LONGEST / timedelta(milliseconds=1):
            raise ConfigurationError(
                "Adoption(until=…) is more than a year away. Old cookies are to die out: choose an earlier day."
            )
        if left <= 0:
            logger.warning("adoption has ended: adopt= can be removed, and the old layer with it")

    @staticmethod
    def ours(values: Sequence[str]) -> list[str]:
        """What can be a token of ours, of what a request shows under our cookie's name: the old cookie may share it."""
        return [value for value in values if value.startswith("sj1-")]

    def open(self, manager: SessionManager, cookies: bytes, client: Client = Client()) -> AdoptedSession | None:
        """The session that was made of the one that a Cookie header shows, now or before; None where there is none.

        One that is over tells why, where no other is shown. For a request without a token of ours. Two reads and two
        writes the first time, two reads again; no I/O where no old cookie is shown. Raises StoreUnavailable, also for
        the old store, and what the layer's `read` raises.
        """
        over = None
        for found in self._find(manager, cookies):
            adopted = self._open(manager, found, client)
            if adopted is not None and adopted.session._live is not None:
                return adopted
            over = over or adopted
        return over

    async def open_async(
        self, manager: AsyncSessionManager, cookies: bytes, client: Client = Client()
    ) -> AdoptedSession | None:
        """As `open`, for an event loop; a thread waits for the old store."""
        over = None
        for found in self._find(manager, cookies):
            adopted = await self._open_async(manager, found, client)
            if adopted is not None and adopted.session._live is not None:
                return adopted
            over = over or adopted
        return over

    def _find(self, manager: SessionManager | AsyncSessionManager, cookies: bytes) -> Iterator[_Found]:
        now = manager.clock()
        if now >= self._until:
            return
        for layer in self.layers:
            values = layer.cookie.find(cookies)[:MAX_COOKIES]
            keys = {layer.verify(value, now) for value in values} - {None}
            # Of two that are both good, neither can be known for the browser's own.
            if len(keys) == 1:
                key = keys.pop()
                assert key is not None
                yield _Found(layer, key, OldCookie(manager.realm, layer.kind, key))

    def _open(self, manager: SessionManager, found: _Found, client: Client) -> AdoptedSession | None:
        known = manager.adopted(found.cookie.id)
        if known is None:
            old = found.layer.read(found.key, manager.clock())
            planned = self._plan(manager, found, old, client) if old else None
            if planned is not None:
                try:
                    made = manager.adopt(planned.ours, planned.mark)
                except SessionEnded:
                    # The user's sessions were revoked since that log-in: this one too.
                    _retire(found)
                    return None
                _retire(found)
                if made:
                    return _first(planned, found, client)
                return _again(manager.open(planned.token.reveal(), client), found)
            # Another request may have adopted and deleted it since.
            known = None if old else manager.adopted(found.cookie.id)
        return _again(manager.open(found.cookie.known(known).reveal(), client), found) if known else None

    async def _open_async(self, manager: AsyncSessionManager, found: _Found, client: Client) -> AdoptedSession | None:
        from asyncio import to_thread  # here: the threads' side never loads an event loop

        known = await manager.adopted(found.cookie.id)
        if known is None:
            old = await to_thread(found.layer.read, found.key, manager.clock())
            planned = self._plan(manager, found, old, client) if old else None
            if planned is not None:
                try:
                    made = await manager.adopt(planned.ours, planned.mark)
                except SessionEnded:
                    # The user's sessions were revoked since that log-in: this one too.
                    await to_thread(_retire, found)
                    return None
                await to_thread(_retire, found)
                if made:
                    return _first(planned, found, client)
                return _again(await manager.open(planned.token.reveal(), client), found)
            known = None if old else await manager.adopted(found.cookie.id)
        return _again(await manager.open(found.cookie.known(known).reveal(), client), found) if known else None

    def _plan(
        self, manager: SessionManager | AsyncSessionManager, found: _Found, old: Old, client: Client
    ) -> Planned | None:
        return plan(
            found.cookie,
            old,
            manager.policy,
            remember=self.remember,
            until=self._until,
            now=manager.clock(),
            client=client,
            random=os.urandom,
        )


def _first(planned: Planned, found: _Found, client: Client) -> AdoptedSession:
    ours = planned.ours
    session = Session(ours.record, ours.now, client, planned.token, True)
    return AdoptedSession(session, planned.reply, found.layer.cookie)


def _again(session: Session, found: _Found) -> AdoptedSession:
    # Its own commit hands out another token, where the one before was not shown for ten seconds.
    return AdoptedSession(session, NO_REPLY, found.layer.cookie)


def _retire(found: _Found) -> None:
    try:
        found.layer.retire(found.key)
    except StoreUnavailable as error:
        # The mark keeps it from being adopted again; only the old layer itself would still take it.
        logger.warning("an adopted session was not deleted from the old store: %s", error)
