"""Edge: what it costs that nginx asks whose a request is before it serves a page."""

from __future__ import annotations

import asyncio
import http.client
import os
import random
import sys
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import msgspec

from sojourn import SessionManager, open_store
from tests.server import run_server
from tests.servers.nginx import NginxServer
from tests.servers.port import find_port

from .http_load import cpu_ns, page_request
from .network_peers import CACHE
from .over_http import express_is_there
from .rounds import Rounds, Spread
from .servers import Servers, start_servers
from .service_load import ServiceLoad
from .service_peers import new_key, start_express
from .tables import NONE, figure, table, with_quartiles

__all__ = ["ALONE", "CACHED", "CONNECTIONS", "PEERS", "REDIS", "Edge", "EdgeCost", "Size", "measure", "report"]

ALONE = "nginx alone"
REDIS = "nginx, sojourn serve, Redis"
CACHED = "nginx, sojourn serve, Redis, cached"
BY_HAND = "nginx, Express with connect-redis"
PEERS = (ALONE, REDIS, CACHED, BY_HAND)
CONNECTIONS = 32
PARTS = ("nginx", "asked", "store")

_ASK = """
location = /ask {{
    internal;
    proxy_pass http://asked{path};
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_pass_request_body off;
    proxy_set_header Content-Length "";
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-Method $request_method;
    proxy_set_header X-Forwarded-Uri $request_uri;
    proxy_set_header X-Forwarded-Host $http_host;
    {more}
}}
"""


class Size(msgspec.Struct, frozen=True):
    """How many rounds, and how many requests to each of the peers in one."""

    peers: tuple[str, ...]
    rounds: int
    requests: int


class EdgeCost(msgspec.Struct, frozen=True):
    """Requests a second, and the µs of processor of each process for one: nginx, whom it asks, and their store."""

    peer: str
    per_second: Spread
    cpu: dict[str, Spread]
    added: Spread | None


class Edge(msgspec.Struct, frozen=True):
    """All that this benchmark found; and when, and the load of the machine before."""

    size: Size
    date: str
    load: float
    costs: list[EdgeCost]


class _Peer(NamedTuple):
    name: str
    load: ServiceLoad
    pids: dict[str, int]


class _Peers:
    """Starts nginx before a page of 1 KiB, and who is asked for leave."""

    def __init__(self, folder: Path, servers: Servers, running: ExitStack) -> None:
        self._folder = folder
        self._servers = servers
        self._running = running
        self.all: list[_Peer] = []
        (folder / "site").mkdir()
        (folder / "site" / "index.html").write_text("x" * 1024)

    def add_nginx(self, name: str, cookie: bytes = b"", ask: str = "", port: int = 0, **pids: int) -> None:
        at, leave = find_port(), "auth_request /ask;" if ask else ""
        upstream = f"upstream asked {{ server 127.0.0.1:{port}; keepalive 64; keepalive_requests 1000000000; }}"
        server = NginxServer(
            self._folder / str(len(self.all)),
            at,
            f"""
            {upstream if ask else ""}
            server {{
                listen 127.0.0.1:{at};
                keepalive_requests 1000000000;
                keepalive_timeout 1h;
                {ask}
                location / {{ {leave} root {self._folder}/site; }}
            }}
            """,
        )
        self._running.enter_context(server)
        load = ServiceLoad(at, [page_request("/index.html", cookie)] * CONNECTIONS)
        self._running.callback(load.close)
        self.all.append(_Peer(name, load, {"nginx": server.pid, **pids}))

    def add_service(self, name: str, cache: str) -> None:
        redis, keys = self._servers.new_redis(), self._folder / f"{name}.json"
        key = new_key(keys, "verify")
        words = [sys.executable, "-m", "sojourn", "serve", "--port", "{port}", "--keys", str(keys)]
        log = self._folder / f"{name}.log"
        env = {"SOJOURN_STORE": redis.url + cache}
        service = self._running.enter_context(run_server(words, log, path="/health", env=env))
        manager = SessionManager(open_store(redis.url))
        session = manager.anonymous()
        session.login("ada")
        token = manager.commit(session).token
        manager.close()
        assert token is not None
        ask = _ASK.format(path="/v1/verify", more=f"proxy_set_header Sojourn-Key {key};")
        cookie = f"__Host-session={token.reveal()}".encode()
        pids = {"asked": service.process.pid, "store": redis.process.pid}
        self.add_nginx(name, cookie, ask, service.port, **pids)

    def add_express(self, name: str) -> None:
        """What is written by hand where there is no service: any answer of an application that looks for a session."""
        redis = self._servers.new_redis()
        log = self._folder / "express.log"
        server = start_express(log, self._running, ["connect-redis", redis.url])
        browser = http.client.HTTPConnection("127.0.0.1", server.port)
        browser.request("GET", "/login/ada")
        cookie = (browser.getresponse().headers["set-cookie"] or "").partition(";")[0]
        browser.close()
        ask = _ASK.format(path="/open", more="")
        pids = {"asked": server.process.pid, "store": redis.process.pid}
        self.add_nginx(name, cookie.encode(), ask, server.port, **pids)


