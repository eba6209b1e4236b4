"""Sites: one application in every language, each over its adapter, and one way to start, visit and question them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from adapters.tests import aspnetcore_site
from adapters.tests.aspnetcore_site import DOTNETS
from adapters.tests.express_site import Express
from adapters.tests.php_site import Php
from adapters.tests.remote_site import Asgi, Threads
from adapters.tests.visitor import Visitor
from tests.servers.process import Running

__all__ = ["KINDS", "Site", "aspnetcore", "each_kind"]


def aspnetcore(folder: Path, environment: Mapping[str, str]) -> aspnetcore_site.Site:
    """On the first .NET that there is."""
    return aspnetcore_site.Site(folder, DOTNETS[0], "tests", environment)


_START: Mapping[str, Callable[[Path, Mapping[str, str]], Any]] = {
    "express": Express,
    "php": lambda folder, environment: Php(folder, "fpm", environment),
    "aspnetcore": aspnetcore,
    "asgi": Asgi,
    "threads": Threads,
}
KINDS = [kind for kind in _START if kind != "aspnetcore" or DOTNETS]
_no_sdk = pytest.mark.skipif(not DOTNETS, reason="scripts/dotnet has fetched no SDK")
each_kind = [pytest.param(kind, marks=_no_sdk if kind == "aspnetcore" else ()) for kind in _START]


class Site(Running):
    """A site of one kind. Its steps: set, increment, login, logout, regenerate, facts; each of them in any language."""

    def __init__(self, kind: str, folder: Path, service: str, key: str) -> None:
        self.kind = kind
        self.folder = folder / kind
        self.key = key
        self._running = _START[kind](self.folder, {"SOJOURN_SERVICE": service, "SOJOURN_KEY": key})
        self.port: int = self._running.port

    def visitor(self, token: str | None = None) -> Visitor:
        return Visitor(self.port, token)

    def told(self) -> str:
        """All that it and its servers have logged so far."""
        return "\n".join(file.read_text("utf-8", "replace") for file in self.folder.glob("*.log"))

    def sockets(self) -> int:
        """How many its processes have open, listening ones included."""
        return sum(_sockets(pid) for pid in self.processes())

    def processes(self) -> list[int]:
        """Its process, and those that it made."""
        first = self._running._processes if isinstance(self._running, Php) else [self._running.process]
        roots = [process.pid for process in first]
        return roots + [pid for pid in map(int, _numbers()) if _parent(pid) in roots]

    def stop(self) -> None:
        self._running.stop()


def _numbers() -> list[str]:
    return [folder.name for folder in Path("/proc").glob("[0-9]*")]


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _sockets(pid: int) -> int:
    found = 0
    for file in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found += str(file.readlink()).startswith("socket:")
        except OSError:  # closed meanwhile
            continue
    return found
