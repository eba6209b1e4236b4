"""LockWatch: a second process that asks for a session file's write lock all the time, and notes how long it waits."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from pathlib import Path
from time import perf_counter, sleep
from types import TracebackType
from typing import Self

__all__ = ["LockWatch"]

# Short beside what is measured, and long enough to leave the processor to who is watched.
PAUSE = 0.0003


class LockWatch:
    """Watches for as long as the `with` lasts; `waits` are seconds, there after it."""

    def __init__(self, path: Path) -> None:
        context = get_context("spawn")
        self._stop = context.Event()
        self._answer, self._theirs = context.Pipe(duplex=False)
        self._process = context.Process(target=_watch, args=(path, self._stop, self._theirs), daemon=True)
        self.waits: list[float] = []

    def __enter__(self) -> Self:
        self._process.start()
        # The watcher's alone: if it dies, recv must not wait for ever.
        self._theirs.close()
        assert self._answer.recv() == "watching"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self.waits = self._answer.recv()
        self._process.join()


def _watch(path: Path, stop: Event, answer: Connection) -> None:
    waits = []
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
        answer.send("watching")
        while not stop.is_set():
            waits.append(_wait(connection))
            sleep(PAUSE)
    answer.send(waits)


def _wait(connection: sqlite3.Connection) -> float:
    """The seconds until the write lock was had; it is given back at once."""
    began = perf_counter()
    while True:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            # SQLite's own waiting doubles its naps: it would measure itself.
            sleep(PAUSE)
            continue
        waited = perf_counter() - began
        connection.execute("ROLLBACK")
        return waited
