"""Revocations that meet: all sessions of a user, or of a realm, while log-ins and adoptions are under way."""

from __future__ import annotations

import os
from typing import NamedTuple

from sojourn.adopt.layer import Old
from sojourn.adopt.plan import OldCookie, plan
from sojourn.core.errors import SessionEnded
from sojourn.core.policy import Policy
from sojourn.core.record import Client
from sojourn.manager import milliseconds

from .instance import OWNER, Instance, Visitor
from .logins import fates
from .race_context import RaceContext, revealed
from .result import Tally
from .worker import Work
from .worker_pool import WorkerCall

__all__ = ["bar", "revoke_all"]

BEFORE, LOG_INS, ADOPTIONS = 20, 80, 20
# The call comes within so many seconds after the first of the log-ins.
REVOKE_WITHIN = 0.03
# So that a realm can be barred while others use the store.
REALM = "sojourn-torture"
LOGGED_IN_AGO = 60_000
NO_CAP = Policy(max_sessions=None)


class Begun(NamedTuple):
    """A session that began at `began_at`, Unix milliseconds; without an id where it was refused as revoked."""

    id: str | None
    began_at: int


def revoke_all(context: RaceContext) -> Tally:
    """All of a user's sessions are revoked while log-ins of theirs, and adoptions of old sessions, are under way."""
    return _revoke(context, "", end_all)


def bar(context: RaceContext) -> Tally:
    """The same for all of a realm: it is barred, and what is there then is ended."""
    return _revoke(context, REALM, bar_and_end)


def _revoke(context: RaceContext, realm: str, revoke: Work) -> Tally:
    tally = Tally()
    each_round = BEFORE + LOG_INS + ADOPTIONS
    for done in range(context.rounds):
        context.progress(f"{done * each_round:,} of {context.rounds * each_round:,} log-ins and adoptions")
        user = context.user(done, realm)
        before = context.in_batches(log_in, [(user, realm)] * BEFORE)
        works: list[Work] = [log_in] * LOG_INS + [adopt] * ADOPTIONS
        context.random.shuffle(works)
        places = context.spread(len(works))
        calls = [WorkerCall(where, work, (user, realm)) for where, work in zip(places, works, strict=True)]
        revocation = WorkerCall(places[0], revoke, (user, realm, context.random.random() * REVOKE_WITHIN))
        calls.insert(context.random.randrange(len(calls)), revocation)
        answers = context.pool.at_once(calls)
        (at,) = [answer for answer in answers if isinstance(answer, int)]
        begun: list[Begun] = [*before, *[answer for answer in answers if not isinstance(answer, int)]]
        ids = [one.id for one in begun if one.id is not None]
        ((fate, listed),) = context.each(context.spread(1), fates, [(ids, user, realm)])
        how = dict(zip(ids, fate, strict=True))
        tally.tries += each_round
        tally.lost += sum(_is_wrong(one, at, how.get(one.id or ""), listed) for one in begun)
    return tally


def _is_wrong(one: Begun, at: int, how: str | None, listed: list[str]) -> bool:
    """Whether it is live though it began before, over though it began after, or in the list and not live."""
    if how is None:
        return one.began_at >= at
    return (
        how not in ("revoked", "live") or (one.began_at < at and how == "live") or (how == "live") != (one.id in listed)
    )


async def end_all(instance: Instance, user: str, realm: str, pause: float) -> int:
    """Revoke all of the user's sessions, after a pause. The instant of it, in Unix milliseconds."""
    await instance.pause(pause)
    now = milliseconds()
    await instance.manager(now=now, realm=realm).revoke_all(user)
    return now


async def bar_and_end(instance: Instance, user: str, realm: str, pause: float) -> int:
    """What SessionManager.revoke_everything does, with the user's list for the whole store."""
    await instance.pause(pause)
    now = milliseconds()
    await instance.bar(now, realm)
    manager = instance.manager(realm=realm)
    for info in await manager.list(user, limit=10_000):
        await manager.revoke(info.id)
    return now


async def log_in(instance: Instance, user: str, realm: str) -> Begun:
    """Log in from a new browser."""
    manager = instance.manager(NO_CAP, realm=realm)
    session = manager.anonymous()
    session[OWNER] = user
    session.login(user)
    await instance.pause(0)
    try:
        token = revealed((await manager.commit(session)).token)
    except SessionEnded:
        return Begun(None, session.opened_at)
    return Begun(Visitor(token, "", user).id, session.opened_at)


async def adopt(instance: Instance, user: str, realm: str) -> Begun:
    """Come with the cookie of another layer, whose session began before all of this."""
    manager, now = instance.manager(realm=realm), milliseconds()
    began_at = now - LOGGED_IN_AGO
    cookie = OldCookie(realm, "torture", os.urandom(16).hex())
    old = Old({OWNER: user}, user, authenticated_at=began_at)
    planned = plan(
        cookie,
        old,
        NO_CAP,
        remember=False,
        until=now,
        now=now,
        client=Client(),
        random=os.urandom,
    )
    if planned is None:
        raise AssertionError("There is something in it to be adopted.")
    try:
        await manager.adopt(planned.ours, planned.mark)
    except SessionEnded:
        return Begun(None, began_at)
    return Begun(planned.token.id, began_at)
