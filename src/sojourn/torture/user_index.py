"""The index: a user's list must be the user's live sessions, whatever was done to them, by whom, at once."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, NamedTuple

from sojourn.core.errors import SessionEnded
from sojourn.core.policy import Policy

from .instance import OWNER, Instance, Visitor
from .race_context import RaceContext
from .result import Tally
from .worker_pool import WorkerCall

__all__ = ["index"]

Kind = Literal["log in", "write", "read", "log out", "revoke", "regenerate", "log in again", "revoke all"]

OPERATIONS = 1000  # in each round
AT_ONCE = 40
CHECK_EVERY = 10
USERS = 5
# More often made than ended, as time ends some too.
KINDS: Sequence[Kind] = ("log in", "write", "read", "log out", "revoke", "regenerate", "log in again", "revoke all")
WEIGHTS = (30, 18, 10, 12, 8, 12, 7, 0.5)
IDLE, ABSOLUTE = 60, 200
# Without a cap: nothing ends but what was asked for, or by time.
POLICY = Policy(idle_timeout=IDLE, absolute_timeout=ABSOLUTE, touch_interval=1, max_sessions=None)
LONGEST_STEP = 3000


@dataclass
class KnownSession:
    """What is certain of one session. `ending` is set once anything was asked that may end it.

    `born_at` is when the first of those was made that it was regenerated from: its absolute timeout counts from there.
    """

    visitor: Visitor
    born_at: int
    made_at: int
    asked_at: int
    ending: bool = False
    over: bool = False


def index(context: RaceContext) -> Tally:
    """Log-ins, writes, log-outs, revocations, renewals and time-outs of five users, at random, in all processes."""
    return _RandomWalk(context).run()


class _RandomWalk:
    def __init__(self, context: RaceContext) -> None:
        self._context = context
        self._chance = context.random
        self._users = [context.user(number) for number in range(USERS)]
        self._known: dict[str, list[KnownSession]] = {user: [] for user in self._users}
        self._steps = context.rounds * OPERATIONS // AT_ONCE
        # It plays in the past, so that no row is dated in the future when it is over.
        self._now = int(time.time() * 1000) - self._steps * LONGEST_STEP
        self._tally = Tally()

    def run(self) -> Tally:
        """The whole of it."""
        for step in range(1, self._steps + 1):
            self._context.progress(f"{step * AT_ONCE:,} of {self._steps * AT_ONCE:,} operations")
            self._now += self._chance.randrange(LONGEST_STEP)
            self._operate()
            if step % CHECK_EVERY == 0 or step == self._steps:
                self._check()
        return self._tally

    def _operate(self) -> None:
        todo: list[tuple[Kind, str, KnownSession | None]] = []
        for kind in self._chance.choices(KINDS, WEIGHTS, k=AT_ONCE):
            user = self._chance.choice(self._users)
            open_ones = [known for known in self._known[user] if not known.over]
            session = self._chance.choice(open_ones) if open_ones and kind not in ("log in", "revoke all") else None
            todo.append((kind if session or kind == "revoke all" else "log in", user, session))
        self._note_asked(todo)
        calls = [
            WorkerCall(where, operate, (kind, user, session.visitor if session else None, self._now))
            for where, (kind, user, session) in zip(self._context.spread(AT_ONCE), todo, strict=True)
        ]
        revoked = {user for kind, user, _ in todo if kind == "revoke all"}
        for (kind, user, session), made in zip(todo, self._context.pool.at_once(calls), strict=True):
            self._note_done(kind, user, session, made, revoked)
        self._tally.tries += AT_ONCE

    def _note_asked(self, todo: Sequence[tuple[Kind, str, KnownSession | None]]) -> None:
        for kind, user, session in todo:
            if kind == "revoke all":
                for known in self._known[user]:
                    known.ending = True
            elif session is not None:
                session.asked_at = self._now
                session.ending = session.ending or kind not in ("read", "write")

    def _note_done(
        self, kind: Kind, user: str, session: KnownSession | None, made: Visitor | None, revoked: Collection[str]
    ) -> None:
        if made is not None:
            born_at = session.born_at if session and kind == "regenerate" else self._now
            self._known[user].append(KnownSession(made, born_at, self._now, self._now, ending=user in revoked))
        if session is not None and (kind in ("log out", "revoke") or made is not None):
            session.over = True

    def _check(self) -> None:
        """Compare each user's list with what the sessions themselves say, and both with what is certain."""
        for user in self._users:
            known = [one for one in self._known[user] if not one.over]
            places, ids = self._context.spread(1), [one.visitor.id for one in known]
            ((live, listed),) = self._context.each(places, look, [(user, ids, self._now)])
            wrong = set(listed) ^ set(live)
            for one in known:
                is_live = one.visitor.id in live
                if self._ran_out(one):
                    one.over = True
                    wrong |= {one.visitor.id} if is_live else set()
                elif not is_live and not self._may_be_over(one):
                    wrong.add(one.visitor.id)
            self._tally.lost += len(wrong)
            self._known[user] = [one for one in known if not one.over and one.visitor.id in live]

    def _ran_out(self, one: KnownSession) -> bool:
        return self._now >= one.asked_at + IDLE * 1000 or self._now >= one.born_at + ABSOLUTE * 1000

    def _may_be_over(self, one: KnownSession) -> bool:
        return one.ending or self._now >= one.made_at + IDLE * 1000


async def operate(instance: Instance, kind: Kind, user: str, visitor: Visitor | None, now: int) -> Visitor | None:
    """Do one thing to a user's sessions, at the moment `now`. The new session, if it made one."""
    manager = instance.manager(POLICY, now=now)
    if kind == "revoke all":
        await manager.revoke_all(user)
        return None
    if visitor is None:
        session = manager.anonymous()
        session[OWNER] = user
        session.login(user)
    else:
        if kind == "revoke":
            await manager.revoke(visitor.id)
            return None
        session = await instance.open(visitor, manager)
        if session.status != "active":
            return None
        if kind == "write":
            session.increment("count")
        elif kind == "log out":
            session.logout()
        elif kind == "regenerate":
            session.regenerate()
        elif kind == "log in again":
            session.login(user)
    with suppress(SessionEnded):
        reply = await manager.commit(session)
        if reply.token is not None and reply.token.id != (visitor.id if visitor else None):
            return Visitor(reply.token.reveal(), user, user)
    return None


class IndexView(NamedTuple):
    """The ids of the sessions that are live by their own records, and those that the user's list has."""

    live: list[str]
    listed: list[str]


async def look(instance: Instance, user: str, ids: Sequence[str], now: int) -> IndexView:
    """What the store says of a user's sessions, at the moment `now`."""
    manager = instance.manager(POLICY, now=now)

    async def both() -> IndexView:
        infos = [await manager.get(id) for id in ids]
        listed: set[str] = set()
        # A store may be wrong in any way, and give the same page again.
        while page := {info.id for info in await manager.list(user, after=max(listed, default=""))} - listed:
            listed |= page
        return IndexView([info.id for info in infos if info and info.end_reason is None], sorted(listed))

    return await instance.eventually(both, lambda seen: set(seen.live) == set(seen.listed))
