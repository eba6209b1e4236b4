"""Replay: what a back end did to a session is done again, to the session as it is now. No I/O and no clock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sojourn.core.changes import rebased
from sojourn.core.codec import encode
from sojourn.core.errors import ReauthenticationRequired, SessionConflict, SessionEnded
from sojourn.core.merge import MISSING
from sojourn.core.outcome import go_on_alone
from sojourn.core.policy import Policy
from sojourn.core.record import Client
from sojourn.core.session import Session
from sojourn.core.step_up import GRANT
from sojourn.wire.requests import (
    ClientFacts,
    CommitRequest,
    KeyChange,
    LoginAction,
    LogoutAction,
    RegenerateAction,
    StartAction,
)

__all__ = ["client_of", "is_plain", "replay"]


def is_plain(wanted: CommitRequest) -> bool:
    """Whether a commit is to set values in the session that its token opens, and do nothing else."""
    return (
        wanted.status == "active"
        and wanted.token is not None
        and wanted.action is None
        and not wanted.increments
        and not wanted.used
        and wanted.presented is None
        and wanted.proved is None
        and wanted.device is None
    )


def replay(session: Session, wanted: CommitRequest, policy: Policy) -> list[str]:
    """Change `session`, opened anew as of `wanted.opened_at`, as is asked; the keys that others changed meanwhile.

    Raises SessionEnded where the back end had loaded it live and it lives no more, SessionConflict where the policy
    forbids to choose, InvalidData for what no session can hold.
    """
    over = wanted.token is not None and wanted.status == "active" and session._live is None
    session.passive = wanted.passive
    changes, action = wanted.changes, wanted.action
    if isinstance(action, LoginAction):
        if over or session.end_reason is not None:
            _leave(session, wanted, action)
            _log_in(session, action)
            return []
    elif over and not isinstance(action, LogoutAction):
        if changes or wanted.increments or isinstance(action, RegenerateAction):
            raise SessionEnded(session.end_reason)
        return []
    for key in wanted.used:
        # Used by another request since: only one of two who hold a grant may act on it.
        if key not in session:
            raise ReauthenticationRequired(action=key.removeprefix(GRANT))
    session._used = frozenset(wanted.used)
    had = len(session) if action else 0
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


def _leave(session: Session, wanted: CommitRequest, login: LoginAction) -> None:
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


def _act(session: Session, action: StartAction | LoginAction | LogoutAction | RegenerateAction | None) -> None:
    match action:
        case StartAction():
            session.start()
        case LoginAction():
            _log_in(session, action)
        case LogoutAction():
            session.logout()
        case RegenerateAction():
            session.regenerate()


def _log_in(session: Session, action: LoginAction) -> None:
    session.login(
        action.user_id, remember=action.remember, level=action.level, methods=action.methods, keep=action.keep
    )


def _bases(changes: Mapping[str, KeyChange]) -> dict[str, bytes]:
    return {key: encode(change.base, key) for key, change in changes.items() if change.base is not MISSING}


def _put(
    session: Session, changes: Mapping[str, KeyChange], bases: Mapping[str, bytes]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Merge `changes` of `bases` into the session; the keys that were merged, and those that lost something."""
    theirs = session._encoded() if session._values else session._base
    wanted = {}
    for key, change in changes.items():
        if bases.get(key) == theirs.get(key):
            # Nobody else changed it, so that there is nothing to be merged: nearly always.
            _set(session, key, change.value)
        else:
            wanted[key] = change.value
    if not wanted:
        return (), ()
    found = rebased(bases, wanted, {}, theirs)
    for key, value in found.values.items():
        _set(session, key, value)
    return found.merged, found.conflicts


def _set(session: Session, key: str, value: Any) -> None:
    if value is MISSING:
        session.pop(key, None)
    else:
        session[key] = value


def client_of(told: ClientFacts | None) -> Client:
    """What is kept of the browser with a session that begins."""
    return Client() if told is None else Client.of((told.ip or "")[:45], told.user_agent or "")