def measure(size: Size) -> Edge:
    """Every one in turns."""
    return asyncio.run(_measure(size))


async def _measure(size: Size) -> Edge:
    load = os.getloadavg()[0]
    with TemporaryDirectory() as folder, start_servers() as servers, ExitStack() as running:
        peers = _Peers(Path(folder), servers, running)
        adding: dict[str, Callable[[str], None]] = {
            ALONE: peers.add_nginx,
            REDIS: partial(peers.add_service, cache=""),
            CACHED: partial(peers.add_service, cache=CACHE),
            BY_HAND: peers.add_express,
        }
        for name in size.peers:
            if name != BY_HAND or express_is_there():
                adding[name](name)
        costs = await _costs(peers.all, size)
        return Edge(size, datetime.now(UTC).date().isoformat(), load, costs)


async def _costs(peers: list[_Peer], size: Size) -> list[EdgeCost]:
    per_second, taken = Rounds(), {part: Rounds() for part in PARTS}
    for number in range(size.rounds + 1):
        found: dict[str, tuple[float, dict[str, float]]] = {}
        for peer in random.sample(peers, len(peers)):
            before = {part: cpu_ns(pid) for part, pid in peer.pids.items()}
            lap = await peer.load.run(CONNECTIONS, size.requests)
            spent = {part: (cpu_ns(pid) - before[part]) / size.requests / 1000 for part, pid in peer.pids.items()}
            found[peer.name] = lap.per_second, spent
        # The first warms caches up.
        if number:
            per_second.add({name: speed for name, (speed, _) in found.items()})
            for part in PARTS:
                taken[part].add({name: spent.get(part, 0.0) for name, (_, spent) in found.items()})
            taken.setdefault("all", Rounds()).add({name: sum(spent.values()) for name, (_, spent) in found.items()})
    return [
        EdgeCost(
            peer=peer.name,
            per_second=per_second.compare(float, peer.name),
            cpu={part: taken[part].compare(float, peer.name) for part in peer.pids},
            added=None
            if peer.name == ALONE
            else taken["all"].compare(lambda mine, alone: mine - alone, peer.name, ALONE),
        )
        for peer in peers
    ]


def report(found: Edge) -> str:
    """The table, in Markdown."""
    rows = [
        [
            cost.peer,
            with_quartiles(cost.per_second),
            *(figure(cost.cpu[part].median) if part in cost.cpu else NONE for part in PARTS),
            with_quartiles(cost.added),
        ]
        for cost in found.costs
    ]
    head = [f"A page of 1 KiB, {CONNECTIONS} connections ({found.date}, load {found.load:.1f})", "requests a second"]
    return table([*head, "µs of processor, nginx", "who is asked", "the store", "added to nginx alone"], rows)
