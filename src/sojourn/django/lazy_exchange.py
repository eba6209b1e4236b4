"""LazyExchange: a session on its way through one request of Django's, opened at the first look."""

from __future__ import annotations

import asyncio
import os
from copy import copy

from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY

from sojourn.core.codec import decode
from sojourn.core.commit import NO_REPLY, Reply, nothing_due, plan_commit
from sojourn.core.errors import SessionEnded, SojournError, StoreUnavailable
from sojourn.core.outcome import end
from sojourn.core.session import Session
from sojourn.core.token import parse
from sojourn.exchange import Environ, Exchange, Wiring

from . import process
from .identity import hash_before, password_changed, settle_user
from .limits import EXPIRY, over, policy_for

__all__ = ["LazyExchange"]


class LazyExchange:
    """The token that a request shows and, once somebody looked, the exchange that it opens.

    `environ` is the request's META where it is known: Django's own middleware hands on the cookie's value alone.
    `outage` is what the store raised; `cookie_due`, that the cookie's age changed; `has_public_key`, that the request
    came through our middleware; `held_back`, that what was changed is not to be saved with the response.
    """

    def __init__(self, shown: str | None) -> None:
        self.shown = shown or None
        self.environ: Environ | None = None
        self.exchange: Exchange | None = None
        self.outage: StoreUnavailable | None = None
        self.cookie_due = self.has_public_key = self.held_back = False
        self._hash_before: str | None = None
        self._first: Exchange | None = None
        self._is_limited = False

    @property
    def token(self) -> str | None:
        """The token that the browser should hold from here on. None where none opens anything."""
        if self.exchange is None and self.environ is None:
            return self.shown if self.shown and parse(self.shown) else None
        session = self.open().session
        if session._wish:
            self.commit()
        exchange = self.open()
        if exchange.reply.token is not None:
            return exchange.reply.token.reveal()
        return self.shown if session._live is not None else None

    @property
    def token_to_open_by(self) -> str | None:
        """The token to open the same session by once more: what the browser showed, as long as that is it."""
        live = self.open().session._live
        shown = parse(self.shown) if self.shown else None
        if live is None or (shown is not None and shown.id == live.id):
            return self.shown
        reply = self.open().reply
        return reply.token.reveal() if reply.token is not None else None

    def open(self) -> Exchange:
        """The exchange; at the first call, at most one read of the store."""
        if self.exchange is not None:
            return self.exchange
        try:
            if self.environ is None:
                exchange = process.wiring().open({}, self.shown)
            else:
                exchange = process.wiring().open(self.environ)
            _end_by_expiry(exchange)
        except StoreUnavailable as error:
            self.outage = error
            raise
        token = exchange.session._token
        if exchange.rivals is not None:
            # Django's own parser takes the last of several cookies, whatever it opens.
            self.shown = token.reveal() if token is not None else None
        self.exchange = self._first = exchange
        return exchange

    def limited(self) -> Exchange:
        """The exchange, opened, its policy with the limits that set_expiry gave this session."""
        exchange = self.open()
        session, before = exchange.session, exchange.session._accessed
        # Few have one, and to get what is not there costs an exception.
        expiry = session.get(EXPIRY) if EXPIRY in session else None
        session._accessed = before
        if not expiry and not self._is_limited:
            return exchange
        wiring: Wiring = copy(process.wiring())
        wiring.manager = copy(wiring.manager)
        wiring.manager.policy = policy_for(wiring.manager.policy, expiry, session.opened_at)
        self._is_limited = True
        return self._carry_on(exchange, wiring, session)

    def came_from(self, environ: Environ) -> None:
        """Note the client, where it was not known."""
        if self.environ is None:
            # By the token that this was made with, not by the request's.
            exchange = self.open()
            self.environ = environ
            self._carry_on(exchange, process.wiring(), exchange.session)

    def take_over(self, first: LazyExchange) -> None:
        """Be the request's session in the place of the one that it came with: the answer carries this one's token.

        A new secret of the same session that the first one's answer was to carry goes along.
        """
        if self.environ is None and first.environ is not None:
            self.came_from(first.environ)
        exchange, start, before = self.open(), self._first, first._first
        if start is not None and before is not None:
            start.bearer, start._forget = before.bearer, before._forget
        live, said = exchange.session._live, NO_REPLY if first.exchange is None else first.exchange.reply
        shown, token = parse(first.shown or ""), exchange.session._token
        if exchange.reply is not NO_REPLY:
            return
        if said.clear if live is None else said.token is not None and said.token.id == live.id:
            exchange.reply = said
        elif live is not None and (shown is None or shown.id != live.id):
            exchange.reply = Reply(token)

    def begin_anew(self) -> Session:
        """A session that does not exist yet, in place of the one there is."""
        wiring = process.wiring()
        session = wiring.manager.anonymous()
        if self.exchange is not None:
            # What the request proved is still proved, and what a session service is shown still shown.
            before = vars(self.exchange.session)
            vars(session).update({name: before[name] for name in ("_offers", "_proved", "shown") if name in before})
        rivals = self.exchange.rivals if self.exchange else None
        self.exchange = self._first = Exchange(wiring, session, self.environ or {}, False)
        self.exchange.rivals = rivals
        return session

    def due(self) -> bool:
        """Whether a commit has something to write, or the browser something to be told."""
        if self.exchange is None:
            return False
        exchange = self.limited()
        session, manager = exchange.session, exchange.manager
        if exchange.reply.token is not None:
            return True
        if self.held_back or nothing_due(session, manager.policy):
            return False
        # A session of sojourn.remote: the service said that activity is to be noted down.
        if getattr(session, "commit_due", False) and not session.passive:
            return True
        try:
            return plan_commit(session, manager.policy, manager.clock(), os.urandom).write is not None
        except SojournError:
            return True

    def finish(self) -> None:
        """Commit what is due, and refuse changes from here on: the response starts. Raises as a manager's commit."""
        if self.exchange is None:
            return
        exchange = self.limited()
        session = exchange.session
        if self.held_back:
            session._replace_data(session._base)
        hash_alone = session._wish == "regenerate" and session._changes().keys() == {HASH_SESSION_KEY}
        try:
            if not nothing_due(session, exchange.manager.policy):
                self.commit()
        except SessionEnded as error:
            # SECRET_KEY was renewed, and another request of this browser wrote the new hash.
            if not hash_alone or error.reason != "replaced":
                raise
        self._end_others()
        session._sealed = True

    def commit(self) -> None:
        """Write what was changed so far. Raises as a manager's commit."""
        session = self.open().session
        changes = session._changes()
        settle_user(session, changes)
        self._hash_before = hash_before(session, changes) or self._hash_before
        exchange = self.limited()
        try:
            exchange.commit()
            self._end_others()
        except StoreUnavailable as error:
            self.outage = error
            raise
        self.cookie_due = self.cookie_due or EXPIRY in changes

    def say_nothing(self) -> None:
        """Keep a token that this request's answer was to carry from the browser: its session was just ended."""
        self.open().reply = NO_REPLY

    def _end_others(self) -> None:
        """End the user's other sessions, where the password is another by now."""
        before = self._hash_before
        # The database may be asked who it is, which Django forbids in a coroutine: then at the response.
        if before is None or (settings.SECRET_KEY_FALLBACKS and _in_coroutine()):
            return
        self._hash_before = None
        exchange = self.open()
        user_id = exchange.session.user_id
        if user_id is not None and password_changed(user_id, before):
            kept, address = exchange.session.id, exchange.session.client.ip
            exchange.manager.revoke_all(user_id, keep=kept, by=f"session:{kept}", address=address)

    def headers(self) -> list[tuple[str, str]]:
        """The headers that go with the answer."""
        headers: list[tuple[str, str]] = []
        if self._first is not None and self.exchange is not None:
            if self._first is not self.exchange:
                self._first.take_over(self.exchange)
            self._first.add_headers(headers)
        return headers

    def _carry_on(self, before: Exchange, wiring: Wiring, session: Session) -> Exchange:
        self.exchange = exchange = Exchange(wiring, session, self.environ or {}, before.bearer)
        exchange.take_over(before)
        return exchange


def _in_coroutine() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _end_by_expiry(exchange: Exchange) -> None:
    session, manager = exchange.session, exchange.manager
    live = session._live
    if live is None or EXPIRY not in live.data:
        return
    reason = over(decode(live.data[EXPIRY]), live, manager.clock())
    if reason is not None:
        # The store knows no such limit, and takes nobody's word that a session ran out.
        manager.revoke(live.id)
        end(session, reason)
