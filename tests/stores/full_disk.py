"""A store on a disk that is full: run where `folder` is a small disk, as tests.servers.apart makes one.

`python -m tests.stores.full_disk KIND FOLDER HOME`. Prints what a manager said while the disk was full, and after.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg

from sojourn import Policy, SessionManager, StoreUnavailable
from sojourn.core.store import Store
from sojourn.stores.postgres import AsyncPostgresStore, PostgresStore, migrate
from sojourn.stores.sqlite import AsyncSQLiteStore, SQLiteStore
from sojourn.testing import blocking
from tests.servers.postgres import start_postgres


def _on_sqlite(kind: str, folder: Path) -> Store:
    path = folder / "sessions.sqlite3"
    return blocking(AsyncSQLiteStore(path)) if "async" in kind else SQLiteStore(path)


def _on_postgres(kind: str, folder: Path, home: Path, stack: ExitStack) -> Store:
    server = stack.enter_context(start_postgres(home))
    space = folder / "tablespace"
    space.mkdir(0o700)
    if not os.geteuid():
        os.chown(space, server.user_id, -1)
    migrate(server.conninfo)
    with psycopg.connect(server.conninfo, autocommit=True) as connection:
        connection.execute(f"CREATE TABLESPACE small LOCATION '{space}'")
        connection.execute("ALTER TABLE sojourn_session SET TABLESPACE small")
    # Somebody reads for a long time: versions of rows that he may still see are kept, so each update needs new room.
    reader = stack.enter_context(psycopg.connect(server.conninfo))
    reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    reader.execute("SELECT 1")
    return blocking(AsyncPostgresStore(server.conninfo)) if "async" in kind else PostgresStore(server.conninfo)


def _fill(folder: Path) -> Path:
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (65536, 512, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue
    return filler


def _say(call: Callable[[], object]) -> str:
    try:
        call()
    except StoreUnavailable as error:
        return f"{type(error).__name__}: {error}"
    return "done"


def _use(store: Store, folder: Path) -> dict[str, object]:
    now = [1_800_000_000_000]
    manager = SessionManager(store, Policy(idle_timeout=8 * 3600, rotate_interval=None), clock=lambda: now[0])
    session = manager.anonymous()
    session.login("ada")
    reply = manager.commit(session)
    assert reply.token is not None
    token = reply.token.reveal()

    def read() -> Any:
        now[0] += 61_000
        found = manager.open(token)
        assert found.user_id == "ada", found.end_reason
        manager.commit(found)
        return found

    def write() -> None:
        found = read()
        found["cart"] = os.urandom(12_000).hex()  # nothing that could be made smaller
        manager.commit(found)

    filler = _fill(folder)
    # Until what room there was in the file is taken, writes go on.
    reads = [_say(read) for _ in range(60)]
    full = {"reads": sorted(set(reads)), "write": _say(write)}
    filler.unlink()
    now[0] += 6_000
    before = now[0]
    return {**full, "afterwards": _say(write), "seen": read()._record.seen_at >= before}


def main() -> None:
    """Be the store that the command line names."""
    kind, folder, home = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    with ExitStack() as stack:
        store = _on_sqlite(kind, folder) if "sqlite" in kind else _on_postgres(kind, folder, home, stack)
        sys.stdout.write(json.dumps(_use(store, folder)))
        store.close()


if __name__ == "__main__":
    main()
