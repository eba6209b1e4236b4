"""Admin: how long each page for operators takes, and how much of a processor, with a million sessions in the store."""

from __future__ import annotations

import http.client
import os
import re
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from urllib.parse import urlencode

import msgspec

from sojourn import SessionManager, open_store
from tests.server import Server, run_server

from .http_load import cpu_ns
from .server_filling import fill_postgres, fill_redis
from .servers import Servers, start_servers
from .session_file import fill, random_users
from .tables import figure, table

__all__ = ["NAMES", "STORES", "Admin", "Page", "Size", "measure", "report"]

STORES = ("SQLite", "PostgreSQL", "Redis")
# Overview comes last: it begins to count aside of the pages, which takes as long as it takes.
NAMES = (
    *("Live sessions", "from the middle on", "of a user", "by an id", "by its first digits"),
    *("One session", "End a user's?", "API keys", "Policy", "Audit"),
    *("by an address", "by a device", "by an end", "Overview", "End everything?"),
)


class Size(msgspec.Struct, frozen=True):
    """The stores, how many sessions each holds, and how often each page is asked for."""

    stores: tuple[str, ...]
    sessions: int
    asks: int


class Page(msgspec.Struct, frozen=True):
    """One page's milliseconds, and those of a processor, of the pages' process and the store's together."""

    name: str
    median_ms: float
    longest_ms: float
    cpu_ms: float


class Admin(msgspec.Struct, frozen=True):
    """All that this benchmark found; and when, and the load of the machine before each store's turn."""

    size: Size
    date: str
    load: dict[str, float]
    pages: dict[str, list[Page]]


class _Operator:
    """A browser that has signed in, at `sojourn admin`."""

    def __init__(self, server: Server) -> None:
        self._connection = http.client.HTTPConnection("localhost", server.port, timeout=60)
        self._headers = {"Sec-Fetch-Site": "same-origin", "Content-Type": "application/x-www-form-urlencoded"}
        server.wait_to_print("code=")
        (code,) = re.findall(r"code=(\S+)", server.output())
        self._connection.request("POST", "/admin/sign-in", urlencode({"code": code}), self._headers)
        answer = self._connection.getresponse()
        answer.read()
        self._headers["Cookie"] = (answer.headers["set-cookie"] or "").partition(";")[0]

    def get(self, path: str) -> str:
        """The page. Raises RuntimeError where it is another status than 200."""
        self._connection.request("GET", f"/admin{path}", headers=self._headers)
        answer = self._connection.getresponse()
        text = answer.read().decode()
        if answer.status != 200:
            raise RuntimeError(f"{path} was answered with {answer.status}: {text[:300]}")
        return text

    def close(self) -> None:
        self._connection.close()


def measure(size: Size) -> Admin:
    """Fill each store, and ask for each page."""
    found = Admin(size, datetime.now(UTC).date().isoformat(), {}, {})
    for store in size.stores:
        with TemporaryDirectory() as folder, start_servers() as servers:
            url, pid = _filled(store, Path(folder), servers, size.sessions)
            found.load[store] = os.getloadavg()[0]
            found.pages[store] = _pages(url, pid, Path(folder), size)
    return found


def _filled(store: str, folder: Path, servers: Servers, sessions: int) -> tuple[str, int | None]:
    """The store's URL, and its process."""
    if store == "SQLite":
        fill(folder / "sessions.sqlite3", sessions)
        return f"sqlite:///{folder}/sessions.sqlite3", None
    if store == "Redis":
        server = servers.new_redis()
        fill_redis(server, sessions, 0)
        return server.url, server.process.pid
    url = servers.new_database()
    fill_postgres(url, sessions, 0)
    return url, servers.postgres_pid


def _pages(url: str, pid: int | None, folder: Path, size: Size) -> list[Page]:
    words = [sys.executable, "-m", "sojourn", "admin", "--port", "{port}", "--keys", str(folder / "keys.json")]
    words += ["--store", url, "--audit", str(folder / "audit.jsonl")]
    with ExitStack() as stack:
        server = stack.enter_context(run_server(words, folder / "admin.log", path="/admin/static/mark.svg"))
        operator = _Operator(server)
        stack.callback(operator.close)
        pids = [server.process.pid, *([pid] if pid else [])]
        paths = _paths(url, size)
        return [_page(name, paths[name], operator, pids) for name in NAMES]


def _paths(url: str, size: Size) -> dict[str, list[str]]:
    """Of each page so many, each of another user or session where there is one."""
    users = random_users(size.sessions, size.asks)
    manager = SessionManager(open_store(url))
    ids = [manager.list(user)[0].id for user in users]
    manager.close()
    found: dict[str, list[dict[str, str]]] = {
        "Live sessions": [{}] * size.asks,
        "from the middle on": [{"after": "8" * 32}] * size.asks,
        "of a user": [{"user": user} for user in users],
        "by an id": [{"id": id} for id in ids],
        "by its first digits": [{"id": id[:8]} for id in ids],
        "by an address": [{"address": f"198.51.100.{number % 250}"} for number in range(size.asks)],
        "by a device": [{"device": f"no such {number}"} for number in range(size.asks)],
        "by an end": [{"state": "token_reuse"}] * size.asks,
    }
    others = {
        "One session": [f"/sessions/{id}" for id in ids],
        "End a user's?": [f"/end?user={user}" for user in users],
        "API keys": ["/keys"] * size.asks,
        "Policy": ["/policy"] * size.asks,
        "Audit": ["/audit"] * size.asks,
        "Overview": [""] * size.asks,
        "End everything?": ["/end?everything=yes"] * size.asks,
    }
    return {name: [f"/sessions?{urlencode(query)}" for query in some] for name, some in found.items()} | others


def _page(name: str, paths: Sequence[str], operator: _Operator, pids: Sequence[int]) -> Page:
    took, before = [], sum(map(cpu_ns, pids))
    for path in paths:
        began = perf_counter()
        operator.get(path)
        took.append((perf_counter() - began) * 1000)
    spent = sum(map(cpu_ns, pids)) - before
    return Page(name, median(took), max(took), spent / len(paths) / 1e6)


def report(found: Admin) -> str:
    """The table, in Markdown."""
    head = [f"ms of a page, {found.size.sessions:,} sessions ({found.date})"]
    for store, load in found.load.items():
        head += [f"{store} (load {load:.1f})", "longest", "of a processor"]
    rows = [
        [name, *(figure(value) for store in found.size.stores for value in _figures(found.pages[store][index]))]
        for index, name in enumerate(NAMES)
    ]
    return table(head, rows)


def _figures(page: Page) -> tuple[float, float, float]:
    return page.median_ms, page.longest_ms, page.cpu_ms
