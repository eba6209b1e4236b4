"""Whose thread writes: a process that is forked meanwhile writes on, and trio's loop goes on as asyncio's does."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
import trio

from sojourn.audit import AuditFile, AuditTable
from sojourn.audit.entry import Entry
from sojourn.audit.trail import AuditTrail
from sojourn.stores.postgres import migrate
from tests.servers.postgres import PostgresServer

FORKS = 10


@pytest.fixture(params=["file", "sqlite", "postgres"])
def trail(request: pytest.FixtureRequest, tmp_path: Path) -> AuditTrail:
    """One that is empty."""
    if request.param == "file":
        return AuditFile(tmp_path / "audit.jsonl")
    if request.param == "sqlite":
        return AuditTable(f"sqlite:///{tmp_path}/sessions.db")
    server: PostgresServer = request.getfixturevalue("postgres")
    conninfo = server.new_database()
    migrate(conninfo)
    return AuditTable(conninfo)


def note(trail: AuditTrail) -> None:
    trail.note("counted", by="application")


def test_a_fork_while_a_thread_writes_leaves_both_able_to_write(trail: AuditTrail) -> None:
    over = threading.Event()

    def write() -> None:
        while not over.is_set():
            note(trail)

    writer = threading.Thread(target=write)
    writer.start()
    fork, codes = multiprocessing.get_context("fork"), []
    for _ in range(FORKS):
        process = fork.Process(target=note, args=(trail,))
        process.start()
        process.join(30)
        codes.append(process.exitcode)
        process.kill()
        if codes[-1] != 0:
            break
    over.set()
    writer.join()
    note(trail)
    trail.close()

    assert codes == [0] * FORKS


def test_trio_s_loop_does_not_wait_for_a_table_either(tmp_path: Path) -> None:
    trail = AuditTable(f"sqlite:///{tmp_path}/sessions.db")
    writers, append = [], trail.table.append

    def noted(entries: Sequence[Entry]) -> None:
        writers.append(threading.current_thread())
        append(entries)

    trail.table.append = noted  # type: ignore[method-assign]

    async def tell() -> None:
        note(trail)

    trio.run(tell)
    trail.close()

    assert [writer is threading.current_thread() for writer in writers] == [False]
