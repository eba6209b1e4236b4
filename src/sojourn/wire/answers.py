"""What the service answers. Every member is always there; times are Unix milliseconds."""

from __future__ import annotations

from typing import Any

import msgspec

from sojourn.core.errors import EndReason
from sojourn.core.info import SessionInfo
from sojourn.core.record import Bound
from sojourn.core.session import Status

__all__ = [
    "Committed",
    "Configuration",
    "CookieShape",
    "EndedCount",
    "Found",
    "FoundSession",
    "ListedSessions",
    "Opened",
    "SeenEnd",
    "SessionFacts",
    "SessionState",
    "ToldDevice",
]


class SessionFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What every answer about a session tells of it."""

    id: str
    user_id: str | None
    version: int
    created_at: int
    authenticated_at: int | None
    seen_at: int
    expires_at: int
    absolute_expires_at: int
    idle_timeout: int
    remember: bool
    level: str | None
    methods: tuple[str, ...]
    bound: Bound | None


class SessionState(SessionFacts, frozen=True, kw_only=True):
    """A live session with all of its data."""

    data: msgspec.Raw
    follows: EndReason | None


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of /v1/open. With `commit_due`, a commit is to follow even if the request changes nothing.

    `proved` is the key that the request proved for this session: for what follows in the same request, and nobody else
    to hear. `nonce` is for the visitor, in DPoP-Nonce. `owed` is there only where the session, whose renewal takes
    a key of the browser's, has gone without for long: the nonce for the proof that is asked for then.
    """

    status: Status
    end_reason: EndReason | None
    ended_at: int | None
    session: SessionState | None
    commit_due: bool
    proved: str | None
    nonce: str | None
    now: int
    owed: str | msgspec.UnsetType = msgspec.UNSET


class ToldDevice(msgspec.Struct, frozen=True, kw_only=True):
    """What the browser is told for a key of its own: a Set-Cookie value, of the bound cookie or that takes it away.

    `registration` is for Secure-Session-Registration, by which the browser registers a key after a log-in.
    """

    set_cookie: str
    registration: str | None

    def __repr__(self) -> str:
        # The bound cookie is in it.
        return "ToldDevice(hidden)"


class Committed(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of /v1/commit: the session as it is now, and what to tell the browser.

    `merged` are the keys of `changes` that another request had changed too. `proved` and `nonce` are as in Opened.
    `device` is there only where the browser is to be told something of its own key.
    """

    status: Status
    end_reason: EndReason | None
    session: SessionState | None
    token: str | None
    max_age: int | None
    clear: bool
    set_cookie: str | None
    merged: list[str]
    proved: str | None
    nonce: str | None
    now: int
    device: ToldDevice | msgspec.UnsetType = msgspec.UNSET

    def __repr__(self) -> str:
        # There may be a token in it, and a traceback's frames are sent to who collects errors.
        return "Committed(hidden)"


class FoundSession(SessionFacts, frozen=True, kw_only=True):
    """One session, live or ended, without its data. What is not known is null, the label of the device among it."""

    end_reason: EndReason | None
    device: str | None
    ip: str | None
    user_agent: str | None

    @classmethod
    def of(cls, session: SessionInfo) -> FoundSession:
        """`session` as a back end may see it."""
        told = {name: getattr(session, name) for name in cls.__struct_fields__}
        return cls(**told | {name: told[name] or None for name in _CLIENT})

    def info(self) -> SessionInfo:
        """The same as a manager tells it, but for the data."""
        told = {name: getattr(self, name) for name in self.__struct_fields__}
        return SessionInfo(**told | {name: told[name] or "" for name in _CLIENT}, data={})


_CLIENT = ("device", "ip", "user_agent")


class Found(msgspec.Struct, frozen=True):
    """The answer of GET /v1/sessions/{id}; null for an id that the store does not know."""

    session: FoundSession | None


class ListedSessions(msgspec.Struct, frozen=True):
    """The answer of GET /v1/users/{user_id}/sessions, the latest seen first."""

    sessions: list[FoundSession]


class SeenEnd(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of GET /v1/sessions/{id}/end: whether the session is over by `now`, and why, if anybody can say.

    `expires_at` is when it will be, if nothing more happens; null where it is over.
    """

    ended: bool
    end_reason: EndReason | None
    expires_at: int | None
    now: int


class EndedCount(msgspec.Struct, frozen=True):
    """How many sessions a request ended."""

    ended: int


class CookieShape(msgspec.Struct, frozen=True, kw_only=True):
    """The cookie that carries the token. Adapters need its name alone: the rest is in `set_cookie`."""

    name: str
    path: str
    domain: str | None
    same_site: str
    secure: bool
    partitioned: bool


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of /v1/config: what a back end may know of how the service is set up. Durations are seconds."""

    cookie: CookieShape
    policy: dict[str, Any]
    version: str
