"""A PostgreSQL server for tests."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from pwd import getpwnam, struct_passwd
from tempfile import mkdtemp

from tests.servers.port import find_port
from tests.servers.process import Process, ProcessServer
from tests.servers.waiting import wait_until

__all__ = ["PostgresServer", "start_postgres"]

_USER = "postgres"
_HASTE = ["-c", "fsync=off", "-c", "full_page_writes=off"]  # a commit still outlives a killed server


class PostgresServer(ProcessServer):
    """One server, which listens on 127.0.0.1; `conninfo` is a URL of the database "postgres" in it."""

    def __init__(self, command: Sequence[str], folder: Path, log: Path, user: struct_passwd | None) -> None:
        self.port = find_port()
        self.conninfo = self._conninfo("postgres")
        self._numbers = count(1)
        listening = ["-c", "listen_addresses=127.0.0.1", "-p", str(self.port), "-k", str(folder)]
        self.process = Process([*command, *listening], folder, log, user=user, last_signal=signal.SIGQUIT)
        try:
            self._wait_until_ready()
        except BaseException:
            self.process.stop()
            raise

    def __repr__(self) -> str:
        return f"<PostgresServer at port {self.port}>"

    def new_database(self) -> str:
        """The conninfo of a new and empty one."""
        import psycopg

        name = f"test{next(self._numbers)}"
        with psycopg.connect(self.conninfo, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self._conninfo(name)

    def stop(self) -> None:
        super().stop()
        shutil.rmtree(self.process.folder, ignore_errors=True)  # gone already, where it was stopped before

    def _conninfo(self, database: str) -> str:
        return f"postgresql://{_USER}@127.0.0.1:{self.port}/{database}"

    def _wait_until_ready(self) -> None:
        import psycopg

        def ready() -> bool:
            self.process.require_running()
            try:
                psycopg.connect(self.conninfo, connect_timeout=5).close()
            except psycopg.OperationalError:  # starting up, or reading what it had written
                return False
            return True

        wait_until(ready, "a PostgreSQL that answers")


def start_postgres(folder: Path, *, durable: bool = False) -> PostgresServer:
    """A server that answers; its log is in `folder`. A durable one writes to disk before it tells of a commit."""
    binaries = _find_binaries()
    user = _other_than_root()
    # Not in `folder`: PostgreSQL refuses to run as root, and a folder of pytest's is closed to all others.
    home = Path(mkdtemp(prefix="sojourn-postgres-"))
    try:
        if user:
            os.chown(home, user.pw_uid, user.pw_gid)
        _initialize(binaries, home, user)
        command = [str(binaries / "postgres"), "-D", "data", "-c", "max_connections=200", *([] if durable else _HASTE)]
        return PostgresServer(command, home, folder / "output.log", user)
    except BaseException:
        shutil.rmtree(home)
        raise


def _find_binaries() -> Path:
    """Debian keeps them off the PATH, a folder for each version. Raises FileNotFoundError where there are none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: float(path.parts[-3]))
    on_path = shutil.which("postgres")
    if found:
        return found[-1].parent
    if on_path:
        return Path(on_path).resolve().parent
    raise FileNotFoundError("There is no PostgreSQL in /usr/lib/postgresql or on the PATH: `make test` installs it.")


def _other_than_root() -> struct_passwd | None:
    if os.geteuid():
        return None
    try:
        return getpwnam("postgres")
    except KeyError:
        return getpwnam("nobody")


def _initialize(binaries: Path, folder: Path, user: struct_passwd | None) -> None:
    done = subprocess.run(
        [str(binaries / "initdb"), "-D", "data", "-U", _USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
        cwd=folder,
        user=user and user.pw_uid,
        group=user and user.pw_gid,
        extra_groups=user and [],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"initdb ended with {done.returncode}:\n{done.stdout}{done.stderr}")
