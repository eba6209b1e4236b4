"""PgBouncer, a pooler in front of a PostgreSQL server, for tests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from pwd import getpwnam
from tempfile import TemporaryDirectory

import psycopg

from tests.servers.port import find_port
from tests.servers.postgres import PostgresServer
from tests.servers.process import Process
from tests.servers.waiting import wait_until

__all__ = ["start_pgbouncer"]

_SETTINGS = """
[databases]
* = host=127.0.0.1 port={server} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 2
"""


@contextmanager
def start_pgbouncer(server: PostgresServer, database: str) -> Iterator[str]:
    """The conninfo of a database through it: in transaction mode, two connections for all."""
    binary = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin")
    if binary is None:
        raise FileNotFoundError("There is no pgbouncer: `make test` installs it.")
    port = find_port()
    user = getpwnam("postgres")
    # Not in a folder of pytest's, which is closed to all others: it refuses to run as root.
    with TemporaryDirectory(prefix="sojourn-pgbouncer-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "pgbouncer.ini").write_text(_SETTINGS.format(server=server.port, port=port))
        process = Process([binary, str(folder / "pgbouncer.ini")], folder, folder / "output.log", user=user)
        conninfo = f"postgresql://postgres@127.0.0.1:{port}/{database}"

        def ready() -> bool:
            process.require_running()
            try:
                psycopg.connect(conninfo, connect_timeout=5, prepare_threshold=None).close()
            except psycopg.OperationalError:
                return False
            return True

        try:
            wait_until(ready, "a PgBouncer that answers")
            yield conninfo
        finally:
            process.stop()
