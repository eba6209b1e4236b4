"""What to do with a session, decided purely: no I/O, and `now` and randomness are arguments.

plan_open says what a token opens; plan_commit what to write for what a request did; settle what the store's
answer means. A manager carries between them and a store.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from msgspec.structs import replace

from . import rotation
from .codec import size
from .errors import DataTooLarge, EndReason, SessionConflict, SessionEnded
from .events import Ended as EndedEvent
from .events import Event, LoggedIn, Merged, Rotated, SessionCreated, TokenReused, UnknownToken
from .policy import Policy
from .record import Client, Record, Secrets
from .session import Session
from .store import Applied, Commit, Create, End, Ends, Limit, Refused
from .token import Random, Token, mint, renew

__all__ = ["Opened", "Plan", "Reply", "nothing_due", "plan_commit", "plan_open", "settle"]


# A session, the end that must be written down first if there is one, and what to tell. A plain tuple: each request
# makes one.
Opened = tuple[Session, End | None, tuple[Event, ...]]


class Reply(NamedTuple):
    """What the answer must tell the browser: a new token to keep, or to forget the one it has.

    `max_age` is in seconds; None keeps the token until the browser closes.
    """

    token: Token | None = None
    clear: bool = False
    max_age: int | None = None


class Plan(NamedTuple):
    """The one write that a request needs, if any, and the token that goes with it."""

    write: Create | Commit | End | None = None
    token: Token | None = None


NOTHING = Plan()
NO_REPLY = Reply()


def plan_open(record: Record | None, token: Token, policy: Policy, now: int, client: Client) -> Opened:
    """What `token` opens at `now`. An unknown token is never adopted, and never ends anything."""
    if record is None:
        return _refused("unknown", token, now, client)
    shown, reason = token.hash, record.end_reason_at(now)
    what = rotation.which(record.secrets, shown, policy.rotate_grace, now)
    if what == "unknown":
        return _refused("wrong_secret", token, now, client)
    events: tuple[Event, ...] = ()
    if reason is None:
        if what != "reused":
            return Session(record, now, client, shown, True), None, ()
        reason = "token_reuse"
        events = (TokenReused(at=now, id=record.id, user_id=record.user_id),)
    dead = Session(record, now, client, shown, True, reason)
    return dead, None if record.ended_at is not None else End(record.id, reason, now), events


def _refused(cause: Literal["unknown", "wrong_secret"], token: Token, now: int, client: Client) -> Opened:
    event = UnknownToken(at=now, id=token.id, cause=cause)
    return Session(None, now, client, presented=True), None, (event,)


def nothing_due(session: Session, policy: Policy) -> bool:
    """Whether the session was only read, and neither its activity nor its secret needs a write: most requests."""
    live = session.live
    if session.touched or session.logged_out:
        return False
    if live is None:
        return True
    secrets, now = live.secrets, session.opened_at
    fresh = session.shown == secrets.current and now < secrets.rotated_at + policy.rotate_ms and secrets.rotated_at != 0
    return fresh and (session.passive or not _touch_is_due(live, policy, now))


def _touch_is_due(live: Record, policy: Policy, now: int) -> bool:
    unseen = now - live.seen_at
    # The session may have been given a shorter life than today's policy gives.
    return unseen >= policy.touch_ms or unseen >= live.idle_timeout // 2


def plan_commit(session: Session, policy: Policy, now: int, random: Random) -> Plan:
    """The write that this request's changes need: none where it changed nothing and nothing is due."""
    if nothing_due(session, policy):
        return NOTHING
    live, wish = session.live, session.wish
    if live is None or wish in ("login", "regenerate"):
        if wish or session.encoded():
            return _plan_create(session, policy, now, random)
        return Plan(End(session.leaving.id, "logout", now)) if session.leaving else NOTHING
    changes, increments = session.changes(), session.increments()
    secrets, token = _plan_rotation(session, live, policy, now, random)
    idle = session.passive or not _touch_is_due(live, policy, session.opened_at)
    if idle and secrets is None and not changes and not increments:
        return NOTHING
    write = Commit(
        id=live.id,
        now=now,
        changes=changes,
        increments=increments,
        seen_at=None if idle else session.opened_at,
        secrets=secrets,
        max_bytes=policy.max_bytes,
    )
    return Plan(write, token)


def _plan_rotation(
    session: Session, live: Record, policy: Policy, now: int, random: Random
) -> tuple[tuple[Secrets, Secrets] | None, Token | None]:
    shown, secrets = session.shown, live.secrets
    if shown == secrets.current:
        if not rotation.issue_is_due(secrets, policy, now):
            return None, None
        token = renew(live.id, random)
        return (secrets, rotation.issue(secrets, token.hash, now)), token
    if shown is not None and any(known.hash == shown for known in secrets.next):
        return (secrets, rotation.promote(secrets, shown, now)), None
    return None, None


