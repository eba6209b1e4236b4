"""Over HTTP: what a request costs the server's processor, with Express and connect-redis beside the Python peers."""

from __future__ import annotations

import random
import shutil
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import NamedTuple

import msgspec

from tests.server import Server, run_server
from tests.servers.redis import RedisServer

from .commands import BROWSERS, REQUESTS, Commands, count_commands
from .footprint import SESSIONS, Footprint, of_server
from .http_load import HttpLoad, cpu_ns
from .network_peers import CACHED_REDIS, NETWORK_PEERS, REDIS, STARSESSIONS
from .peers import BARE, SIGNED_COOKIE, installed
from .rounds import Rounds, Spread
from .servers import Servers
from .shop import SESSION

__all__ = ["CONNECTIONS", "CONNECT_REDIS", "EXPRESS", "HttpCost", "OverHttp", "express_is_there", "measure_over_http"]

CONNECTIONS = 32
EXPRESS = "Express, no sessions"
CONNECT_REDIS = "express-session, connect-redis"
FOLDER = Path(__file__).parent / "express"


class HttpCost(msgspec.Struct, frozen=True):
    """One peer's reading request over HTTP: µs of the server's processor, also beyond the bare framework."""

    peer: str
    cpu: Spread
    added: Spread
    per_second: Spread


class OverHttp(msgspec.Struct, frozen=True):
    """What was found over HTTP; of connect-redis, which is in no process of ours, also what others are asked there."""

    costs: list[HttpCost]
    counts: list[tuple[Commands, Footprint]]


class _Running(NamedTuple):
    peer: str
    bare: str
    server: Server
    redis: RedisServer | None
    load: HttpLoad


def express_is_there() -> bool:
    """Whether there is a Node, and the packages of express/package-lock.json."""
    return shutil.which("node") is not None and (FOLDER / "node_modules").exists()


def _command(peer: str, url: str | None) -> Sequence[str]:
    address = [url] if url else []
    if peer in (EXPRESS, CONNECT_REDIS):
        return ["node", str(FOLDER / "server.mjs"), "{port}", msgspec.json.encode(SESSION).decode(), *address]
    return [sys.executable, "-m", "benchmarks.http_server", "{port}", peer, *address]


async def _start(servers: Servers, folder: Path, running: ExitStack) -> list[_Running]:
    """Each peer's HTTP server, with a Redis of its own where it needs one."""
    names = [peer.name for peer in installed() if peer in (BARE, SIGNED_COOKIE)]
    names += [name for name in (STARSESSIONS, REDIS, CACHED_REDIS) if name in NETWORK_PEERS]
    names += [EXPRESS, CONNECT_REDIS] if express_is_there() else []
    started: list[_Running] = []
    for name in names:
        redis = servers.new_redis() if name in (*NETWORK_PEERS, CONNECT_REDIS) else None
        command = _command(name, redis.url if redis else None)
        server = running.enter_context(run_server(command, folder / f"{len(started)}.log", path="/read"))
        bare = EXPRESS if name == CONNECT_REDIS else BARE.name
        load = await HttpLoad.open(server.port, CONNECTIONS, None if name in (BARE.name, EXPRESS) else "/fill")
        running.callback(load.close)
        started.append(_Running(name, bare, server, redis, load))
    return started


async def _round(running: Sequence[_Running], requests: int) -> dict[str, tuple[float, float]]:
    """Each server's µs of processor for one request, and its requests a second, in random order."""
    found = {}
    for each in random.sample(running, len(running)):
        spent, began = cpu_ns(each.server.process.pid), perf_counter()
        await each.load.run("/read", requests)
        took = perf_counter() - began
        found[each.peer] = (cpu_ns(each.server.process.pid) - spent) / requests / 1000, requests / took
    return found


async def _connect_redis(peer: _Running) -> tuple[Commands, Footprint]:
    assert peer.redis is not None
    browsers = await HttpLoad.open(peer.server.port, BROWSERS, "/fill")
    commands = await count_commands(peer.peer, peer.redis, lambda: browsers.run("/read", REQUESTS))
    browsers.close()
    visitors = await HttpLoad.open(peer.server.port, BROWSERS, None)
    footprint = await of_server(peer.peer, peer.redis, lambda: visitors.run("/fill", SESSIONS))
    visitors.close()
    return commands, footprint


async def measure_over_http(servers: Servers, rounds: int, requests: int) -> OverHttp:
    """Take the rounds."""
    cpu, per_second = Rounds(), Rounds()
    with TemporaryDirectory() as folder, ExitStack() as stack:
        running = await _start(servers, Path(folder), stack)
        for round_ in range(rounds + 1):
            found = await _round(running, requests)
            # The first round warms caches up, and lets Node compile.
            if round_:
                cpu.add({peer: figures[0] for peer, figures in found.items()})
                per_second.add({peer: figures[1] for peer, figures in found.items()})
        counts = [await _connect_redis(peer) for peer in running if peer.peer == CONNECT_REDIS]
    costs = [
        HttpCost(
            peer=peer.peer,
            cpu=cpu.compare(float, peer.peer),
            added=cpu.compare(lambda mine, bare: mine - bare, peer.peer, peer.bare),
            per_second=per_second.compare(float, peer.peer),
        )
        for peer in running
    ]
    return OverHttp(costs, counts)
