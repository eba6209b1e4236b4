"""A process that is killed in a storm of writes loses none that it had acknowledged, and leaves a sound file."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sojourn import SessionManager
from sojourn.stores.sqlite import SQLiteStore

SYNC = """
import sys, threading
from sojourn import SessionManager
from sojourn.stores.sqlite import SQLiteStore

manager, token = SessionManager(SQLiteStore(sys.argv[1])), sys.argv[2]
lock = threading.Lock()

def storm(thread):
    for number in range(1_000_000):
        session = manager.open(token)
        session[f"k{thread}"] = number
        if number % 50 == 0:
            ended = manager.anonymous()
            ended.login(f"user{thread}")
            made = manager.commit(ended)
            assert manager.revoke(made.token.id)
            with lock:
                print("ended", made.token.id, flush=True)
        manager.commit(session)
        with lock:
            print("wrote", thread, number, flush=True)

for thread in range(4):
    threading.Thread(target=storm, args=(thread,)).start()
"""

ASYNC = """
import asyncio, sys
from sojourn import AsyncSessionManager
from sojourn.stores.sqlite import AsyncSQLiteStore

async def storm(manager, token, task):
    for number in range(1_000_000):
        session = await manager.open(token)
        session[f"k{task}"] = number
        if number % 50 == 0:
            ended = manager.anonymous()
            ended.login(f"user{task}")
            made = await manager.commit(ended)
            assert await manager.revoke(made.token.id)
            print("ended", made.token.id, flush=True)
        await manager.commit(session)
        print("wrote", task, number, flush=True)

async def main():
    manager = AsyncSessionManager(AsyncSQLiteStore(sys.argv[1]))
    await asyncio.gather(*[storm(manager, sys.argv[2], task) for task in range(4)])

asyncio.run(main())
"""


@pytest.mark.parametrize("program", [SYNC, ASYNC], ids=["threads", "event loop"])
def test_a_killed_process_loses_nothing_that_it_acknowledged(tmp_path: Path, program: str) -> None:
    path = tmp_path / "sessions.sqlite3"
    manager = SessionManager(SQLiteStore(path))
    session = manager.anonymous()
    session.start()
    token = manager.commit(session).token
    assert token is not None
    output = tmp_path / "acknowledged"
    with output.open("w") as file:
        storm = subprocess.Popen([sys.executable, "-c", program, str(path), token.reveal()], stdout=file)
        deadline = time.monotonic() + 30
        while output.stat().st_size < 20_000 and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(storm.pid, signal.SIGKILL)
        storm.wait()
    last: dict[str, int] = {}
    ended = []
    # The last line may have been cut by the kill.
    for line in output.read_text().splitlines(keepends=True):
        match line.split():
            case ["wrote", writer, number] if line.endswith("\n"):
                last[writer] = int(number)
            case ["ended", id] if line.endswith("\n"):
                ended.append(id)
    after = manager.open(token.reveal())

    assert len(last) == 4
    assert ended
    assert all(after[f"k{writer}"] >= number for writer, number in last.items())
    for id in ended:
        info = manager.get(id)
        assert info is not None
        assert info.end_reason == "revoked"
    manager.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
