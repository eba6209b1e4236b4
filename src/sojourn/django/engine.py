"""SessionStore: Django's SessionBase over a Session, opened at the first look."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth.signals import user_logged_in
from django.contrib.sessions.backends.base import CreateError, SessionBase, UpdateError
from django.http import HttpRequest
from django.utils.module_loading import import_string

from sojourn.core.errors import ConfigurationError, SessionEnded
from sojourn.core.session import Session

from . import process
from .lazy_exchange import LazyExchange
from .session_key import SessionKey, find_live

__all__ = ["SessionStore", "in_commit_thread", "session_of"]

T = TypeVar("T")


class SessionStore(SessionBase):
    """`request.session`: what Django documents, and nested changes are kept without `modified = True`.

    `session_key` is the public id under our middleware. Under Django's, and of a store that you made yourself, it is
    the token, the secret that the browser holds: not for a log, a page or a database. Nothing is read before the
    first look at the session, by one read. To read may raise StoreUnavailable, and ConfigurationError for a wrong
    SOJOURN; to write, what SessionManager.commit raises, and SessionCommitted once the response has begun.
    """

    def __init__(self, session_key: str | None = None) -> None:
        # Not SessionBase's own: it imports the serializer, for each request.
        self.lazy_exchange = LazyExchange(SessionKey.opens_by(session_key))
        self.lazy_exchange.has_public_key = isinstance(session_key, SessionKey)
        self._accessed = self._modified = self._is_deleted = False

    @property
    def serializer(self) -> Any:
        """What SESSION_SERIALIZER names: `encode` and `decode` use it, and nothing else here."""
        return import_string(settings.SESSION_SERIALIZER)

    # What Django's middleware asks

    @property
    def accessed(self) -> bool:
        """Whether the answer depends on the session."""
        exchange = self.lazy_exchange.exchange
        return self._accessed or (exchange is not None and exchange.session._accessed)

    @accessed.setter
    def accessed(self, value: bool) -> None:
        """Say so: SessionBase does."""
        self._accessed = value

    @property
    def modified(self) -> bool:
        """Whether there is something to save: a change, a nested one too, a new token, or activity to note down."""
        return self._modified or self.lazy_exchange.due()

    @modified.setter
    def modified(self, value: bool) -> None:
        """Have it saved in any case; with False, not save what this request changed so far, but by `save`."""
        self._modified = value
        self.lazy_exchange.held_back = not value

    def is_empty(self) -> bool:
        """Whether there is nothing to keep and nothing to wait for: Django's middleware deletes the cookie then.

        A cookie that opens nothing is left alone: to delete it could overtake a log-in in another tab.
        """
        lazy = self.lazy_exchange
        if lazy.exchange is None:
            return not lazy.shown
        session = lazy.exchange.session
        if session._logged_out and not session._wish and not len(session):
            lazy.commit()
        if session._live is not None or session._wish or len(session):
            return False
        # In the last two cases Django would send the browser a token that opens nothing.
        return lazy.open().reply.clear or not lazy.shown or self._modified or bool(settings.SESSION_SAVE_EVERY_REQUEST)

    @property
    def session_key(self) -> str | None:
        """The public id under our middleware, else the token: a secret. None where there is no session."""
        lazy = self.lazy_exchange
        token = lazy.token
        if token is None or not lazy.has_public_key:
            return token
        id = lazy.open().session.id
        return None if id is None else SessionKey.of(id, lazy.token_to_open_by or token)

    _session_key = session_key

    def _get_session(self, no_load: bool = False) -> Session:
        self._accessed = True
        return self.lazy_exchange.open().session

    async def _aget_session(self, no_load: bool = False) -> Session:
        if self.lazy_exchange.exchange is None:
            await _in_thread(self.lazy_exchange.open)
        return self._get_session()

    _session = property(_get_session)

    # Saving

    def save(self, must_create: bool = False) -> None:
        """Write what was changed; a session that is not there yet is made. Django's UpdateError where it has ended."""
        if self._is_deleted:
            raise UpdateError("This session was deleted, by this very request.")
        session = self._get_session()
        if session._live is None:
            session.start()
            self._modified = True
        elif must_create:
            raise CreateError
        try:
            self.lazy_exchange.commit()
        except SessionEnded as error:
            # Django's middleware makes SessionInterrupted of it.
            raise UpdateError(str(error)) from error

    def create(self) -> None:
        """Make a new session, with the data that was loaded, and leave the one before as it is."""
        before = self.lazy_exchange.exchange
        data = dict(before.session) if before else {}
        session = self.lazy_exchange.begin_anew()
        session.update(data)
        session.start()
        self._accessed = self._modified = True
        self._is_deleted = False
        self.lazy_exchange.commit()

    def cycle_key(self) -> None:
        """Go on under a new token, the data kept: with the next save, or when `session_key` is asked for."""
        session = self._get_session()
        if session._live is None:
            session.start()
        else:
            session.regenerate()
        self._modified = True

    def flush(self) -> None:
        """Log out: the session ends, now and for good, and its data goes."""
        self._get_session().logout()
        self._modified = True
        self.lazy_exchange.commit()

    def clear(self) -> None:
        """Remove all data. Where somebody was logged in this is a log-out, and what follows a new session."""
        session = self._get_session()
        for key in list(session):
            del session[key]
        self._modified = True

    def delete(self, session_key: str | None = None) -> None:
        """End the session of this id, or token, or this one, which cannot be saved then."""
        own = self.lazy_exchange.open().session._live if session_key is None or self.lazy_exchange.exchange else None
        own_id = own.id if own is not None else None
        id = own_id if session_key is None else find_live(process.manager(), session_key)
        if id is None:
            return
        process.manager().revoke(id, "logout", by="user" if id == own_id else "application")
        if id == own_id:
            self._is_deleted = True
            self.lazy_exchange.say_nothing()

    def exists(self, session_key: str | None) -> bool:
        """Whether a live session has this id, or is opened by this token. Looking at a token is not showing it.

        False for None, which is the `session_key` of a session that is not there yet.
        """
        return session_key is not None and find_live(process.manager(), session_key) is not None

    def load(self) -> dict[str, Any]:
        """All of the data as the store has it, without what this request changed and did not save. One read."""
        again = LazyExchange(self.lazy_exchange.token_to_open_by)
        return dict(again.open().session) if again.shown else {}

    def get_session_cookie_age(self) -> int:
        """The policy's idle timeout in seconds, which is SESSION_COOKIE_AGE unless SOJOURN has a policy."""
        return process.idle_timeout()

    @classmethod
    def clear_expired(cls) -> None:
        """Delete the sessions that are over for longer than the policy's `keep_ended`."""
        process.manager().delete_expired()

    # The same, awaited. In whichever thread is free: a manager is safe in all of them, and in the thread that Django
    # makes for each request a store would have to open a connection.

    async def aload(self) -> dict[str, Any]:
        """As load."""
        return await _in_thread(self.load)

    async def asave(self, must_create: bool = False) -> None:
        """As save."""
        await in_commit_thread(self.save, must_create)

    async def acreate(self) -> None:
        """As create."""
        await _in_thread(self.create)

    async def acycle_key(self) -> None:
        """As cycle_key."""
        await self._aget_session()
        self.cycle_key()

    async def aflush(self) -> None:
        """As flush."""
        await _in_thread(self.flush)

    async def adelete(self, session_key: str | None = None) -> None:
        """As delete."""
        await _in_thread(self.delete, session_key)

    async def aexists(self, session_key: str | None) -> bool:
        """As exists."""
        return await _in_thread(self.exists, session_key)

    @classmethod
    async def aclear_expired(cls) -> None:
        """As clear_expired."""
        await _in_thread(cls.clear_expired)


