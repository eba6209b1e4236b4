"""Service: an authenticated read-only request at `sojourn serve`, and at Express with its sessions and ours."""

from __future__ import annotations

import asyncio
import os
import random
import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import msgspec
import uvloop

from .http_load import cpu_ns
from .over_http import CONNECT_REDIS
from .rounds import Rounds, Spread
from .servers import Servers, start_servers
from .service_load import Lap, ServiceLoad
from .service_peers import ServicePeer, on_cores, start_peers
from .tables import NONE, figure, table, with_quartiles

__all__ = ["CONNECTIONS", "Memory", "OpenCost", "Service", "Size", "cores", "measure", "report"]

CONNECTIONS = (32, 256)


class Size(msgspec.Struct, frozen=True):
    """How many rounds, and how many requests to each server in one, at each number of connections."""

    rounds: int
    requests: int


class OpenCost(msgspec.Struct, frozen=True):
    """One server's request, with so many connections that ask all the time. `ratio`: per second, × connect-redis."""

    peer: str
    connections: int
    per_second: Spread
    ratio: Spread | None
    cpu: Spread
    p50_ms: Spread
    p99_ms: Spread


class Memory(msgspec.Struct, frozen=True):
    """The MiB of one server's process once it has started, and the most that it had."""

    peer: str
    start: float
    most: float


class Service(msgspec.Struct, frozen=True):
    """All that this benchmark found."""

    size: Size
    costs: list[OpenCost]
    memory: list[Memory]

    def ratio(self, peer: str, connections: int) -> Spread | None:
        """The peer's requests a second, × connect-redis."""
        return next(each.ratio for each in self.costs if (each.peer, each.connections) == (peer, connections))


class _Running(NamedTuple):
    peer: ServicePeer
    load: ServiceLoad
    start: float

    @property
    def pid(self) -> int:
        return self.peer.server.process.pid


Figures = Mapping[str, tuple[Lap, float]]


def measure(size: Size) -> Service:
    """Each server on one core that nobody else here uses; who asks, Redis and the service behind on another."""
    core, others = cores()
    with on_cores(others), start_servers() as servers, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_measure(size, servers, core))


def cores() -> tuple[set[int], set[int]]:
    """One, and the others; none and none where the system does not let us choose, or there is one alone."""
    ours = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return ({ours[0]}, {*ours[1:]}) if len(ours) > 1 else (set(), set())


async def _measure(size: Size, servers: Servers, core: set[int]) -> Service:
    rounds = {connections: [Rounds() for _ in (*Lap._fields, "cpu")] for connections in CONNECTIONS}
    with TemporaryDirectory() as folder, ExitStack() as stack:
        running = []
        for peer in start_peers(servers, Path(folder), stack, core):
            start = _mebibytes("VmRSS", peer.server.process.pid)
            load = ServiceLoad(peer.server.port, await peer.log_in(max(CONNECTIONS)))
            stack.callback(load.close)
            running.append(_Running(peer, load, start))
        for round_ in range(size.rounds + 1):
            for connections in CONNECTIONS:
                found = await _round(running, connections, size.requests)
                # The first warms caches up, and lets Node compile.
                if round_:
                    for index, each in enumerate(rounds[connections]):
                        each.add({peer: (*lap, cpu)[index] for peer, (lap, cpu) in found.items()})
        memory = [Memory(each.peer.name, each.start, _mebibytes("VmHWM", each.pid)) for each in running]
    names = [each.peer.name for each in running]
    costs = [_cost(name, connections, *rounds[connections]) for connections in CONNECTIONS for name in names]
    return Service(size, costs, memory)


async def _round(running: Sequence[_Running], connections: int, requests: int) -> Figures:
    """Each server's lap, and its µs of processor for one request, in random order."""
    found = {}
    for each in random.sample(running, len(running)):
        spent = cpu_ns(each.pid)
        lap = await each.load.run(connections, requests)
        found[each.peer.name] = lap, (cpu_ns(each.pid) - spent) / requests / 1000
    return found


def _cost(peer: str, connections: int, per_second: Rounds, p50: Rounds, p99: Rounds, cpu: Rounds) -> OpenCost:
    beside = per_second.has(CONNECT_REDIS)
    return OpenCost(
        peer=peer,
        connections=connections,
        per_second=per_second.compare(float, peer),
        ratio=per_second.compare(lambda mine, theirs: mine / theirs, peer, CONNECT_REDIS) if beside else None,
        cpu=cpu.compare(float, peer),
        p50_ms=p50.compare(float, peer),
        p99_ms=p99.compare(float, peer),
    )


def _mebibytes(what: str, pid: int) -> float:
    """What Linux says of a process's memory, or of its largest child's: `node` may be a script. 0 elsewhere."""
    folder = Path(f"/proc/{pid}")
    if not folder.exists():
        return 0.0
    found = re.search(rf"^{what}:\s+(\d+) kB", (folder / "status").read_text(), re.MULTILINE)
    children = (folder / f"task/{pid}/children").read_text().split()
    return max([int(found[1]) / 1024 if found else 0.0, *(_mebibytes(what, int(child)) for child in children)])


def report(found: Service) -> str:
    """The tables, in Markdown."""
    return "\n\n".join([*[_table(found, connections) for connections in CONNECTIONS], _memory_table(found)])


def _table(found: Service, connections: int) -> str:
    rows = [
        [
            cost.peer,
            with_quartiles(cost.per_second),
            NONE if cost.ratio is None else figure(cost.ratio.median),
            with_quartiles(cost.cpu),
            figure(cost.p50_ms.median),
            figure(cost.p99_ms.median),
        ]
        for cost in found.costs
        if cost.connections == connections
    ]
    head = [f"{connections} connections", "requests a second", "× connect-redis", "µs of processor", "p50 ms", "p99 ms"]
    return table(head, rows)


def _memory_table(found: Service) -> str:
    rows = [[each.peer, figure(each.start), figure(each.most)] for each in found.memory]
    return table(["MiB of memory", "once it has started", "the most"], rows)
