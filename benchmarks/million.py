"""Million: what an operator does in a store of a million sessions, how long it takes, and in how much memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from .operator_task import OperatorTask
from .server_filling import fill_postgres, fill_redis
from .servers import start_servers
from .session_file import fill, random_users
from .tables import figure, table

__all__ = ["Full", "Million", "Size", "measure", "report"]

USERS = 100


class Size(msgspec.Struct, frozen=True):
    """How many sessions each store holds, and how many of them ran out long ago."""

    sessions: int
    expired: int


class Full(msgspec.Struct, frozen=True):
    """One store with so many sessions: the bytes each takes, and every task."""

    store: str
    bytes_each: float
    tasks: dict[str, OperatorTask]


class Million(msgspec.Struct, frozen=True):
    """All that this benchmark found."""

    size: Size
    stores: list[Full]


def _task(url: str, name: str, *users: str) -> OperatorTask:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.operator_task", url, name, *users], stdout=subprocess.PIPE, check=True
    )
    return msgspec.json.decode(done.stdout, type=OperatorTask)


def _full(store: str, url: str, bytes_each: float, size: Size) -> Full:
    users = random_users(size.sessions, USERS, size.expired)
    return Full(
        store=store,
        bytes_each=bytes_each,
        tasks={
            "list": _task(url, "list", *users),
            "revoke_all": _task(url, "revoke_all", *users),
            "stats": _task(url, "stats"),
            "delete_expired": _task(url, "delete_expired"),
        },
    )


def _sqlite(size: Size) -> Full:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "sessions.sqlite3"
        fill(path, size.sessions, size.expired)
        return _full("SQLite", f"sqlite:///{path}", path.stat().st_size / size.sessions, size)


def _redis(size: Size) -> Full:
    with start_servers() as servers:
        server = servers.new_redis()
        before = int(server.info("memory")["used_memory"])
        fill_redis(server, size.sessions, size.expired)
        used = int(server.info("memory")["used_memory"]) - before
        return _full("Redis", server.url, used / size.sessions, size)


def _postgres(size: Size) -> Full:
    with start_servers() as servers:
        conninfo = servers.new_database()
        bytes_ = fill_postgres(conninfo, size.sessions, size.expired)
        return _full("PostgreSQL", conninfo, bytes_ / size.sessions, size)


def measure(size: Size) -> Million:
    """Fill each store, and do the tasks."""
    return Million(size, [_sqlite(size), _postgres(size), _redis(size)])


def report(found: Million) -> str:
    """The table, in Markdown."""
    rows = [
        [
            each.store,
            f"{each.bytes_each:,.0f}",
            *(f"{figure(each.tasks[name].seconds * 1000)} ms" for name in ("list", "revoke_all")),
            *(f"{figure(each.tasks[name].seconds)} s" for name in ("stats", "delete_expired")),
            f"{max(task.peak_bytes for task in each.tasks.values()) / 2**20:,.0f} MiB",
        ]
        for each in found.stores
    ]
    head = [f"{found.size.sessions:,} sessions in", "bytes each", "list a user's", "revoke a user's", "stats"]
    return table([*head, f"clean up {found.size.expired:,}", "most memory"], rows)
