"""What is answered to an open and to a commit, made of the session that the manager opened or committed. Pure."""

from __future__ import annotations

import msgspec

from sojourn.core.codec import join
from sojourn.core.commit import NO_REPLY, Reply, nothing_due
from sojourn.core.cookie import CookieOptions
from sojourn.core.merge import MISSING, same
from sojourn.core.policy import Policy
from sojourn.core.session import Session
from sojourn.core.transport import set_cookie
from sojourn.wire.answers import Committed, Opened, SessionState, ToldDevice
from sojourn.wire.requests import CommitRequest, KeyChange

__all__ = ["committed", "opened"]

NO_KEY: dict[str, str | None] = {"proved": None, "nonce": None}


def opened(session: Session, policy: Policy) -> Opened:
    """The answer to /v1/open."""
    reason, record = session._end_reason, session._record
    ended_at = record.expires_at if record is not None and reason is not None else None
    kept = session._kept
    return Opened(
        status=session.status,
        end_reason=reason,
        ended_at=ended_at,
        session=_state(session),
        commit_due=not nothing_due(session, policy),
        **(NO_KEY if kept is None and session._proved is None else _key(session)),
        now=session.opened_at,
        owed=kept.wants if kept is not None and kept.owes and kept.wants is not None else msgspec.UNSET,
    )


def committed(
    session: Session,
    reply: Reply,
    wanted: CommitRequest,
    merged: list[str],
    cookie: CookieOptions,
    now: int,
    device: ToldDevice | msgspec.UnsetType,
) -> Committed:
    """The answer to /v1/commit, once the manager has committed."""
    later = [
        key for key, change in wanted.changes.items() if key not in wanted.increments and _moved(session, key, change)
    ]
    return Committed(
        status=session.status,
        end_reason=session.end_reason,
        session=_state(session),
        token=reply.token.reveal() if reply.token else None,
        max_age=reply.max_age,
        clear=reply.clear,
        set_cookie=None if reply is NO_REPLY else set_cookie(cookie, reply),
        merged=list(dict.fromkeys([*merged, *later])) if later else merged,
        **_key(session),
        now=now,
        device=device,
    )


def changed(session: Session, now: int) -> Committed:
    """The same, of a plain change: nothing is told of it but the session as it now is."""
    return Committed(
        status="active",
        end_reason=None,
        session=_state(session),
        token=None,
        max_age=None,
        clear=False,
        set_cookie=None,
        merged=[],
        proved=None,
        nonce=None,
        now=now,
    )


def _key(session: Session) -> dict[str, str | None]:
    if session._kept is not None and session._kept.renews and session._record is not None:
        return {"proved": session._record.renewal_key, "nonce": None}
    proved = session._proved
    # One for a session that is yet to be made was not used up: the commit that makes it asks for it again.
    told = proved if proved is not None and proved.at_once else None
    return {"proved": told and told.thumbprint, "nonce": told and told.nonce}


def _moved(session: Session, key: str, change: KeyChange) -> bool:
    """Whether another request's change was merged into this one while it was written."""
    if session._values.get(key, session) is change.value:
        return False
    return not same(change.base, change.value) and not same(session.get(key, MISSING), change.value)


def _state(session: Session) -> SessionState | None:
    record = session._live
    if record is None:
        return None
    return SessionState(
        id=record.id,
        user_id=record.user_id,
        # All that it holds: an open has set nothing yet, and a commit has written what was set.
        data=msgspec.Raw(join(session._base)),
        version=record.version,
        created_at=record.created_at,
        authenticated_at=record.authenticated_at,
        seen_at=record.seen_at,
        expires_at=record.expires_at,
        absolute_expires_at=record.absolute_expires_at,
        idle_timeout=record.idle_timeout,
        remember=record.remember,
        level=record.level if session._kept is None else session.level,
        methods=record.methods,
        bound=record.bound,
        follows=record.follows,
    )
