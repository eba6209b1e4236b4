"""What to do with a session, decided purely: no I/O, and `now` and randomness are arguments.

plan_open says what a token opens, plan_commit what to write for what a request did; outcome.py what the store's answer
to that means. A manager carries between them and a store.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple

from msgspec.structs import replace

from . import rotation
from .codec import size
from .errors import DataTooLarge, ProofRefused
from .events import Event, RotationStalled, TokenReused, UnknownToken, UnprovedToken
from .policy import Policy
from .record import RENEWAL_KEY, Client, Record, Secrets
from .session import Session
from .store import Commit, Create, End, Ends, Limit
from .token import Random, Token, mint

if TYPE_CHECKING:
    from .proved import Judged

__all__ = [
    "NO_REPLY",
    "REST_MS",
    "Opened",
    "Plan",
    "Reply",
    "Rest",
    "is_upkeep",
    "nothing_due",
    "plan_commit",
    "plan_open",
    "touch_is_due",
]

# How long no upkeep is tried after one was refused: who asks for a page must not wait for each refusal.
REST_MS = 5000
MAX_LABEL = 100
DeviceLabel = Callable[[str], str]
"""Makes a label for a person of a User-Agent header; "" where it tells nothing."""

# A session, the end to be written down first if there is one, and what to tell. A plain tuple: each request makes one.
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


def plan_open(
    record: Record | None,
    token: Token,
    policy: Policy,
    now: int,
    client: Client,
    realm: str = "",
    proved: Judged | None = None,
    unlocked: bool = False,
) -> Opened:
    """What `token` opens at `now` in this realm. An unknown token is never adopted, and never ends anything.

    Raises ProofRefused for a session bound to a key that is neither `proved` nor `unlocked`: so nothing ends it either.
    """
    if record is None or record.realm != realm:
        return _refused("unknown", token, now, client)
    reason, what = record.end_reason_at(now), rotation.which(record.secrets, token, policy, now)
    if what == "unknown":
        return _refused("wrong_secret", token, now, client)
    events: tuple[Event, ...] = ()
    # Record.bound, written out: each request passes here. A proof for a new session is none for this one.
    is_bound = record.key_thumbprint is not None or record.secrets.key
    if is_bound and not unlocked and reason is None:
        if proved is None or not proved.at_once:
            raise ProofRefused("proof-required")
        if record.secrets.key.startswith(RENEWAL_KEY):
            from .renewal_key import open_kept  # here: most applications bind no session

            return open_kept(record, token, proved, what, now, client)
    if reason is None and proved is not None and proved.is_forged:
        reason = "token_reuse"
        events = (UnprovedToken(at=now, id=record.id, user_id=record.user_id, flaw="proof-signature"),)
    elif reason is None:
        if what not in ("reused", "stalled"):
            return Session(record, now, client, token, True), None, ()
        reason = "token_reuse"
        events = ((TokenReused if what == "reused" else RotationStalled)(at=now, id=record.id, user_id=record.user_id),)
    dead = Session(record, now, client, token, True, reason)
    return dead, None if record.ended_at is not None else End(record.id, reason, now, realm), events


def _refused(cause: Literal["unknown", "wrong_secret"], token: Token, now: int, client: Client) -> Opened:
    event = UnknownToken(at=now, id=token.id, cause=cause)
    return Session(None, now, client, presented=True), None, (event,)


def nothing_due(session: Session, policy: Policy) -> bool:
    """Whether the session was only read, and neither its activity nor its secret needs a write: most requests."""
    # Written out, not by the properties that say the same: each request passes here.
    if session._values or session._login or session._regenerate or session._start or session._logged_out:
        return False
    if session._told is not None and session._told.key:
        return False
    live, token, now = session._record, session._token, session.opened_at
    if live is None or session._end_reason:
        return True
    secrets, unseen = live.secrets, now - live.seen_at
    if token is None or token.hash != secrets.current:
        return False
    if now >= secrets.rotated_at + policy.rotate_ms or not secrets.rotated_at:
        return False
    # It may have a shorter life than today's policy gives. Seen in the future, by a clock ahead: who comes mends it.
    return unseen >= 0 and (session.passive or (unseen < policy.touch_ms and unseen < live.idle_timeout // 2))


def touch_is_due(live: Record, policy: Policy, now: int, passive: bool) -> bool:
    """Whether activity at `now`, in Unix milliseconds, is to be written down."""
    unseen = now - live.seen_at
    return unseen < 0 or (not passive and (unseen >= policy.touch_ms or unseen >= live.idle_timeout // 2))


def plan_commit(
    session: Session, policy: Policy, now: int, random: Random, realm: str = "", label: DeviceLabel | None = None
) -> Plan:
    """The write that this request's changes need: none where it changed nothing and nothing is due.

    A session that begins is of this realm, and has the label that is made of its user agent.
    """
    if nothing_due(session, policy):
        return NOTHING
    live, wish = session._live, session._wish
    if live is None or wish in ("login", "regenerate"):
        if wish or session._encoded():
            return _plan_create(session, policy, now, random, realm, label)
        # One that is over ends once more: that may not be on every replica yet, and a log-out answers for it.
        left = session._leaving.id if session._leaving else session._ended_id
        return Plan(End(left, "logout", now, realm)) if left else NOTHING
    changes, increments = session._changes(), session._increments()
    secrets, token = _plan_rotation(session, live, policy, now, random)
    if session._told is not None and session._told.key not in ("", live.secrets.key):
        secrets = _registered(secrets or (live.secrets, live.secrets), session._told.key)
    idle = not touch_is_due(live, policy, session.opened_at, session.passive)
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
    token, secrets = session._token, live.secrets
    if token is None:
        return None, None
    if token.hash == secrets.current:
        is_due = rotation.issue_is_due(secrets, policy, now) or rotation.proof_is_owed(secrets, policy, now)
        if not session._renews or not is_due:
            return None, None
        fresh = token.renewed(random)
        return (secrets, rotation.issue(secrets, fresh.hash, now)), fresh
    if any(known.hash == token.hash for known in (*secrets.next, *secrets.late)):
        return (secrets, rotation.promote(secrets, token.hash, policy, now)), None
    return None, None


def _registered(secrets: tuple[Secrets, Secrets], key: str) -> tuple[Secrets, Secrets]:
    """The same, with the key that the browser registers. Raises ProofRefused where there is one: it stays."""
    loaded, renewed = secrets
    if loaded.key and not loaded.key.startswith(RENEWAL_KEY):
        raise ProofRefused("proof-other-key", device="")
    return loaded, replace(renewed, key=key)


def _plan_create(
    session: Session, policy: Policy, now: int, random: Random, realm: str, label: DeviceLabel | None
) -> Plan:
    login, live, leaving = session._login, session._live, session._leaving
    if policy.binding == "require" and session._proved is None and not session._offers:
        raise ProofRefused("proof-required")
    data = session._encoded()
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
        # A key that its renewal takes is not proved by that.
        rotated_at = now if live.renewal_key is None else rotation.proved_at(live.secrets)
        secrets = Secrets(token.family, token.hash, rotated_at, key=live.secrets.key)
        record = replace(live, id=token.id, secrets=secrets, seen_at=now, data=data, version=1)
        return Plan(Create(record=record, now=now, began_at=session.opened_at, ends=ends), token)
    record, token = _begun(session, policy, now, random, realm, label, data)
    limit = Limit(policy.max_sessions, policy.on_limit == "end_oldest") if login and policy.max_sessions else None
    return Plan(Create(record=record, now=now, began_at=session.opened_at, ends=ends, limit=limit), token)


def _begun(
    session: Session,
    policy: Policy,
    now: int,
    random: Random,
    realm: str,
    label: DeviceLabel | None,
    data: Mapping[str, bytes],
) -> tuple[Record, Token]:
    login, proved = session._login, session._proved
    lifetime = policy.lifetime(remember=login is not None and login.remember)
    user_id = login.user_id if login else None
    token = mint(user_id, random)
    script = None if proved is None or proved.in_cookie else proved
    kept = proved if script is None and login and policy.rotate_interval is not None else None
    bound = script or kept
    nonce_key = bound.nonce_key if bound else random(16).hex() if login and session._offers else ""
    record = Record(
        id=token.id,
        secrets=Secrets(token.family, token.hash, now, key=f"{RENEWAL_KEY}{kept.thumbprint}" if kept else ""),
        created_at=now,
        seen_at=now,
        idle_timeout=int(lifetime.idle_timeout * 1000),
        absolute_expires_at=now + int(lifetime.absolute_timeout * 1000),
        data=data,
        user_id=user_id,
        authenticated_at=now if login else None,
        level=login.level if login else None,
        methods=login.methods if login else (),
        remember=login is not None and login.remember,
        client=session.client.kept(policy.keep_client),
        follows=None if login else session.end_reason,
        realm=realm,
        device=label(session.client.user_agent)[:MAX_LABEL] if label and session.client.user_agent else "",
        key_thumbprint=script.thumbprint if script else None,
        nonce_key=nonce_key,
    )
    return record, token


def is_upkeep(write: Create | Commit | End | None) -> bool:
    """Whether nothing is lost where `write` is not made: activity, a renewed secret, the note that a session ran out.

    A session is judged by its times at every open, so that it is over whether that is noted or not.
    """
    match write:
        case Commit():
            is_registration = write.secrets is not None and write.secrets[0].key != write.secrets[1].key
            return not write.changes and not write.increments and not is_registration
        case End():
            return write.reason in ("idle_timeout", "absolute_timeout")
    return False


class Rest:
    """Since a store refused a write, and for REST_MS, upkeep is not tried."""

    __slots__ = ("until",)

    def __init__(self) -> None:
        # 0 as long as nothing was refused: most requests need not ask.
        self.until = 0

    def begin(self, now: int) -> None:
        """A write was refused at `now`, in Unix milliseconds."""
        self.until = now + REST_MS

    def holds(self, write: Create | Commit | End | None, now: int) -> bool:
        """Whether `write` is upkeep, and is not to be tried at `now`. A clock that was put back ends it."""
        return 0 < self.until - now <= REST_MS and is_upkeep(write)
