"""Parallel requests of one session: fifty have loaded it before the first writes, and each change must be there."""

from __future__ import annotations

from sojourn.core.session import Session

from .instance import Instance, Visitor
from .race_context import TRIES, RaceContext
from .result import Tally

__all__ = ["appends", "increments", "keys"]


def keys(context: RaceContext) -> Tally:
    """Fifty requests have loaded one session, then each sets a key of its own."""
    return _all_at_once(context, "key")


def appends(context: RaceContext) -> Tally:
    """Fifty requests have loaded one session, then each appends to the same list."""
    return _all_at_once(context, "append")


def increments(context: RaceContext) -> Tally:
    """Fifty requests have loaded one session, then each increments the same counter."""
    return _all_at_once(context, "increment")


def _all_at_once(context: RaceContext, how: str) -> Tally:
    tally = Tally()
    for done in range(context.rounds):
        context.progress(f"{done * TRIES:,} of {context.rounds * TRIES:,} requests")
        (visitor,) = context.begin_sessions([(f"parallel-{done}", None)], {"list": [], "count": 0})
        places = context.spread(TRIES)
        context.each(places, load, [(number, visitor) for number in range(TRIES)])
        context.each(places, change, [(number, how) for number in range(TRIES)])
        (kept,) = context.each(context.spread(1), count, [(visitor, how)])
        tally.tries += TRIES
        tally.lost += TRIES - kept
    return tally


async def load(instance: Instance, number: int, visitor: Visitor) -> None:
    """A request begins."""
    instance.under_way[number] = await instance.open(visitor)


async def change(instance: Instance, number: int, how: str) -> None:
    """It changes what it had loaded, and ends."""
    session = instance.under_way.pop(number)
    if how == "key":
        session[f"key{number}"] = number
    elif how == "append":
        session.setdefault("list", []).append(number)
    else:
        session.increment("count")
    await instance.manager().commit(session)


async def count(instance: Instance, visitor: Visitor, how: str) -> int:
    """How many of the changes are there."""

    async def look() -> int:
        return _found(await instance.open(visitor), how)

    return await instance.eventually(look, lambda found: found == TRIES)


def _found(session: Session, how: str) -> int:
    if how == "increment":
        # One that was counted twice makes no good of one that was lost.
        return TRIES - abs(TRIES - int(session.get("count", 0)))
    if how == "append":
        return len(set(session.get("list", [])) & set(range(TRIES)))
    return sum(session.get(f"key{number}") == number for number in range(TRIES))
