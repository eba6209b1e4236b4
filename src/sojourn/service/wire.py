"""The wire between back ends and the service, version 1: what a request may hold and an answer holds."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, Literal

import msgspec

from sojourn import __version__
from sojourn.core.cookie import CookieOptions
from sojourn.core.errors import EndReason
from sojourn.core.info import SessionInfo
from sojourn.core.merge import MISSING
from sojourn.core.policy import Policy

__all__ = [
    "Change",
    "Commit",
    "Committed",
    "Configuration",
    "Ended",
    "Found",
    "FoundSession",
    "Listed",
    "ListedSession",
    "Login",
    "Logout",
    "Open",
    "Opened",
    "Regenerate",
    "SessionState",
    "Start",
    "Told",
    "configuration",
]


class _Asked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of a request. A misspelled key is refused: left out in silence, a change would be lost."""


class Told(_Asked, frozen=True, kw_only=True):
    """What the back end knows of the browser; both are kept with a session that begins."""

    ip: str | None = None
    user_agent: str | None = None


class Open(_Asked, frozen=True, kw_only=True):
    """The body of /v1/open."""

    token: str
    client: Told | None = None
    opened_at: int | None = None


class Change(_Asked, frozen=True, kw_only=True):
    """One key: as it was when the back end loaded it, and as it is to be. MISSING is "not there"."""

    base: Any = MISSING
    value: Any = MISSING


class Start(_Asked, frozen=True, kw_only=True, tag="start"):
    """Begin a session even if nothing is in it."""


class Login(_Asked, frozen=True, kw_only=True, tag="login"):
    """Session.login."""

    user_id: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    remember: bool = False


class Logout(_Asked, frozen=True, kw_only=True, tag="logout"):
    """Session.logout."""


class Regenerate(_Asked, frozen=True, kw_only=True, tag="regenerate"):
    """Session.regenerate."""


class Commit(_Asked, frozen=True, kw_only=True):
    """The body of /v1/commit. `opened_at` is the `now` of the open that the request began with."""

    token: str | None = None
    client: Told | None = None
    passive: bool = False
    opened_at: int | None = None
    changes: dict[str, Change] = {}
    increments: dict[str, int] = {}
    action: Start | Login | Logout | Regenerate | None = None


class SessionState(msgspec.Struct, frozen=True, kw_only=True):
    """A live session with all of its data. Times are Unix milliseconds."""

    id: str
    user_id: str | None
    data: msgspec.Raw
    version: int
    created_at: int
    authenticated_at: int | None
    seen_at: int
    expires_at: int
    absolute_expires_at: int
    idle_timeout: int
    remember: bool
    follows: EndReason | None


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of /v1/open. With `commit_due`, a commit is to follow even if the request changes nothing."""

    status: Literal["none", "active", "ended"]
    end_reason: EndReason | None
    ended_at: int | None
    session: SessionState | None
    commit_due: bool
    now: int


class Committed(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of /v1/commit: the session as it is now, and what to tell the browser.

    `merged` are the keys of `changes` that another request had changed too.
    """

    status: Literal["none", "active", "ended"]
    end_reason: EndReason | None
    session: SessionState | None
    token: str | None
    max_age: int | None
    clear: bool
    set_cookie: str | None
    merged: list[str]
    now: int


class ListedSession(msgspec.Struct, frozen=True, kw_only=True):
    """One of a user's sessions. `device` is null where the service has no labels, or nothing to make one of."""

    id: str
    device: str | None
    ip: str | None
    user_agent: str | None
    created_at: int
    authenticated_at: int | None
    seen_at: int
    expires_at: int

    @classmethod
    def of(cls, session: SessionInfo) -> ListedSession:
        """`session` as a back end may show it to its user."""
        return cls(
            id=session.id,
            device=session.device or None,
            ip=session.ip or None,
            user_agent=session.user_agent or None,
            created_at=session.created_at,
            authenticated_at=session.authenticated_at,
            seen_at=session.seen_at,
            expires_at=session.expires_at,
        )


class FoundSession(msgspec.Struct, frozen=True, kw_only=True):
    """One session, live or ended, without its data."""

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
    end_reason: EndReason | None
    ip: str | None
    user_agent: str | None


class Found(msgspec.Struct, frozen=True):
    """The answer of GET /v1/sessions/{id}; null for an id that the store does not know."""

    session: FoundSession | None

    @classmethod
    def of(cls, session: SessionInfo | None) -> Found:
        """`session` as a back end may see it."""
        if session is None:
            return cls(None)
        told = {name: getattr(session, name) for name in FoundSession.__struct_fields__}
        return cls(FoundSession(**{**told, "ip": session.ip or None, "user_agent": session.user_agent or None}))


class Listed(msgspec.Struct, frozen=True):
    """A user's live sessions, the latest seen first."""

    sessions: list[ListedSession]


class Ended(msgspec.Struct, frozen=True):
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
    """The answer of /v1/config."""

    cookie: CookieShape
    policy: dict[str, Any]
    version: str


def configuration(policy: Policy, cookie: CookieOptions) -> Configuration:
    """What a back end may know of how the service is set up. Durations are seconds, as in the policy."""
    shape = CookieShape(
        name=cookie.name,
        path=cookie.path,
        domain=cookie.domain,
        same_site=cookie.same_site,
        secure=not cookie.insecure_http,
        partitioned=cookie.partitioned,
    )
    return Configuration(cookie=shape, policy=dataclasses.asdict(policy), version=__version__)