async def _in_thread(call: Callable[..., T], *arguments: Any) -> T:
    return await sync_to_async(call, thread_sensitive=False)(*arguments)


async def in_commit_thread(call: Callable[..., T], *arguments: Any) -> T:
    """Await a call that commits."""
    # A commit may ask the database for the user, and a test's transaction is seen by Django's own thread alone.
    return await sync_to_async(call, thread_sensitive=bool(settings.SECRET_KEY_FALLBACKS))(*arguments)


def session_of(request: HttpRequest) -> Session:
    """The Session behind `request.session`: its `id`, `increment`, `passive`, `end_reason` and so on.

    At the first look, one read. Raises ConfigurationError where SESSION_ENGINE is another, and as SessionStore does.
    """
    found = getattr(request, "session", None)
    if not isinstance(found, SessionStore):
        raise ConfigurationError("There is no session of Sojourn here: set SESSION_ENGINE = 'sojourn.django'.")
    return found.lazy_exchange.open().session


def _note_login(*, request: HttpRequest, user: Any, **_: Any) -> None:
    store = getattr(request, "session", None)
    if not isinstance(store, SessionStore):
        return
    # Only here does an engine get to see the request, where Django's own middleware made it.
    store.lazy_exchange.came_from(request.META)
    session, user_id = store.lazy_exchange.open().session, str(user.pk)
    # Who is logged in already has proved it anew, of which the data that Django writes says nothing.
    if session.user_id == user_id and session._login is None and session._live is not None:
        session.login(user_id)


user_logged_in.connect(_note_login, dispatch_uid="sojourn")
