"""Races: requests that meet in one session, and what is left afterwards."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sojourn.asgi import session_of

from .json_bodies import answer, refuse

__all__ = ["routes"]

LANES = 50
# How long a handler works between its read and its write.
WORK = 0.06
SLOW = 1.5
MAX_SHADOWS = 100

LIST, COUNTER = "race_list", "race_count"

# What a store that writes a session back whole would hold after the same requests, by session id.
_shadows: OrderedDict[str, frozenset[int]] = OrderedDict()


async def lane(request: Request) -> Response:
    """One of the parallel requests: a key of its own, an entry in a shared list, and a step of a shared counter."""
    session, number = session_of(request), int(request.path_params["number"])
    if not 0 <= number < LANES or session.id is None:
        return refuse(409, f"The race has lanes 0 to {LANES - 1}, and needs a session.")
    entries = session.setdefault(LIST, [])
    loaded = _shadows.get(session.id, frozenset())
    await asyncio.sleep(WORK)
    session[f"race_{number}"] = number
    entries.append(number)
    session.increment(COUNTER)
    _shadows[session.id] = loaded | {number}
    _shadows.move_to_end(session.id)
    if len(_shadows) > MAX_SHADOWS:
        _shadows.popitem(last=False)
    return answer()


async def finish(request: Request) -> Response:
    """Count what the session holds of a race, and tidy up. Also the way to begin with a clean one."""
    session = session_of(request)
    keys = [key for key in (f"race_{number}" for number in range(LANES)) if key in session]
    kept = {"keys": len(keys), "list": len(set(session.get(LIST, []))), "counter": session.get(COUNTER, 0)}
    for key in (*keys, LIST, COUNTER):
        session.pop(key, None)
    shadow = _shadows.pop(session.id or "", frozenset())
    return answer(**kept, last_write_wins=len(shadow), lanes=LANES, work=WORK)


async def slow(request: Request) -> Response:
    """Open the session, take a while, then write: too late, if the session ended meanwhile."""
    session = session_of(request)
    if session.status != "active":
        return refuse(409, "There is no session to be slow in.")
    await asyncio.sleep(SLOW)
    session["late"] = "written after the log-out"
    return answer()


routes = [
    Route("/demo/race/{number:int}", lane, methods=["POST"]),
    Route("/demo/race", finish, methods=["DELETE"]),
    Route("/demo/slow", slow, methods=["POST"]),
]
