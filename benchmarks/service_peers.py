"""The servers of the service's benchmark: `sojourn serve`, and Express with each session layer; each has a Redis."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence, Set
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from sojourn.service.keys import changing_keys, make_key
from sojourn.wire.api_key import KeyScope
from tests.server import Server, run_server

from .http_load import cookie_in, page_request
from .network_peers import CACHE
from .over_http import CONNECT_REDIS, EXPRESS, FOLDER, express_is_there
from .servers import Servers
from .service_load import ServiceLoad
from .shop import SESSION

__all__ = [
    "ADAPTER",
    "CACHED_SERVICE",
    "MODULE",
    "SERVICE",
    "ServicePeer",
    "adapter_is_there",
    "new_key",
    "on_cores",
    "start_express",
    "start_peers",
]

SERVICE = "sojourn serve, Redis"
CACHED_SERVICE = "sojourn serve, Redis, cached"
ADAPTER = "sojourn-express, sojourn serve"
MODULE = Path(__file__).parents[1] / "adapters" / "express" / "dist" / "index.js"


class ServicePeer(NamedTuple):
    """One server, and what logs so many users in there: a request to open each one's session."""

    name: str
    server: Server
    log_in: Callable[[int], Awaitable[list[bytes]]]


def adapter_is_there() -> bool:
    """Whether adapters/express has been built."""
    return MODULE.exists()


@contextmanager
def on_cores(cores: Set[int]) -> Iterator[None]:
    """This process, and what it starts meanwhile, run on these cores alone; anywhere for none."""
    if not cores:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def start_peers(servers: Servers, folder: Path, running: ExitStack, core: Set[int]) -> list[ServicePeer]:
    """Each on `core`, with a Redis of its own that is not; nor is the service that an adapter asks."""
    key = new_key(folder / "keys.json")
    start = partial(_serve, folder, running)
    peers = []
    for name, cache in ((SERVICE, ""), (CACHED_SERVICE, CACHE)):
        redis = servers.new_redis()
        with on_cores(core):
            server = start(name, redis.url + cache)
        peers.append(ServicePeer(name, server, partial(_log_in_at_service, server, key)))
    layers: dict[str, list[str]] = {}
    if express_is_there():
        layers = {EXPRESS: ["none"], CONNECT_REDIS: ["connect-redis", servers.new_redis().url]}
        if adapter_is_there():
            behind = start("behind", servers.new_redis().url + CACHE)
            layers[ADAPTER] = [MODULE.as_uri(), f"http://127.0.0.1:{behind.port}", key]
    for name, words in layers.items():
        with on_cores(core):
            server = start_express(folder / f"{len(peers)}.log", running, words)
        peers.append(ServicePeer(name, server, partial(_log_in_at_express, server, name != EXPRESS)))
    return peers


def new_key(file: Path, scope: KeyScope = "sessions") -> str:
    """An API key of this scope, in a new file."""
    with changing_keys(file) as keys:
        key, text = make_key("benchmark", [scope], 0, os.urandom)
        keys.append(key)
    return text


def _serve(folder: Path, running: ExitStack, name: str, store: str) -> Server:
    words = [sys.executable, "-m", "sojourn", "serve", "--port", "{port}", "--keys", str(folder / "keys.json")]
    environment = {"SOJOURN_STORE": store}
    return running.enter_context(run_server(words, folder / f"{name}.log", path="/health", env=environment))


def start_express(log: Path, running: ExitStack, words: Sequence[str]) -> Server:
    """Express with the sessions of `words`, as open.mjs has them."""
    node = shutil.which("node")
    assert node is not None
    command = [node, str(FOLDER / "open.mjs"), "{port}", msgspec.json.encode(SESSION).decode(), *words]
    # An Express that is in production is told so.
    return running.enter_context(run_server(command, log, path="/open", env={"NODE_ENV": "production"}))


async def _log_in_at_service(server: Server, key: str, users: int) -> list[bytes]:
    changes = {name: {"value": value} for name, value in SESSION.items()}

    def log_in(user: int) -> bytes:
        action = {"type": "login", "user_id": f"user-{user}"}
        return _post("/v1/commit", key, {"action": action, "changes": changes})

    load = ServiceLoad(server.port, [log_in(user) for user in range(users)])
    answers = await load.ask_each()
    load.close()
    tokens = [msgspec.json.decode(answer.partition(b"\r\n\r\n")[2])["token"] for answer in answers]
    return [_post("/v1/open", key, {"token": token}) for token in tokens]


async def _log_in_at_express(server: Server, sessions: bool, users: int) -> list[bytes]:
    if not sessions:
        return [page_request("/open", b"")] * users
    requests = [page_request(f"/login/user-{user}", b"") for user in range(users)]
    load = ServiceLoad(server.port, requests)
    answers = await load.ask_each()
    load.close()
    return [page_request("/open", cookie_in(answer)) for answer in answers]


def _post(path: str, key: str, content: dict[str, Any]) -> bytes:
    """A request as sojourn-express sends it."""
    body = msgspec.json.encode(content)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
