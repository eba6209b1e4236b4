"""Bound, over HTTP: what a request of a session that its browser bound costs a server, beside an unbound one.

And beside an unbound one that brings as long a cookie of somebody else, which the server reads too. One process serves
all, `python -m benchmarks.bound_http PORT`: between two, the layout of their memory alone is a difference of some 2 %.
"""

from __future__ import annotations

import asyncio
import random
import sys
from contextlib import AsyncExitStack
from functools import partial
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import uvicorn
import uvloop

from tests.server import run_server

from .bound_visitors import ANOTHER, APPLICATIONS, BARE, BY_BROWSER, COOKIE, STORES, Visitor, visitors
from .http_load import HttpLoad, connect, cpu_ns, page_request
from .request import COOKIES, Receive, Send
from .rounds import Rounds

__all__ = ["KINDS", "Served", "measure_over_http"]

# An application and a store, as APPLICATIONS and STORES name them.
Served = tuple[str, str]
KINDS = (COOKIE, ANOTHER, BY_BROWSER)
CONNECTIONS = 8


class _Switch:
    """The visitors' applications, each asked by its name in the query, and what they show."""

    def __init__(self, visitors: dict[bytes, Visitor]) -> None:
        self._visitors = visitors

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        visitor = self._visitors[scope["query_string"]]
        if scope["path"] == "/read":
            await visitor.app(scope, receive, send)
            return
        shown = dict(visitor.scope()["headers"])[b"cookie"].removeprefix(COOKIES + b"; ")
        length = (b"content-length", b"%d" % len(shown))
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": shown})


def _open(folder: Path, application: str, store: str, kind: str) -> Any:
    return STORES[store](folder, f"{application} {kind}")


def _query(served: Served, kind: str) -> str:
    return "-".join([*served, kind]).replace(" ", "-").replace(",", "")


async def _serve(port: int) -> None:
    with TemporaryDirectory() as folder:
        async with AsyncExitStack() as stack:
            served: dict[bytes, Visitor] = {}
            for application, store in product(APPLICATIONS, STORES):
                found = await visitors(partial(_open, Path(folder), application, store), stack, application)
                served |= {_query((application, store), kind).encode(): found[kind] for kind in KINDS}
            config = uvicorn.Config(_Switch(served), port=port, http="httptools", lifespan="off", log_level="warning")
            await uvicorn.Server(config).serve()


async def _measure(port: int, pid: int, rounds: int, laps: int, requests: int) -> dict[Served, Rounds]:
    loads: dict[tuple[Served, str], HttpLoad] = {}
    for served, kind in product(product(APPLICATIONS, STORES), KINDS):
        opened = [await connect(port) for _ in range(CONNECTIONS)]
        answer = await opened[0].ask(page_request(f"/cookie?{_query(served, kind)}", b""), 1)
        loads[served, kind] = HttpLoad(opened, answer.partition(b"\r\n\r\n")[2])
    found = {served: Rounds() for served, _ in loads}
    for round_ in range(rounds + 1):
        spent: dict[tuple[Served, str], list[float]] = {asked: [] for asked in loads}
        for (served, kind), load in random.sample([*loads.items()] * laps, len(loads) * laps):
            before = cpu_ns(pid)
            await load.run(f"/read?{_query(served, kind)}", requests)
            spent[served, kind].append((cpu_ns(pid) - before) / requests / 1000)
        # The first round warms caches up. The machine's other work only ever adds.
        if round_:
            for served, its in found.items():
                its.add({kind: min(took) for (asked, kind), took in spent.items() if asked == served})
    for load in loads.values():
        load.close()
    return found


def measure_over_http(rounds: int, laps: int, requests: int) -> dict[Served, Rounds]:
    """By application and store, the µs of the server's processor that a request of each of KINDS took in each round."""
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "benchmarks.bound_http", "{port}"]
        path = f"/cookie?{_query((BARE, 'memory'), COOKIE)}"
        with run_server(command, Path(folder) / "server.log", path=path) as at:
            return asyncio.run(_measure(at.port, at.process.pid, rounds, laps, requests))


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(int(sys.argv[1])))
