"""Servers: Redis and PostgreSQL, started for a benchmark in a temporary folder, on this machine."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg

from sojourn.stores.postgres import migrate
from tests.servers.postgres import PostgresServer, start_postgres
from tests.servers.redis import RedisServer, find_redis, find_valkey, start_redis

__all__ = ["Servers", "start_servers", "versions"]


class Servers:
    """Starts what is asked for; all of it ends with the `with` of `start_servers`."""

    def __init__(self, folder: Path, running: ExitStack) -> None:
        self._folder = folder
        self._running = running
        self._redis: list[RedisServer] = []
        self._postgres: PostgresServer | None = None

    def new_redis(self) -> RedisServer:
        """A Redis that nobody else uses, without files."""
        return self._new(find_redis())

    def new_valkey(self) -> RedisServer:
        """A Valkey 9 that nobody else uses, without files."""
        return self._new(find_valkey())

    def _new(self, binary: str) -> RedisServer:
        folder = self._folder / f"redis-{len(self._redis)}"
        self._redis.append(self._running.enter_context(start_redis(folder, binary)))
        return self._redis[-1]

    @property
    def postgres_pid(self) -> int | None:
        """The process of PostgreSQL's server, once there is one."""
        return self._postgres.process.pid if self._postgres else None

    def new_database(self) -> str:
        """The URL of a PostgreSQL database that nobody else uses, with Sojourn's tables in it; all in one server."""
        if self._postgres is None:
            self._postgres = self._running.enter_context(start_postgres(self._folder, durable=True))
        url = self._postgres.new_database()
        migrate(url)
        return url


@contextmanager
def start_servers() -> Iterator[Servers]:
    """Servers for as long as the `with` lasts."""
    with TemporaryDirectory() as folder, ExitStack() as running:
        yield Servers(Path(folder), running)


def versions() -> dict[str, str]:
    """The servers' own, asked of them. Raises FileNotFoundError where one is not installed."""
    with start_servers() as servers:
        found = {"Redis": servers.new_redis().info("server")["redis_version"]}
        with psycopg.connect(servers.new_database()) as connection:
            found["PostgreSQL"] = (connection.info.parameter_status("server_version") or "").split()[0]
    if node := shutil.which("node"):
        found["Node"] = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    return found
