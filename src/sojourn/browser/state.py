"""State: a session as its own browser may see it, in JSON. The token is never in it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal

import msgspec

from sojourn.core.errors import EndReason
from sojourn.core.info import SessionInfo
from sojourn.core.record import Bound
from sojourn.core.session import Session

__all__ = ["ListedSession", "State", "listed", "state_of"]


class State(msgspec.Struct, frozen=True, kw_only=True):
    """Every key is always there. Times are Unix milliseconds; `now` is the server's clock.

    `bound` is where the key is that the token, or its renewal, needs; None where it needs none.
    `follows` is why the session before ended, where this one was begun with its token and nobody logged in.
    """

    status: Literal["none", "active", "ended"]
    id: str | None = None
    user_id: str | None = None
    created_at: int | None = None
    authenticated_at: int | None = None
    seen_at: int | None = None
    expires_at: int | None = None
    absolute_expires_at: int | None = None
    idle_timeout: int | None = None
    version: int | None = None
    bound: Bound | None = None
    data: dict[str, Any] = {}
    end_reason: EndReason | None = None
    ended_at: int | None = None
    follows: EndReason | None = None
    now: int


class ListedSession(msgspec.Struct, frozen=True, kw_only=True):
    """One of my sessions, as the page "where am I signed in" shows it."""

    id: str
    current: bool
    device: str | None
    ip: str | None
    bound: Bound | None
    created_at: int
    authenticated_at: int | None
    seen_at: int
    expires_at: int


def state_of(session: Session, readable: Collection[str], now: int) -> State:
    """What `session` is at `now`, with the data that is declared readable and no other."""
    reason, record = session.end_reason, session._record
    if record is None:
        return State(status="none", now=now)
    if reason is not None:
        ended_at = record.expires_at if record.ended_at is None else record.ended_at
        return State(status="ended", id=record.id, end_reason=reason, ended_at=min(ended_at, now), now=now)
    return State(
        status="active",
        id=record.id,
        user_id=record.user_id,
        created_at=record.created_at,
        authenticated_at=record.authenticated_at,
        seen_at=record.seen_at,
        expires_at=record.expires_at,
        absolute_expires_at=record.absolute_expires_at,
        idle_timeout=record.idle_timeout,
        version=record.version,
        bound=record.bound,
        data={key: session[key] for key in session if key in readable},
        follows=record.follows,
        now=now,
    )


def listed(session: SessionInfo, current: str | None) -> ListedSession:
    """`session` for its user's eyes; `current` is the id of the one that asks."""
    return ListedSession(
        id=session.id,
        current=session.id == current,
        device=session.device or None,
        ip=session.ip or None,
        bound=session.bound,
        created_at=session.created_at,
        authenticated_at=session.authenticated_at,
        seen_at=session.seen_at,
        expires_at=session.expires_at,
    )
