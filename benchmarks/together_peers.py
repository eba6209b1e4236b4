"""The servers of the benchmark `together`: back ends with one session of one integer, and what keeps it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Set
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from tests.server import Server, run_server

from .over_http import CONNECT_REDIS, EXPRESS, FOLDER, express_is_there
from .servers import Servers
from .service_peers import MODULE, adapter_is_there, new_key, on_cores

__all__ = ["BATCHED", "PLAIN", "PYTHON_BATCHED", "PYTHON_PLAIN", "BackEnd", "start_back_ends"]

BATCHED = "sojourn-express"
PLAIN = "sojourn-express, one by one"
PYTHON_BATCHED = "Python, remote manager"
PYTHON_PLAIN = "Python, remote manager, one by one"

# A service that tells nobody that it takes batches, so that everything is sent as to one of old.
_ONE_BY_ONE = """
import sojourn.service.application as application, sojourn.cli
application.ANSWER_HEADERS = tuple(each for each in application.ANSWER_HEADERS if each[0] != b"sojourn-batches")
sojourn.cli.main()
"""


class BackEnd(NamedTuple):
    """A back end, and the process that keeps its sessions; None for a back end without any."""

    name: str
    server: Server
    keeper: int | None


def start_back_ends(servers: Servers, folder: Path, running: ExitStack, core: Set[int], store: str) -> list[BackEnd]:
    """Each on `core`, and what keeps the sessions elsewhere: a service on `store`, or a Redis."""
    key = new_key(folder / "keys.json")
    together = _serve(folder, running, "together", ["-m", "sojourn"], store)
    alone = _serve(folder, running, "alone", ["-c", _ONE_BY_ONE], store)
    back_ends = [
        _python(folder, running, core, name, service, key)
        for name, service in ((PYTHON_BATCHED, together), (PYTHON_PLAIN, alone))
    ]
    if not express_is_there():
        return back_ends
    redis = servers.new_redis()
    layers: list[tuple[str, list[str], int | None]] = [
        (EXPRESS, ["none"], None),
        (CONNECT_REDIS, ["connect-redis", redis.url], redis.process.pid),
    ]
    if adapter_is_there():
        for name, service in ((BATCHED, together), (PLAIN, alone)):
            words = [MODULE.as_uri(), f"http://127.0.0.1:{service.port}", key]
            layers.append((name, words, service.process.pid))
    node = shutil.which("node")
    assert node is not None
    for name, words, keeper in layers:
        command = [node, str(FOLDER / "counter.mjs"), "{port}", *words]
        log = folder / f"express {len(back_ends)}.log"
        with on_cores(core):
            # An Express that is in production is told so.
            server = running.enter_context(run_server(command, log, path="/read", env={"NODE_ENV": "production"}))
        back_ends.append(BackEnd(name, server, keeper))
    return back_ends


def _serve(folder: Path, running: ExitStack, name: str, program: list[str], store: str) -> Server:
    words = [sys.executable, *program, "serve", "--port", "{port}", "--keys", str(folder / "keys.json")]
    environment = {"SOJOURN_STORE": store}
    return running.enter_context(run_server(words, folder / f"{name}.log", path="/health", env=environment))


def _python(folder: Path, running: ExitStack, core: Set[int], name: str, service: Server, key: str) -> BackEnd:
    command = [sys.executable, "-m", "uvicorn", "benchmarks.counter:app", "--port", "{port}", "--log-level", "warning"]
    environment = {
        "SOJOURN_SERVICE": service.url,
        "SOJOURN_KEY": key,
        "PYTHONPATH": os.fspath(Path(__file__).parents[1]),
    }
    with on_cores(core):
        server = running.enter_context(run_server(command, folder / f"{name}.log", path="/read", env=environment))
    return BackEnd(name, server, service.process.pid)
