"""Together: a request at a back end of the session service whose opens and commits go together, and one by one."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, NamedTuple

import msgspec
import uvloop

from .http_load import cookie_in, cpu_ns, page_request
from .over_http import CONNECT_REDIS, EXPRESS
from .rounds import Rounds, Spread
from .servers import Servers, start_servers
from .service import cores
from .service_load import ServiceLoad
from .service_peers import on_cores
from .tables import NONE, figure, table, with_quartiles
from .together_peers import (
    BATCHED,
    DOTNET_BATCHED,
    DOTNET_PLAIN,
    ON_REDIS,
    PLAIN,
    PYTHON_BATCHED,
    PYTHON_PLAIN,
    BackEnd,
    start_back_ends,
    start_redis_back_ends,
)

__all__ = ["AT_ONCE", "BESIDE", "KINDS", "Kind", "RequestCost", "Size", "Together", "measure", "report"]

AT_ONCE = (1, 16, 128)
Kind = Literal["read", "change"]
KINDS: tuple[Kind, ...] = ("read", "change")
# What each is set beside, in the same round.
BESIDE = {BATCHED: CONNECT_REDIS, PLAIN: CONNECT_REDIS, PYTHON_BATCHED: PYTHON_PLAIN, DOTNET_BATCHED: DOTNET_PLAIN}
# A service on Redis makes of one trip two, whoever asks it: each is set beside the same one by one.
BESIDE |= {BATCHED + ON_REDIS: PLAIN + ON_REDIS, PYTHON_BATCHED + ON_REDIS: PYTHON_PLAIN + ON_REDIS}


class Size(msgspec.Struct, frozen=True):
    """How many rounds, and how many requests to each back end in one, of each kind and number at once."""

    rounds: int
    requests: int
    # To build it takes the SDK that scripts/dotnet fetches, and half a minute at the first time.
    dotnet: bool = False


class RequestCost(msgspec.Struct, frozen=True):
    """One back end's request. `ratio`: per second, × what it is set beside. µs of processor, of the back end's own
    process, and of those that keep its sessions; `keeper_writes` is how often these write, to whatever connection."""

    peer: str
    kind: Kind
    at_once: int
    per_second: Spread
    ratio: Spread | None
    cpu: Spread
    keeper_cpu: Spread | None
    beyond_bare: Spread | None
    p50_ms: Spread
    keeper_writes: Spread | None = None


class Together(msgspec.Struct, frozen=True):
    """All that this benchmark found."""

    size: Size
    costs: list[RequestCost]

    def cost(self, peer: str, kind: Kind, at_once: int) -> RequestCost | None:
        """What one back end's request cost, if it took part."""
        wanted = (peer, kind, at_once)
        return next((each for each in self.costs if (each.peer, each.kind, each.at_once) == wanted), None)


class _Running(NamedTuple):
    back_end: BackEnd
    loads: dict[Kind, ServiceLoad]


class _Figures(NamedTuple):
    per_second: Rounds
    p50_ms: Rounds
    cpu: Rounds
    keeper_cpu: Rounds
    keeper_writes: Rounds


def measure(size: Size) -> Together:
    """Each back end on one core that nobody else here uses; who asks, Redis and the service on another."""
    core, others = cores()
    with on_cores(others), start_servers() as servers, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_measure(size, servers, core))


async def _measure(size: Size, servers: Servers, core: set[int]) -> Together:
    rounds = {(kind, many): _Figures(*[Rounds() for _ in _Figures._fields]) for kind in KINDS for many in AT_ONCE}
    with TemporaryDirectory() as folder, ExitStack() as stack:
        running = [
            _Running(each, await _loads(each, stack))
            for start in (partial(start_back_ends, dotnet=size.dotnet), start_redis_back_ends)
            for each in start(servers, Path(folder), stack, core)
        ]
        for round_ in range(size.rounds + 1):
            for (kind, many), figures in rounds.items():
                found = await _round(running, kind, many, size.requests)
                # The first warms caches up, and lets Node compile.
                if round_:
                    for name, each in zip(_Figures._fields, figures, strict=True):
                        each.add({peer: told[name] for peer, told in found.items()})
    names = [each.back_end.name for each in running]
    return Together(
        size, [_cost(name, kind, many, figures) for (kind, many), figures in rounds.items() for name in names]
    )


