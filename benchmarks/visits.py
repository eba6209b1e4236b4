"""Visits: requests and store calls that are ready to be made, one after another or so many at once, and timed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from time import perf_counter

from .request import App, new_scope, receive, send_nowhere

__all__ = ["Visit", "time_at_once", "time_calls", "visits_of"]

Visit = Callable[[], Awaitable[object]]


def visits_of(app: App, cookies: Sequence[bytes], path: str, visits: int) -> Sequence[Visit]:
    """So many requests to an ASGI application for one page, by browsers in turns."""
    return [partial(app, new_scope(path, cookies[n % len(cookies)]), receive, send_nowhere) for n in range(visits)]


async def time_at_once(visits: Sequence[Visit], at_once: int) -> float:
    """The µs of one visit, with so many under way all the time."""
    began = perf_counter()
    if at_once == 1:
        await _one_by_one(visits)
    else:
        await asyncio.gather(*[_one_by_one(visits[first::at_once]) for first in range(at_once)])
    return (perf_counter() - began) / len(visits) * 1e6


async def _one_by_one(visits: Sequence[Visit]) -> None:
    for visit in visits:
        await visit()


def time_calls(calls: Sequence[Callable[[], object]]) -> float:
    """The µs of one call that needs no event loop."""
    began = perf_counter()
    for call in calls:
        call()
    return (perf_counter() - began) / len(calls) * 1e6
