"""Weight: what importing and starting cost, and the memory and disk that one live session takes."""

from __future__ import annotations

import gc
import sqlite3
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import msgspec
import psycopg

from sojourn import SessionManager, open_store
from sojourn.core.store import Applied, Commit, Create
from sojourn.stores.redis import RedisStore
from sojourn.testing.records import NOW, make_record
from tests.server import run_server
from tests.servers.redis import find_redis, start_redis

from .http_load import cpu_ns
from .rounds import Spread, spread
from .servers import Servers, start_servers
from .session_file import BROWSER, SESSIONS_OF_A_USER
from .shop import SESSION, SMALL_SESSION
from .tables import NONE, table, with_quartiles

__all__ = ["ASGI", "MODULES", "Imported", "Kept", "Size", "Started", "Weight", "measure", "report"]

ASGI = "sojourn.asgi"
# Peers below what they stand beside; Django wants settings before anything else.
DJANGO = "import django.conf; django.conf.settings.configure(); "
MODULES: Mapping[str, str] = {
    "asyncio": "",
    "sojourn": "",
    ASGI: "",
    "starlette.middleware.sessions": "",
    "starsessions": "",
    "redis_fastapi": "",
    "flask": "",
    "sojourn.flask": "",
    "flask_session.base": "",
    "django.http": DJANGO,
    "sojourn.django.middleware": DJANGO,
    "django.contrib.sessions.middleware": DJANGO,
}
_IMPORT = """
import sys, time
before = time.process_time()
{first}import {module}
names = [name.partition(".")[0] for name in sys.modules]
print((time.process_time() - before) * 1000, len(names), names.count("sojourn"))
"""
LARGE = b'"' + b"x" * 32_000 + b'"'


class Size(msgspec.Struct, frozen=True):
    """What is imported, how often; how often the service is started, and how many sessions are kept."""

    modules: tuple[str, ...]
    imports: int
    starts: int
    sessions: int


class Imported(msgspec.Struct, frozen=True):
    """One module in a Python that has nothing else: ms of processor, and how many modules are there, ours of them."""

    module: str
    cpu_ms: Spread
    modules: int
    ours: int


class Started(msgspec.Struct, frozen=True):
    """From the start of `sojourn serve` to its first answer: seconds, and ms of its processor."""

    store: str
    seconds: Spread
    cpu_ms: Spread


class Kept(msgspec.Struct, frozen=True):
    """The bytes of one live session, of 12 keys and of one integer: where, and in what."""

    store: str
    twelve_keys: float
    one_integer: float


class Weight(msgspec.Struct, frozen=True):
    """All that this benchmark found. `touch_bytes`: what Redis's log takes of activity in a session of 32 KiB."""

    size: Size
    imported: list[Imported]
    started: list[Started]
    kept: list[Kept]
    touch_bytes: int


def _imported(modules: Sequence[str], imports: int) -> list[Imported]:
    """Each in a process of its own, in turns."""
    found: dict[str, list[tuple[float, int, int]]] = {name: [] for name in modules if find_spec(name.partition(".")[0])}
    for _ in range(imports + 1):
        for module, told in found.items():
            code = _IMPORT.format(first=MODULES[module], module=module)
            done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
            cpu, modules, ours = done.stdout.split()
            told.append((float(cpu), int(modules), int(ours)))
    return [Imported(module, _spread([cpu for cpu, _, _ in told]), *told[-1][1:]) for module, told in found.items()]


def _spread(taken: list[float]) -> Spread:
    """Without the first, which has Python compile, and brings the files into memory; of one alone, itself."""
    return spread(taken[1:] or taken)


def _started(store: str, url: str, starts: int, folder: Path) -> Started:
    seconds, cpu = [], []
    for _ in range(starts + 1):
        words = [sys.executable, "-m", "sojourn", "serve", "--port", "{port}", "--keys", str(folder / "keys.json")]
        began = perf_counter()
        with run_server(words, folder / "serve.log", path="/health", env={"SOJOURN_STORE": url}) as server:
            seconds.append(perf_counter() - began)
            cpu.append(cpu_ns(server.process.pid) / 1e6)
    return Started(store, _spread(seconds), _spread(cpu))


