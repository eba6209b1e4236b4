"""Log-outs that meet other requests at the same instant: writers that commit, and readers that fill a cache."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress

from sojourn.core.errors import SessionEnded

from .instance import DUE_POLICY, Instance, Visitor
from .race_context import TRIES, RaceContext
from .result import Tally
from .slow_requests import is_live
from .worker_pool import WorkerCall

__all__ = ["instant", "window"]

WRITERS = 3
# How long the readers of a round read, beyond what the cache promises; the log-outs come in its first part.
WINDOW = 0.25
LOGOUTS_WITHIN = 0.1


def instant(context: RaceContext) -> Tally:
    """Three writers and a log-out of one session commit at the same moment."""
    tally = Tally()
    for done in range(context.rounds):
        context.progress(f"{done * TRIES:,} of {context.rounds * TRIES:,} sessions")
        visitors = context.log_in(TRIES, {"list": [], "count": 1})
        # In each process the requests of one session lie apart, so that now the one comes first, now the other.
        requests = [(visitor, number) for visitor in visitors for number in range(WRITERS + 1)]
        context.random.shuffle(requests)
        places = context.spread(len(requests))
        context.each(places, load, requests)
        context.each(places, finish, requests)
        tally.tries += TRIES
        tally.lost += sum(context.each(context.spread(TRIES), is_live, [(visitor,) for visitor in visitors]))
    return tally


async def load(instance: Instance, visitor: Visitor, number: int) -> None:
    """A request begins: the first logs out, the others write."""
    session = await instance.open(visitor, instance.manager(DUE_POLICY))
    if number == 0:
        session.logout()
    else:
        session[f"late{number}"] = number
    instance.under_way[visitor.id, number] = session


async def finish(instance: Instance, visitor: Visitor, number: int) -> None:
    """It commits. A writer is kept if it came before the log-out, else refused."""
    with suppress(SessionEnded):
        await instance.manager(DUE_POLICY).commit(instance.under_way.pop((visitor.id, number)))


async def log_out(instance: Instance, visitor: Visitor, pause: float) -> float:
    """Log out, after a pause. When that was acknowledged, in seconds of time.monotonic()."""
    manager = instance.manager()
    session = await instance.open(visitor, manager)
    await instance.pause(pause)
    session.logout()
    await manager.commit(session)
    return time.monotonic()


def window(context: RaceContext) -> Tally:
    """Every process opens the session again and again while it is logged out, so that a cache is filled then."""
    tally, latest = Tally(), 0.0
    staleness = context.pool.staleness
    for done in range(context.rounds):
        context.progress(f"{done * TRIES:,} of {context.rounds * TRIES:,} sessions")
        visitors = context.log_in(TRIES)
        readers = [WorkerCall(where, read_on, (visitors, WINDOW + staleness)) for where in range(context.pool.size)]
        pauses = [context.random.random() * LOGOUTS_WITHIN for _ in visitors]
        leavers = [
            WorkerCall(where, log_out, (visitor, pause))
            for where, visitor, pause in zip(context.spread(TRIES), visitors, pauses, strict=True)
        ]
        answers = context.pool.at_once([*readers, *leavers])
        ended = answers[len(readers) :]
        seen = [max(times) for times in zip(*answers[: len(readers)], strict=True)]
        late = [last - end for last, end in zip(seen, ended, strict=True)]
        still = context.pool.at_once([WorkerCall(where, are_live, (visitors,)) for where in range(context.pool.size)])
        back = [any(lives) or delay > staleness for delay, *lives in zip(late, *still, strict=True)]
        tally.tries += TRIES
        tally.lost += sum(back)
        latest = max([latest, *late])
    if staleness:
        tally.note = f"caches were up to {latest * 1000:.0f} ms behind a log-out; {staleness * 1000:.0f} ms are allowed"
    tally.figures = {"staleness_allowed": int(staleness * 1000), "staleness_seen": int(latest * 1000)}
    return tally


async def read_on(instance: Instance, visitors: Sequence[Visitor], seconds: float) -> list[float]:
    """For each visitor, when the last read began that found the session live. In seconds of time.monotonic()."""
    last = [0.0] * len(visitors)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for number, visitor in enumerate(visitors):
            began = time.monotonic()
            if (await instance.open(visitor)).status == "active":
                last[number] = began
            await instance.pause(0)
    return last


async def are_live(instance: Instance, visitors: Sequence[Visitor]) -> list[bool]:
    """Which of the tokens open a session still, here."""
    return [await is_live(instance, visitor) for visitor in visitors]