async def _loads(back_end: BackEnd, stack: ExitStack) -> dict[Kind, ServiceLoad]:
    port, cookie = back_end.server.port, b""
    if back_end.name != EXPRESS:
        first = ServiceLoad(port, [page_request("/change", b"")])
        cookie = cookie_in((await first.ask_each())[0])
        first.close()
    loads: dict[Kind, ServiceLoad] = {}
    for kind in KINDS:
        loads[kind] = ServiceLoad(port, [page_request(f"/{kind}", cookie)] * max(AT_ONCE))
        stack.callback(loads[kind].close)
    return loads


async def _round(running: Sequence[_Running], kind: Kind, many: int, requests: int) -> dict[str, dict[str, float]]:
    """Each back end's lap, in random order."""
    found = {}
    count = max(requests // many, 1) * many
    for back_end, loads in random.sample(running, len(running)):
        processes = [(back_end.server.process.pid,), back_end.keepers]
        before, writes = [sum(map(cpu_ns, pids)) for pids in processes], sum(map(_writes, back_end.keepers))
        lap = await loads[kind].run(many, count)
        writes = sum(map(_writes, back_end.keepers)) - writes
        after = [sum(map(cpu_ns, pids)) for pids in processes]
        mine, keepers = [(end - start) / count / 1000 for start, end in zip(before, after, strict=True)]
        told = {"per_second": lap.per_second, "p50_ms": lap.p50_ms, "cpu": mine, "keeper_cpu": keepers}
        found[back_end.name] = told | {"keeper_writes": writes / count}
    return found


def _writes(pid: int) -> int:
    """How often a process has asked Linux to write."""
    counts = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text("ascii").splitlines())
    return int(counts["syscw"])


def _cost(peer: str, kind: Kind, many: int, figures: _Figures) -> RequestCost:
    beside = BESIDE.get(peer)
    is_express = peer.removesuffix(ON_REDIS) in (BATCHED, PLAIN, CONNECT_REDIS)
    return RequestCost(
        peer=peer,
        kind=kind,
        at_once=many,
        per_second=figures.per_second.compare(float, peer),
        ratio=figures.per_second.compare(lambda mine, theirs: mine / theirs, peer, beside) if beside else None,
        cpu=figures.cpu.compare(float, peer),
        keeper_cpu=figures.keeper_cpu.compare(float, peer) if peer != EXPRESS else None,
        beyond_bare=figures.cpu.compare(lambda mine, bare: mine - bare, peer, EXPRESS) if is_express else None,
        p50_ms=figures.p50_ms.compare(float, peer),
        keeper_writes=figures.keeper_writes.compare(float, peer) if peer != EXPRESS else None,
    )


def report(found: Together) -> str:
    """The tables, in Markdown."""
    return "\n\n".join(_table(found, kind, many) for kind in KINDS for many in AT_ONCE)


def _table(found: Together, kind: Kind, many: int) -> str:
    rows = [
        [
            cost.peer,
            with_quartiles(cost.per_second),
            _or_none(cost.ratio),
            with_quartiles(cost.cpu),
            _or_none(cost.beyond_bare),
            _or_none(cost.keeper_cpu),
            _or_none(cost.keeper_writes),
            figure(cost.p50_ms.median),
        ]
        for cost in found.costs
        if (cost.kind, cost.at_once) == (kind, many)
    ]
    what = "reads" if kind == "read" else "changes"
    asked = "one after another" if many == 1 else f"{many} at once"
    costs = ["µs of processor", "beyond bare Express", "of what keeps it", "its writes"]
    return table([f"{what}, {asked}", "requests a second", "× beside", *costs, "p50 ms"], rows)


def _or_none(found: Spread | None) -> str:
    return NONE if found is None else figure(found.median)