def _fill(manager: SessionManager, data: Mapping[str, Any], sessions: int) -> None:
    for n in range(sessions):
        session = manager.anonymous(BROWSER)
        session.update(data)
        session.login(f"user-{n // SESSIONS_OF_A_USER}")
        manager.commit(session)


def _kept(sessions: int, servers: Servers, folder: Path) -> list[Kept]:
    path, redis, database = folder / "kept.sqlite3", servers.new_redis(), servers.new_database()
    places: dict[str, tuple[str, Callable[[], int]]] = {
        "memory": ("memory:", lambda: tracemalloc.get_traced_memory()[0]),
        "SQLite": (f"sqlite:///{path}", partial(_file_bytes, path)),
        "PostgreSQL": (database, partial(_table_bytes, database)),
        "Redis": (redis.url, lambda: int(redis.info("memory")["used_memory"])),
    }
    return [
        Kept(store, *[_bytes_each(*place, data, sessions) for data in (SESSION, SMALL_SESSION)])
        for store, place in places.items()
    ]


def _bytes_each(url: str, used: Callable[[], int], data: Mapping[str, Any], sessions: int) -> float:
    """What so many sessions add to `used`, each."""
    with closing(SessionManager(open_store(url))) as manager:
        # What is there once, however many there are.
        _fill(manager, data, SESSIONS_OF_A_USER)
        gc.collect()
        tracemalloc.start()
        before = used()
        _fill(manager, data, sessions)
        gc.collect()
        after = used()
        tracemalloc.stop()
        return (after - before) / sessions


def _file_bytes(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path.stat().st_size


def _table_bytes(url: str) -> int:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM FULL sojourn_session")
        counted = connection.execute("SELECT pg_total_relation_size('sojourn_session')").fetchone()
        assert counted is not None
        return int(counted[0])


def _touch_bytes(folder: Path) -> int:
    """What Redis's log takes of activity in a session of 32 KiB; the first time it takes more room in the record."""
    with start_redis(folder, find_redis(), durable=True) as server, closing(RedisStore(server.url)) as store:
        record = make_record(data={"text": LARGE})
        store.create(Create(record=record, now=NOW, began_at=NOW))
        sizes = []
        for seen in (NOW + 120_000, NOW + 180_000):
            assert isinstance(store.commit(Commit(id=record.id, now=seen, seen_at=seen, max_bytes=1 << 16)), Applied)
            sizes.append(int(server.info("persistence")["aof_current_size"]))
        return sizes[1] - sizes[0]


def measure(size: Size) -> Weight:
    """Import, start and keep."""
    with TemporaryDirectory() as name, start_servers() as servers:
        folder = Path(name)
        stores = {"memory": "memory:", "SQLite": f"sqlite:///{folder}/served.sqlite3"}
        return Weight(
            size,
            _imported(size.modules, size.imports),
            [_started(store, url, size.starts, folder) for store, url in stores.items()],
            _kept(size.sessions, servers, folder),
            _touch_bytes(folder / "touched"),
        )


def report(found: Weight) -> str:
    """The tables, in Markdown."""
    imports = [
        [each.module, with_quartiles(each.cpu_ms), str(each.modules), str(each.ours or NONE)] for each in found.imported
    ]
    starts = [[each.store, with_quartiles(each.seconds), with_quartiles(each.cpu_ms)] for each in found.started]
    kept = [[each.store, f"{each.twelve_keys:,.0f}", f"{each.one_integer:,.0f}"] for each in found.kept]
    return "\n\n".join(
        [
            table(["import", "ms of processor", "modules", "Sojourn's"], imports),
            table(["sojourn serve, from its start to its first answer", "seconds", "ms of processor"], starts),
            table(["Bytes of one live session, logged in", "12 keys", "one integer"], kept),
            table(
                ["Activity in a session of 32 KiB", ""], [["bytes of Redis's append-only file", str(found.touch_bytes)]]
            ),
        ]
    )
