"""Slow requests: each opens a session, the session ends elsewhere, and then it commits. It must bring nothing back."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from sojourn.core.errors import SessionEnded
from sojourn.core.session import Session
from sojourn.manager import AsyncSessionManager

from .course import TRIES, Course, revealed
from .instance import DUE, Instance, Visitor
from .result import Tally

__all__ = ["end", "is_live", "reader", "regenerate", "rotation", "writer"]

DATA = {"list": [], "count": 1}


def reader(course: Course) -> Tally:
    """A request that only reads, but is due to touch the session and to renew its secret, ends after the session."""
    return _slow(course, ("read",))


def writer(course: Course) -> Tally:
    """A request that sets a key, appends to a list or increments a counter ends after the session."""
    return _slow(course, ("set", "append", "increment"))


def rotation(course: Course) -> Tally:
    """A request that shows a renewed secret for the first time, which retires the old one, ends after the session."""
    return _slow(course, ("read",), renew=True)


def regenerate(course: Course) -> Tally:
    """A request that asks for a new id and token ends after the session."""
    return _slow(course, ("regenerate",))


def _slow(course: Course, works: tuple[str, ...], *, renew: bool = False) -> Tally:
    tally = Tally()
    for done in range(course.rounds):
        course.progress(f"{done * TRIES:,} of {course.rounds * TRIES:,} sessions")
        visitors = course.log_in(TRIES, DATA)
        places = course.spread(TRIES)
        if renew:
            tokens = course.each(places, show_once, [(visitor,) for visitor in visitors])
            visitors = [visitor._replace(token=token) for visitor, token in zip(visitors, tokens, strict=True)]
        todo = [(visitor, course.random.choice(works)) for visitor in visitors]
        course.each(places, load, todo)
        hows = [(visitor, course.random.choice([*ENDS])) for visitor in visitors]
        course.each(course.elsewhere(places), end, hows)
        # Whoever changed something must be told that it was not kept.
        kept = course.each(places, finish, [(visitor, work != "read") for visitor, work in todo])
        back = course.each(course.spread(TRIES), is_live, [(visitor,) for visitor in visitors])
        tally.tries += TRIES
        tally.lost += sum(map(max, kept, back))
    return tally


async def show_once(instance: Instance, visitor: Visitor) -> str:
    """The next token, as the answer to a request that was due for it."""
    manager = instance.manager(DUE)
    return revealed((await manager.commit(await instance.open(visitor, manager))).token)


async def load(instance: Instance, visitor: Visitor, work: str) -> None:
    """A slow request begins, and does its work."""
    session = await instance.open(visitor, instance.manager(DUE))
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
    """It commits, too late. Whether it was told that its change was kept, or was given a token."""
    try:
        reply = await instance.manager(DUE).commit(instance.under_way.pop(visitor.id))
    except SessionEnded:
        return False
    return changed or reply.token is not None


async def is_live(instance: Instance, visitor: Visitor) -> bool:
    """Whether the token opens a session still."""

    async def look() -> bool:
        return (await instance.open(visitor)).status == "active"

    return await instance.settled(look, lambda live: not live)


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
