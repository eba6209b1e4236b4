"""Counting: what metrics add to a request that reads one key, in process.

`python -m benchmarks.counting [redis://…]` prints it; it needs the extra `metrics`. With PROMETHEUS_MULTIPROC_DIR set,
it is that of one of several processes. Each manager is asked in a process of its own, as applications are: beside one
of another class, in one process, what Python has learned of the other's attributes is in its way.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
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
    """A request on one store, in µs of CPU time: not counted, what counting adds, and that as a share."""

    store: str
    took: Spread
    added: Spread
    share: Spread


def _counted(peer: Peer) -> Peer:
    @asynccontextmanager
    async def build(folder: Path, wrap: Wrap) -> AsyncIterator[Sequence[Middleware]]:
        async with peer.build(folder, wrap) as (layer,):
            plain: Any = layer.kwargs["manager"]
            yield [Middleware(SessionMiddleware, manager=Metrics(CollectorRegistry()).observe(plain))]

    return peer._replace(name=f"{peer.name}, counted", build=build)


async def _time(app: App, cookie: bytes, requests: int) -> float:
    scopes = [new_scope("/read", cookie) for _ in range(requests)]
    began = process_time()
    for scope in scopes:
        await app(scope, receive, send_nowhere)
    return (process_time() - began) / requests * 1e6


async def _serve(peer: Peer, folder: Path, laps: int, requests: int, channel: Connection) -> None:
    async with AsyncExitStack() as stack:
        app, cookie = await open_shop(peer, folder, stack)
        while channel.recv():
            # The machine's other work only ever slows a lap.
            channel.send(min([await _time(app, cookie, requests) for _ in range(laps)]))


def _run(*args: Any) -> None:
    asyncio.run(_serve(*args))


@contextmanager
def _shop(peer: Peer, folder: Path, laps: int, requests: int) -> Iterator[Connection]:
    """A process of its own: told True, it says what a request took in the quickest of its laps."""
    folder.mkdir()
    context = get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(target=_run, args=(peer, folder, laps, requests, theirs), daemon=True)
    process.start()
    try:
        yield ours
    finally:
        ours.send(False)
        process.join()


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
    taken = Rounds()
    with TemporaryDirectory() as folder, ExitStack() as stack:
        shops = {
            peer.name: stack.enter_context(_shop(peer, Path(folder, peer.name), laps, requests))
            for peer in (each for plain in peers for each in (plain, _counted(plain)))
        }
        for round_ in range(rounds + 1):
            took = {}
            for name in random.sample(list(shops), len(shops)):
                shops[name].send(True)
                took[name] = shops[name].recv()
            # The first round warms caches up.
            if round_:
                taken.add(took)
    return [_cost(peer.name, taken) for peer in peers]


def report(costs: Sequence[Cost]) -> str:
    """The table, in Markdown."""
    rows = [
        [cost.store, with_quartiles(cost.took), with_quartiles(cost.added), with_quartiles(cost.share)]
        for cost in costs
    ]
    return table(["One key read", "µs", "counting adds µs", "%"], rows)


if __name__ == "__main__":
    redis = [redis_peer(f"{url}{cache}")._replace(name=name) for url in sys.argv[1:2] for name, cache in STORES.items()]
    print(report(measure([MEMORY, SQLITE, *redis], rounds=51, laps=20, requests=40)))