def _plan_create(session: Session, policy: Policy, now: int, random: Random) -> Plan:
    login, live, leaving = session.pending_login, session.live, session.leaving
    data = session.encoded()
    if size(data) > policy.max_bytes:
        raise DataTooLarge(size(data), policy.max_bytes)
    ends = None
    if leaving is not None:
        ends = Ends(leaving.id, "logout", None)
    elif live is not None:
        carries = login is None or live.user_id in (None, login.user_id)
        ends = Ends(live.id, "replaced", live.version if carries else None)
    if login is None and live is not None:
        token = mint(live.user_id, random)
        record = replace(live, id=token.id, secrets=Secrets(token.hash, now), seen_at=now, data=data, version=1)
        return Plan(Create(record=record, now=now, ends=ends), token)
    lifetime = policy.lifetime(remember=login is not None and login.remember)
    user_id = login.user_id if login else None
    token = mint(user_id, random)
    record = Record(
        id=token.id,
        secrets=Secrets(token.hash, now),
        created_at=now,
        seen_at=now,
        idle_timeout=int(lifetime.idle_timeout * 1000),
        absolute_expires_at=now + int(lifetime.absolute_timeout * 1000),
        data=data,
        user_id=user_id,
        authenticated_at=now if login else None,
        remember=login is not None and login.remember,
        client=session.client,
        follows=None if login else session.end_reason,
    )
    limit = Limit(policy.max_sessions, policy.on_limit == "end_oldest") if login and policy.max_sessions else None
    return Plan(Create(record=record, now=now, ends=ends, limit=limit), token)


def settle(
    session: Session, plan: Plan, answer: Applied | Refused | Record | None, policy: Policy, now: int
) -> tuple[Reply, list[Event]] | None:
    """What the store's answer means: the reply and what to tell, or None where to plan again on newer data.

    Raises SessionEnded where changes came too late, SessionConflict where the policy forbids to choose.
    """
    write = plan.write
    if isinstance(answer, Refused):
        assert isinstance(write, (Create, Commit))
        return _settle_refused(session, write, answer.record, policy, now)
    if isinstance(write, Create):
        assert isinstance(answer, Applied)
        return _created(session, write, plan.token, answer, now)
    if isinstance(write, Commit):
        assert isinstance(answer, Applied)
        return _committed(session, write, plan.token, answer, now)
    left = session.leaving
    reply = Reply(clear=True) if session.logged_out and session.presented else NO_REPLY
    session.ended("logout" if left else session.end_reason)
    return reply, [_ended(left, "logout", now)] if left is not None and answer is not None else []


def _created(
    session: Session, write: Create, token: Token | None, answer: Applied, now: int
) -> tuple[Reply, list[Event]]:
    assert token is not None
    record, login, before = write.record, session.pending_login, session.leaving or session.live
    events: list[Event] = []
    if write.ends is not None and before is not None:
        events.append(_ended(before, write.ends.reason, now))
    for id in answer.ended:
        events.append(EndedEvent(at=now, id=id, user_id=record.user_id, reason="limit"))
    events.append(SessionCreated(at=now, id=record.id, user_id=record.user_id))
    if login is not None:
        replaced = write.ends.id if write.ends else None
        events.append(LoggedIn(at=now, id=record.id, user_id=record.user_id, replaced=replaced))
    session.became(record, record.secrets.current)
    return _reply(record, token, now), events


def _committed(
    session: Session, write: Commit, token: Token | None, answer: Applied, now: int
) -> tuple[Reply, list[Event]]:
    live = session.live
    assert live is not None
    events: list[Event] = []
    if session.merged:
        keys, conflicts = tuple(session.merged), session.conflicts
        events.append(Merged(at=now, id=live.id, user_id=live.user_id, keys=keys, conflicts=conflicts))
    if write.secrets is not None and token is None:
        events.append(Rotated(at=now, id=live.id, user_id=live.user_id))
    # If others wrote since the load, the old number stays: nothing may later be carried from the stale view.
    mine = live.version + bool(write.changes or write.increments)
    version = mine if answer.version == mine else live.version
    record = replace(
        live,
        version=version,
        seen_at=write.seen_at or live.seen_at,
        secrets=write.secrets[1] if write.secrets else live.secrets,
    )
    session.became(record, session.shown)
    return _reply(record, token, now), events


def _settle_refused(
    session: Session, write: Create | Commit, newer: Record | None, policy: Policy, now: int
) -> tuple[Reply, list[Event]] | None:
    reason = newer.end_reason_at(now) if newer else None
    if newer is not None and reason is None:
        session.reload(newer)
        if session.conflicts and policy.on_conflict == "raise":
            raise SessionConflict(session.conflicts)
        return None
    if isinstance(write, Create) and session.wish != "regenerate":
        session.left_behind(reason)
        return None
    came_late = isinstance(write, Create) or bool(write.changes or write.increments)
    session.ended(reason)
    if came_late:
        raise SessionEnded(reason)
    return NO_REPLY, []


def _reply(record: Record, token: Token | None, now: int) -> Reply:
    max_age = (record.absolute_expires_at - now) // 1000 if record.remember else None
    return Reply(token, max_age=max_age) if token else NO_REPLY


def _ended(record: Record, reason: EndReason, now: int) -> Event:
    return EndedEvent(at=now, id=record.id, user_id=record.user_id, reason=reason)
