"""Bound, over HTTP: what a request of a session that its browser bound costs a server, beside an unbound one.

One process serves both, `python -m benchmarks.bound_http PORT`: between two, the layout of their memory alone is a
difference of some 2 %.
"""

from __future__ import annotations

import asyncio
import random
import sys
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import uvicorn
import uvloop

from tests.server import run_server

from .bound_visitors import BY_BROWSER, COOKIE, STORES, Visitor, visitors
from .http_load import HttpLoad, connect, cpu_ns, page_request
from .request import COOKIES, Receive, Send
from .rounds import Rounds

__all__ = ["Asked", "measure_over_http"]

# A store and a kind, as STORES and visitors name them.
Asked = tuple[str, str]
CONNECTIONS = 8


class _Served:
    """The visitors' applications, each asked by the name of its store and kind in the query; and what they show."""

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


def _query(store: str, kind: str) -> bytes:
    return f"{store}-{kind}".encode().replace(b" ", b"-").replace(b",", b"")


async def _serve(port: int) -> None:
    with TemporaryDirectory() as folder:
        async with AsyncExitStack() as stack:
            served: dict[bytes, Visitor] = {}
            for store, open_store in STORES.items():
                found = await visitors(partial(open_store, Path(folder)), stack)
                served |= {_query(store, kind): visitor for kind, visitor in found.items()}
            config = uvicorn.Config(_Served(served), port=port, http="httptools", lifespan="off", log_level="warning")
            await uvicorn.Server(config).serve()


async def _measure(port: int, pid: int, rounds: int, laps: int, requests: int) -> dict[str, Rounds]:
    loads: dict[Asked, HttpLoad] = {}
    for store in STORES:
        for kind in (COOKIE, BY_BROWSER):
            opened = [await connect(port) for _ in range(CONNECTIONS)]
            answer = await opened[0].ask(page_request(f"/cookie?{_query(store, kind).decode()}", b""), 1)
            loads[store, kind] = HttpLoad(opened, answer.partition(b"\r\n\r\n")[2])
    found = {store: Rounds() for store in STORES}
    for round_ in range(rounds + 1):
        spent: dict[Asked, list[float]] = {asked: [] for asked in loads}
        for (store, kind), load in random.sample([*loads.items()] * laps, len(loads) * laps):
            before = cpu_ns(pid)
            await load.run(f"/read?{_query(store, kind).decode()}", requests)
            spent[store, kind].append((cpu_ns(pid) - before) / requests / 1000)
        # The first round warms caches up. The machine's other work only ever adds.
        if round_:
            for store, of_store in found.items():
                of_store.add({kind: min(took) for (asked, kind), took in spent.items() if asked == store})
    for load in loads.values():
        load.close()
    return found


def measure_over_http(rounds: int, laps: int, requests: int) -> dict[str, Rounds]:
    """By store, the µs of the server's processor that a request of each kind of cookie took in each round."""
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "benchmarks.bound_http", "{port}"]
        with run_server(
            command, Path(folder) / "server.log", path=f"/cookie?{_query('memory', COOKIE).decode()}"
        ) as at:
            return asyncio.run(_measure(at.port, at.process.pid, rounds, laps, requests))


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(int(sys.argv[1])))
