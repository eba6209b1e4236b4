"""Counting: what metrics add to a request that reads one key, in process.

`python -m benchmarks.counting [redis://…]` prints it; it needs the extra `metrics`. With PROMETHEUS_MULTIPROC_DIR set,
it is that of one of several processes.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry
from starlette.middleware import Middleware

from sojourn.asgi import SessionMiddleware
from sojourn.metrics import Metrics

from .peers import MEMORY, SQLITE, Peer, Wrap
from .request import App, new_scope, receive, send_nowhere
from .request_path import redis_peer
from .rounds import Rounds, Spread
from .shop import open_shop
from .tables import table, with_quartiles

__all__ = ["Cost", "measure", "report"]

STORES = {"Sojourn, Redis": "", "Sojourn, Redis, cached": "?cache=64MiB"}


class Cost(NamedTuple):
    """A request on one store, in µs: not counted, what counting adds, and that as a share."""

    store: str
    took: Spread
    added: Spread
    share: Spread


def _counted(peer: Peer, metrics: Metrics) -> Peer:
    @asynccontextmanager
    async def build(folder: Path, wrap: Wrap) -> AsyncIterator[Sequence[Middleware]]:
        async with peer.build(folder, wrap) as (layer,):
            plain: Any = layer.kwargs["manager"]
            yield [Middleware(SessionMiddleware, manager=metrics.observe(plain))]

    return peer._replace(name=f"{peer.name}, counted", build=build)


async def _time(app: App, cookie: bytes, requests: int) -> float:
    scopes = [new_scope("/read", cookie) for _ in range(requests)]
    began = perf_counter()
    for scope in scopes:
        await app(scope, receive, send_nowhere)
    return (perf_counter() - began) / requests * 1e6


async def _measure(peers: Sequence[Peer], rounds: int, laps: int, requests: int, folder: Path) -> list[Cost]:
    metrics, taken = Metrics(CollectorRegistry()), Rounds()
    async with AsyncExitStack() as stack:
        shops = []
        for peer in (each for plain in peers for each in (plain, _counted(plain, metrics))):
            own = folder / peer.name
            own.mkdir()
            shops.append((peer.name, *await open_shop(peer, own, stack)))
        for round_ in range(rounds + 1):
            took: dict[str, list[float]] = {}
            for _ in range(laps):
                for name, app, cookie in random.sample(shops, len(shops)):
                    took.setdefault(name, []).append(await _time(app, cookie, requests))
            # The first round warms caches up. The machine's other work only ever slows a lap.
            if round_:
                taken.add({name: min(each) for name, each in took.items()})
    return [_cost(peer.name, taken) for peer in peers]


def _cost(name: str, taken: Rounds) -> Cost:
    both = (name, f"{name}, counted")
    return Cost(
        name,
        taken.compare(lambda plain: plain, name),
        taken.compare(lambda plain, counted: counted - plain, *both),
        taken.compare(lambda plain, counted: (counted - plain) / plain * 100, *both),
    )


def measure(peers: Sequence[Peer], rounds: int, laps: int, requests: int) -> list[Cost]:
    """Each peer beside itself with its requests counted, in turns."""
    with TemporaryDirectory() as folder:
        return asyncio.run(_measure(peers, rounds, laps, requests, Path(folder)))


def report(costs: Sequence[Cost]) -> str:
    """The table, in Markdown."""
    rows = [
        [cost.store, with_quartiles(cost.took), with_quartiles(cost.added), with_quartiles(cost.share)]
        for cost in costs
    ]
    return table(["One key read", "µs", "counting adds µs", "%"], rows)


if __name__ == "__main__":
    redis = [redis_peer(f"{url}{cache}")._replace(name=name) for url in sys.argv[1:2] for name, cache in STORES.items()]
    print(report(measure([MEMORY, SQLITE, *redis], rounds=51, laps=7, requests=40)))
