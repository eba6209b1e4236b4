"""Slow requests: each opens a session, the session ends elsewhere, and then it commits. It must bring nothing back."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from sojourn.core.errors import SessionEnded
from sojourn.core.session import Session
from sojourn.manager import AsyncSessionManager

from .instance import DUE_POLICY, Instance, Visitor
from .race_context import TRIES, RaceContext, revealed
from .result import Tally

__all__ = ["end", "is_live", "reader", "regenerate", "rotation", "writer"]

DATA = {"list": [], "count": 1}


def reader(context: RaceContext) -> Tally:
    """A request that only reads, but is due to touch the session and to renew its secret, ends after the session."""
    return _slow(context, ("read",))


def writer(context: RaceContext) -> Tally:
    """A request that sets a key, appends to a list or increments a counter ends after the session."""
    return _slow(context, ("set", "append", "increment"))


def rotation(context: RaceContext) -> Tally:
    """A request that shows a renewed secret for the first time, which retires the old one, ends after the session."""
    return _slow(context, ("read",), renew=True)


def regenerate(context: RaceContext) -> Tally:
    """A request that asks for a new id and token ends after the session."""
    return _slow(context, ("regenerate",))


def _slow(context: RaceContext, works: tuple[str, ...], *, renew: bool = False) -> Tally:
    tally = Tally()
    for done in range(context.rounds):
        context.progress(f"{done * TRIES:,} of {context.rounds * TRIES:,} sessions")
        visitors = context.log_in(TRIES, DATA)
        places = context.spread(TRIES)
        if renew:
            tokens = context.each(places, show_once, [(visitor,) for visitor in visitors])
            visitors = [visitor._replace(token=token) for visitor, token in zip(visitors, tokens, strict=True)]
        todo = [(visitor, context.random.choice(works)) for visitor in visitors]
        context.each(places, load, todo)
        hows = [(visitor, context.random.choice([*ENDS])) for visitor in visitors]
        context.each(context.elsewhere(places), end, hows)
        # Whoever changed something must be told that it was not kept.
        kept = context.each(places, finish, [(visitor, work != "read") for visitor, work in todo])
        back = context.each(context.spread(TRIES), is_live, [(visitor,) for visitor in visitors])
        tally.tries += TRIES
        tally.lost += sum(map(max, kept, back))
    return tally


async def show_once(instance: Instance, visitor: Visitor) -> str:
    """The next token, as the answer to a request that was due for it."""
    manager = instance.manager(DUE_POLICY)
    return revealed((await manager.commit(await instance.open(visitor, manager))).token)


async def load(instance: Instance, visitor: Visitor, work: str) -> None:
    """A slow request begins, and does its work."""
    session = await instance.open(visitor, instance.manager(DUE_POLICY))
    if work == "set":
        session["late"] = True
    elif work == "append":
        session.setdefault("list", []).append("late")
    elif work == "increment":
        session.increment("count")
    elif work == "regenerate":
        session.regenerate()
    instance.under_way[visitor.id] = session


async def finish(instance: Instance, visitor: Visitor, changed: bool) -> bool:
    """It commits, too late. Whether the answer was that its change is kept, or held a token."""
    try:
        reply = await instance.manager(DUE_POLICY).commit(instance.under_way.pop(visitor.id))
    except SessionEnded:
        return False
    return changed or reply.token is not None


async def is_live(instance: Instance, visitor: Visitor) -> bool:
    """Whether the token opens a session still."""

    async def look() -> bool:
        return (await instance.open(visitor)).status == "active"

    return await instance.eventually(look, lambda live: not live)


# How a session ends


async def end(instance: Instance, visitor: Visitor, how: str) -> None:
    """End the visitor's session, in one of the ways of ENDS."""
    manager = instance.manager()
    await ENDS[how](manager, await instance.open(visitor, manager), visitor)


async def _log_out(manager: AsyncSessionManager, session: Session, visitor: Visitor) -> None:
    session.logout()
    await manager.commit(session)


async def _revoke(manager: AsyncSessionManager, session: Session, visitor: Visitor) -> None:
    await manager.revoke(visitor.id)


async def _revoke_all(manager: AsyncSessionManager, session: Session, visitor: Visitor) -> None:
    await manager.revoke_all(visitor.user or "")


async def _log_in_again(manager: AsyncSessionManager, session: Session, visitor: Visitor) -> None:
    session.login(visitor.user or "")
    await manager.commit(session)


ENDS: dict[str, Callable[[AsyncSessionManager, Session, Visitor], Coroutine[Any, Any, None]]] = {
    "logout": _log_out,
    "revoke": _revoke,
    "revoke all": _revoke_all,
    "log-in again": _log_in_again,
}
