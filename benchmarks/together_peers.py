"""The servers of the benchmark `together`: back ends with one session of one integer, and what keeps it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Set
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from adapters.tests.aspnetcore_site import ASPNETCORE, DOTNETS
from tests.server import Server, run_server

from .over_http import CONNECT_REDIS, EXPRESS, FOLDER, express_is_there
from .servers import Servers
from .service_peers import MODULE, adapter_is_there, new_key, on_cores

__all__ = [
    "BATCHED",
    "DOTNET_BATCHED",
    "DOTNET_PLAIN",
    "ON_REDIS",
    "PLAIN",
    "PYTHON_BATCHED",
    "PYTHON_PLAIN",
    "BackEnd",
    "start_back_ends",
    "start_redis_back_ends",
]

BATCHED = "sojourn-express"
PLAIN = "sojourn-express, one by one"
PYTHON_BATCHED = "Python, remote manager"
PYTHON_PLAIN = "Python, remote manager, one by one"
DOTNET_BATCHED = "sojourn-aspnetcore"
DOTNET_PLAIN = "sojourn-aspnetcore, one by one"
# Follows the names of those whose service keeps its sessions in a Redis, and not in its own memory.
ON_REDIS = "; on Redis"

# A service that tells nobody that it takes batches, so that everything is sent as to one of old.
_ONE_BY_ONE = """
import sojourn.service.application as application, sojourn.cli
application.ANSWER_HEADERS = tuple(each for each in application.ANSWER_HEADERS if each[0] != b"sojourn-batches")
sojourn.cli.main()
"""


class BackEnd(NamedTuple):
    """A back end, and the processes that keep its sessions; none for a back end without any."""

    name: str
    server: Server
    keepers: tuple[int, ...]


def start_back_ends(servers: Servers, folder: Path, running: ExitStack, core: Set[int], dotnet: bool) -> list[BackEnd]:
    """Each on `core`, and what keeps the sessions elsewhere: a service in its memory, or a Redis."""
    back_ends = _start_services(folder, running, core, "memory:", "", (), dotnet)
    if express_is_there():
        redis = servers.new_redis()
        back_ends.append(_express(folder, running, core, EXPRESS, ["none"], ()))
        words = ["connect-redis", redis.url]
        back_ends.append(_express(folder, running, core, CONNECT_REDIS, words, (redis.process.pid,)))
    return back_ends


def start_redis_back_ends(servers: Servers, folder: Path, running: ExitStack, core: Set[int]) -> list[BackEnd]:
    """The same, of services that keep the sessions in a Redis."""
    redis = servers.new_redis()
    return _start_services(folder, running, core, redis.url, ON_REDIS, (redis.process.pid,))


def _start_services(
    folder: Path,
    running: ExitStack,
    core: Set[int],
    store: str,
    ending: str,
    behind: tuple[int, ...],
    dotnet: bool = False,
) -> list[BackEnd]:
    key = new_key(folder / f"keys{ending}.json")
    together = _serve(folder, running, f"together{ending}", ["-m", "sojourn"], store, f"keys{ending}.json")
    alone = _serve(folder, running, f"alone{ending}", ["-c", _ONE_BY_ONE], store, f"keys{ending}.json")
    back_ends = []
    for name, service in ((PYTHON_BATCHED, together), (PYTHON_PLAIN, alone)):
        back_ends.append(_python(folder, running, core, name + ending, service, key, behind))
    if dotnet and DOTNETS:
        for name, service in ((DOTNET_BATCHED, together), (DOTNET_PLAIN, alone)):
            back_ends.append(_dotnet(folder, running, core, name, service, key))
    if express_is_there() and adapter_is_there():
        for name, service in ((BATCHED, together), (PLAIN, alone)):
            words = [MODULE.as_uri(), f"http://127.0.0.1:{service.port}", key]
            keepers = (service.process.pid, *behind)
            back_ends.append(_express(folder, running, core, name + ending, words, keepers))
    return back_ends


def _express(
    folder: Path, running: ExitStack, core: Set[int], name: str, words: list[str], keepers: tuple[int, ...]
) -> BackEnd:
    node = shutil.which("node")
    assert node is not None
    command = [node, str(FOLDER / "counter.mjs"), "{port}", *words]
    with on_cores(core):
        # An Express that is in production is told so.
        env = {"NODE_ENV": "production"}
        server = running.enter_context(run_server(command, folder / f"{name}.log", path="/read", env=env))
    return BackEnd(name, server, keepers)


def _serve(folder: Path, running: ExitStack, name: str, program: list[str], store: str, keys: str) -> Server:
    words = [sys.executable, *program, "serve", "--port", "{port}", "--keys", str(folder / keys)]
    environment = {"SOJOURN_STORE": store}
    return running.enter_context(run_server(words, folder / f"{name}.log", path="/health", env=environment))


def _python(
    folder: Path, running: ExitStack, core: Set[int], name: str, service: Server, key: str, behind: tuple[int, ...]
) -> BackEnd:
    command = [sys.executable, "-m", "uvicorn", "benchmarks.counter:app", "--port", "{port}", "--log-level", "warning"]
    environment = {
        "SOJOURN_SERVICE": service.url,
        "SOJOURN_KEY": key,
        "PYTHONPATH": os.fspath(Path(__file__).parents[1]),
    }
    with on_cores(core):
        server = running.enter_context(run_server(command, folder / f"{name}.log", path="/read", env=environment))
    return BackEnd(name, server, (service.process.pid, *behind))


def _dotnet(folder: Path, running: ExitStack, core: Set[int], name: str, service: Server, key: str) -> BackEnd:
    """On the oldest .NET that there is, by its own SDK."""
    dotnet = DOTNETS[0]
    program = dotnet.build(os.path.relpath(FOLDER.parent / "aspnetcore", ASPNETCORE))
    command = [str(dotnet.program), str(program), "--urls", "http://127.0.0.1:{port}"]
    environment = {**dotnet.environment, "SOJOURN_SERVICE": f"http://127.0.0.1:{service.port}", "SOJOURN_KEY": key}
    with on_cores(core):
        server = running.enter_context(run_server(command, folder / f"{name}.log", path="/read", env=environment))
    return BackEnd(name, server, (service.process.pid,))
