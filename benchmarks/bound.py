"""Bound: what a request of a session costs that is bound to a key, beside one that is not."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time_ns

import msgspec

from .bound_http import KINDS, measure_over_http
from .bound_visitors import (
    ANOTHER,
    BARE,
    BESIDE,
    BY_BROWSER,
    BY_SCRIPT,
    FASTAPI,
    STORES,
    OpenStore,
    Visitor,
    visitors,
)
from .call_counts import StoreCalls
from .request import ask, receive, send_nowhere
from .rounds import Rounds, Spread
from .tables import NONE, table, with_quartiles

__all__ = ["BY_BROWSER", "BY_SCRIPT", "FASTAPI", "Bound", "Cost", "HttpCost", "Size", "measure", "report"]


class Size(msgspec.Struct, frozen=True):
    """How many rounds, how many laps of each kind in each, and how many requests in a lap, in process and over HTTP."""

    rounds: int
    laps: int
    requests: int
    http_requests: int


class Cost(msgspec.Struct, frozen=True):
    """A request that reads one key, in µs of processor, and beside one of its kind that is not bound, in each round."""

    store: str
    kind: str
    took: Spread
    times_unbound: Spread | None
    added: Spread | None
    reads: int
    writes: int


class HttpCost(msgspec.Struct, frozen=True):
    """The same through a real server, in µs of its processor: at an application that does nothing else, or FastAPI.

    `beyond_another`: how much more than one that is not bound and brings as long a cookie of somebody else.
    """

    store: str
    kind: str
    took: Spread
    times_unbound: Spread | None
    added: Spread | None
    application: str = BARE
    beyond_another: Spread | None = None


class Bound(msgspec.Struct, frozen=True):
    """All that this benchmark found."""

    size: Size
    costs: list[Cost]
    over_http: list[HttpCost] = []


async def _time(visitor: Visitor, requests: int) -> float:
    scopes = [visitor.scope() for _ in range(requests)]
    began = process_time_ns()
    for scope in scopes:
        await visitor.app(scope, receive, send_nowhere)
    return (process_time_ns() - began) / requests / 1000


async def _costs(name: str, open_store: OpenStore, folder: Path, size: Size) -> list[Cost]:
    async with AsyncExitStack() as stack:
        found, rounds = await visitors(partial(open_store, folder), stack), Rounds()
        for round_ in range(size.rounds + 1):
            laps: dict[str, list[float]] = {kind: [] for kind in found}
            for _ in range(size.laps):
                for kind, visitor in random.sample([*found.items()], len(found)):
                    laps[kind].append(await _time(visitor, size.requests))
            if round_:
                rounds.add({kind: min(took) for kind, took in laps.items()})
        return [await _cost(name, kind, visitor, rounds) for kind, visitor in found.items()]


async def _cost(name: str, kind: str, visitor: Visitor, rounds: Rounds) -> Cost:
    calls = StoreCalls(visitor.manager._store)
    visitor.manager._store = calls
    await ask(visitor.app, visitor.scope())
    took, times_unbound, added = _compared(rounds, kind)
    return Cost(name, kind, took, times_unbound, added, calls.reads, calls.writes)


def _compared(rounds: Rounds, kind: str) -> tuple[Spread, Spread | None, Spread | None]:
    """What it took, × what an unbound one of the same kind took, and how much more: both inside each round."""
    took, beside = rounds.compare(float, kind), BESIDE.get(kind)
    if beside is None:
        return took, None, None
    ratio = rounds.compare(lambda mine, other: mine / other, kind, beside)
    return took, ratio, rounds.compare(lambda mine, other: mine - other, kind, beside)


def _over_http(size: Size) -> list[HttpCost]:
    return [
        HttpCost(store, kind, *_compared(rounds, kind), application, _beyond_another(rounds, kind))
        for (application, store), rounds in measure_over_http(size.rounds, size.laps, size.http_requests).items()
        for kind in KINDS
    ]


def _beyond_another(rounds: Rounds, kind: str) -> Spread | None:
    if kind != BY_BROWSER:
        return None
    return rounds.compare(lambda mine, other: mine - other, kind, ANOTHER)


def measure(size: Size) -> Bound:
    """The costs of each kind of session, in memory and on SQLite."""
    with TemporaryDirectory() as folder:
        costs = [
            cost
            for name, open_store in STORES.items()
            for cost in asyncio.run(_costs(name, open_store, Path(folder), size))
        ]
    return Bound(size, costs, _over_http(size))


def report(found: Bound) -> str:
    """The tables, in Markdown."""
    rows = [[*_row(cost), f"{cost.reads} + {cost.writes}"] for cost in found.costs]
    header = ["One key read", "µs", "× unbound", "added µs"]
    over_http = ["The same, over HTTP", *header[1:], "beyond somebody else's cookie"]
    of_http = [[*_row(cost), _figure(cost.beyond_another)] for cost in found.over_http]
    return "\n\n".join(
        [
            table([*header, "store reads + writes"], rows),
            table(over_http, of_http),
        ]
    )


def _row(cost: Cost | HttpCost) -> list[str]:
    application = f"{cost.application}, " if isinstance(cost, HttpCost) and cost.application else ""
    compared = [_figure(cost.times_unbound), _figure(cost.added)]
    return [f"{application}{cost.store}: {cost.kind}", with_quartiles(cost.took), *compared]


def _figure(found: Spread | None) -> str:
    return NONE if found is None else with_quartiles(found)
