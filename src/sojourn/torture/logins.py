"""Log-ins that meet: from one session, with a planted token, and under a cap."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from sojourn.core.errors import SessionLimitReached
from sojourn.core.events import Event, LoggedIn
from sojourn.core.policy import Policy
from sojourn.core.token import mint

from .instance import OWNER, Instance, Visitor
from .race_context import TRIES, RaceContext, revealed
from .result import Tally
from .slow_requests import finish, is_live, load

__all__ = ["cap", "double", "fates", "fixation"]

TABS = 4
CAP = 3


class LogIn(NamedTuple):
    """One that was acknowledged, and the session that it ended, if any."""

    token: str
    replaced: str | None


def double(context: RaceContext) -> Tally:
    """Four tabs log in from one session at once: one of the new sessions takes its place, and it is over."""
    tally = Tally()
    for done in range(context.rounds):
        context.progress(f"{done * TRIES:,} of {context.rounds * TRIES:,} sessions")
        visitors = context.begin_sessions([(f"tabs/{number}", None) for number in range(TRIES)])
        tabs = [(visitor, context.user(number), tab) for number, visitor in enumerate(visitors) for tab in range(TABS)]
        places = context.spread(len(tabs))
        context.each(places, load_tab, [(visitor, tab) for visitor, _, tab in tabs])
        made: list[LogIn] = context.each(places, log_in_tab, tabs)
        fresh = [Visitor(login.token, tab[0].owner, tab[1]) for login, tab in zip(made, tabs, strict=True)]
        lives = context.each(context.spread(len(fresh)), opens, [(visitor,) for visitor in fresh])
        old = context.each(context.spread(TRIES), is_live, [(visitor,) for visitor in visitors])
        for number, visitor in enumerate(visitors):
            mine = slice(number * TABS, (number + 1) * TABS)
            successors = sum(login.replaced == visitor.id for login in made[mine])
            tally.lost += successors != 1 or old[number] or not all(lives[mine])
        tally.tries += TRIES
    return tally


async def load_tab(instance: Instance, visitor: Visitor, tab: int) -> None:
    """One of the tabs sends its log-in."""
    instance.under_way[visitor.id, tab] = await instance.open(visitor)


async def log_in_tab(instance: Instance, visitor: Visitor, user: str, tab: int) -> LogIn:
    """Its password was right."""
    events: list[Event] = []
    session = instance.under_way.pop((visitor.id, tab))
    session.login(user)
    token = revealed((await instance.manager(on_event=events.append).commit(session)).token)
    replaced = [event.replaced for event in events if isinstance(event, LoggedIn)]
    return LogIn(token, replaced[0] if replaced else None)


async def opens(instance: Instance, visitor: Visitor) -> bool:
    """Whether the token opens a session of the visitor's user, with nothing in it that somebody else wrote."""
    session = await instance.open(visitor)
    return session.status == "active" and session.user_id == visitor.user and "late" not in session


def fixation(context: RaceContext) -> Tally:
    """A victim logs in with a planted token, which must gain nothing; a made-up token must be taken for none."""
    tally = Tally()
    for done in range(context.rounds):
        context.progress(f"{done * TRIES:,} of {context.rounds * TRIES:,} tokens")
        planted = context.begin_sessions([(f"planted/{number}", None) for number in range(TRIES)])
        places = context.spread(TRIES)
        context.each(places, load, [(visitor, "set") for visitor in planted])
        users = [context.user(number) for number in range(TRIES)]
        elsewhere = context.elsewhere(places)
        context.each(elsewhere, load_tab, [(visitor, 0) for visitor in planted])
        made = context.each(elsewhere, log_in_tab, [(one, user, 0) for one, user in zip(planted, users, strict=True)])
        victims = [Visitor(login.token, one.owner, user) for login, one, user in zip(made, planted, users, strict=True)]
        kept = context.each(places, finish, [(visitor, True) for visitor in planted])
        back = context.each(context.spread(TRIES), is_live, [(visitor,) for visitor in planted])
        well = context.each(context.spread(TRIES), opens, [(visitor,) for visitor in victims])
        adopted = context.each(context.spread(TRIES), show_made_up, [()] * TRIES)
        context.remember(id for id, _ in adopted)
        tally.tries += TRIES
        for kept_one, live, victim_is_well, (_, taken) in zip(kept, back, well, adopted, strict=True):
            tally.lost += kept_one or live or not victim_is_well or taken
    return tally


async def show_made_up(instance: Instance) -> tuple[str, bool]:
    """Show a token that no store gave out. The id of the session that is begun, and whether the token's was taken."""
    made_up = mint(None, os.urandom)
    manager = instance.manager()
    session = await manager.open(made_up.reveal())
    adopted = session.status == "active"
    session[OWNER] = "made-up"
    token = (await manager.commit(session)).token
    return (token.id if token else made_up.id), adopted or token is None or token.id == made_up.id


async def log_in(instance: Instance, user: str, number: int, policy: Policy) -> LogIn | None:
    """Log in from a new browser. None if the policy's cap refused it."""
    manager = instance.manager(policy)
    session = manager.anonymous()
    session[OWNER] = f"racing/{number}"
    session.login(user)
    try:
        token = revealed((await manager.commit(session)).token)
    except SessionLimitReached:
        return None
    return LogIn(token, None)


async def fates(instance: Instance, ids: Sequence[str], user: str, realm: str = "") -> tuple[list[str], list[str]]:
    """What became of each session: "live", why it ended, or "gone"; and the ids that the user's list has."""
    await instance.pause(instance.staleness)
    manager = instance.manager(realm=realm)
    infos = [await manager.get(id) for id in ids]
    listed = [info.id for info in await manager.list(user, limit=10_000)]
    return [(info.end_reason or "live") if info else "gone" for info in infos], listed


def cap(context: RaceContext) -> Tally:
    """Fifty log-ins of one user at once, where three sessions are allowed: the oldest end, or it is refused."""
    tally = Tally()
    for done in range(context.rounds):
        context.progress(f"{done * TRIES:,} of {context.rounds * TRIES:,} log-ins")
        policy = Policy(max_sessions=CAP, on_limit="refuse" if done % 2 else "end_oldest")
        user = context.user(done)
        made = context.each(context.spread(TRIES), log_in, [(user, number, policy) for number in range(TRIES)])
        ids = [Visitor(login.token, "", user).id for login in made if login]
        ((fate, listed),) = context.each(context.spread(1), fates, [(ids, user)])
        live = {id for id, how in zip(ids, fate, strict=True) if how == "live"}
        wrongly = [how for how in fate if how not in ("live", "limit")]
        tally.tries += TRIES
        tally.lost += abs(len(live) - CAP) + len(live ^ set(listed)) + len(wrongly)
    return tally
