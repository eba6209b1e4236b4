"""SessionInfo: a session as operators, and its user, may see it."""

from __future__ import annotations

from typing import Any

import msgspec

from .codec import decode
from .errors import EndReason
from .record import Bound, Record

__all__ = ["SessionInfo", "info"]


class SessionInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One session as operators and its user may see it: nothing in it opens a session.

    Times are Unix milliseconds, and `idle_timeout` is in milliseconds. `expires_at` is when it stops being live, by the
    activity that was written down so far; `end_reason` is None until then. `device` is "" where there is no label.
    `bound` is where the key is that its token, or its renewal, needs: "browser", "hardware", or None for no key.
    """

    id: str
    user_id: str | None
    created_at: int
    authenticated_at: int | None
    seen_at: int
    expires_at: int
    idle_timeout: int
    absolute_expires_at: int
    end_reason: EndReason | None
    version: int
    remember: bool
    level: str | None
    methods: tuple[str, ...]
    bound: Bound | None
    device: str
    ip: str
    user_agent: str
    data: dict[str, Any]


def info(record: Record, now: int) -> SessionInfo:
    """`record` without its secrets, judged at `now`."""
    return SessionInfo(
        id=record.id,
        user_id=record.user_id,
        created_at=record.created_at,
        authenticated_at=record.authenticated_at,
        seen_at=record.seen_at,
        expires_at=record.expires_at,
        idle_timeout=record.idle_timeout,
        absolute_expires_at=record.absolute_expires_at,
        end_reason=record.end_reason_at(now),
        version=record.version,
        remember=record.remember,
        level=record.level,
        methods=record.methods,
        bound=record.bound,
        device=record.device,
        ip=record.client.ip,
        user_agent=record.client.user_agent,
        data={key: decode(value) for key, value in record.data.items()},
    )
