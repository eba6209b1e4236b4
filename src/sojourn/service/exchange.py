"""Exchange: what a back end did to a session, put into the session as it is now. Pure: no I/O and no clock."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from sojourn.core.changes import rebased
from sojourn.core.codec import encode, join
from sojourn.core.commit import NO_REPLY, Reply, nothing_due
from sojourn.core.cookie import CookieOptions
from sojourn.core.errors import SessionConflict, SessionEnded
from sojourn.core.merge import MISSING, same
from sojourn.core.outcome import go_on_alone
from sojourn.core.policy import Policy
from sojourn.core.record import Client
from sojourn.core.session import Session
from sojourn.core.transport import set_cookie

from .wire import Change, Commit, Committed, Login, Logout, Opened, Regenerate, SessionState, Start, Told

__all__ = ["client_of", "committed", "note", "opened"]


def opened(session: Session, policy: Policy) -> Opened:
    """The answer to /v1/open."""
    reason, record, now = session.end_reason, session._record, session.opened_at
    ended_at = record.expires_at if record is not None and reason is not None else None
    return Opened(
        status=session.status,
        end_reason=reason,
        ended_at=ended_at,
        session=_state(session),
        commit_due=not nothing_due(session, policy),
        # Later than the end that it tells of, so that a commit can say by it that the back end knew.
        now=now if ended_at is None else max(now, ended_at + 1),
    )


def note(session: Session, wanted: Commit, policy: Policy) -> list[str]:
    """Note in `session`, opened anew as of `wanted.opened_at`, what is asked; the keys that others changed meanwhile.

    Raises SessionEnded where the session ended after the back end had loaded it, SessionConflict where the policy
    forbids to choose, InvalidData for what no session can hold.
    """
    over = session.end_reason is not None and not _knew(session, wanted)
    session.passive = wanted.passive
    changes, action = wanted.changes, wanted.action
    if isinstance(action, Login):
        if session.end_reason is not None:
            _leave(session, wanted, action)
            session.login(action.user_id, remember=action.remember)
            return []
    elif over and not isinstance(action, Logout):
        if changes or wanted.increments or isinstance(action, Regenerate):
            raise SessionEnded(session.end_reason)
        return []
    had = len(session)
    _act(session, action)
    # What is set in a new session, after a log-out or a log-in of somebody else, has nothing to be merged with.
    fresh = session._live is None or (had > 0 and len(session) == 0)
    merged, conflicts = _put(session, changes, {} if fresh else _bases(changes))
    if conflicts and policy.on_conflict == "raise":
        raise SessionConflict(conflicts)
    session._merged = {**dict.fromkeys(merged, False), **dict.fromkeys(conflicts, True)}
    for key, by in wanted.increments.items():
        session.increment(key, by)
    return list(merged)


def _knew(session: Session, wanted: Commit) -> bool:
    """Whether the session was over already when the back end loaded it."""
    record = session._record
    return record is not None and wanted.opened_at is not None and record.expires_at < wanted.opened_at


def _leave(session: Session, wanted: Commit, login: Login) -> None:
    """Log in from a session that is over: take along what may be, by the same rule as where a commit finds out."""
    record, reason = session._record, session.end_reason
    session._replace_data(_bases(wanted.changes))
    for key, change in wanted.changes.items():
        if change.value is not MISSING:
            session[key] = change.value
        elif key in session:
            del session[key]
    for key, by in wanted.increments.items():
        session.increment(key, by)
    foreign = record is not None and record.user_id not in (None, login.user_id)
    go_on_alone(session, None if foreign else reason)


def _act(session: Session, action: Start | Login | Logout | Regenerate | None) -> None:
    match action:
        case Start():
            session.start()
        case Login(user_id=user_id, remember=remember):
            session.login(user_id, remember=remember)
        case Logout():
            session.logout()
        case Regenerate():
            session.regenerate()


def _bases(changes: Mapping[str, Change]) -> dict[str, bytes]:
    return {key: encode(change.base, key) for key, change in changes.items() if change.base is not MISSING}


def _put(
    session: Session, changes: Mapping[str, Change], bases: Mapping[str, bytes]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Merge `changes` of `bases` into the session; the keys that were merged, and those that lost something."""
    if not changes:
        return (), ()
    wanted = {key: change.value for key, change in changes.items()}
    found = rebased(bases, wanted, {}, session._encoded())
    for key in changes:
        value = found.values.get(key, MISSING)
        if value is not MISSING:
            session[key] = value
        elif key in found.values:
            session.pop(key, None)
    return found.merged, found.conflicts


def committed(
    session: Session, reply: Reply, wanted: Commit, merged: list[str], cookie: CookieOptions, now: int
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
        merged=list(dict.fromkeys([*merged, *later])),
        now=now,
    )


def _moved(session: Session, key: str, change: Change) -> bool:
    """Whether another request's change was merged into this one while it was written."""
    return not same(change.base, change.value) and not same(session.get(key, MISSING), change.value)


def _state(session: Session) -> SessionState | None:
    record = session._live
    if record is None:
        return None
    return SessionState(
        id=record.id,
        user_id=record.user_id,
        data=msgspec.Raw(join(session._encoded())),
        version=record.version,
        created_at=record.created_at,
        authenticated_at=record.authenticated_at,
        seen_at=record.seen_at,
        expires_at=record.expires_at,
        absolute_expires_at=record.absolute_expires_at,
        idle_timeout=record.idle_timeout,
        remember=record.remember,
        follows=record.follows,
    )


def client_of(told: Told | None) -> Client:
    """What is kept of the browser with a session that begins."""
    return Client() if told is None else Client((told.ip or "")[:45], (told.user_agent or "")[:512])
