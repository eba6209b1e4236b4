"""Writers: processes that change sessions in one file at once, each with many requests under way."""

from __future__ import annotations

import asyncio
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path
from time import perf_counter

from sojourn import AsyncSessionManager
from sojourn.stores.sqlite import AsyncSQLiteStore

__all__ = ["run_writers"]


def run_writers(path: Path, processes: int, tasks: int, seconds: float) -> list[float]:
    """The seconds that each request took: open a session of its own, change one key, commit."""
    context = get_context("spawn")
    start = context.Barrier(processes)
    running = []
    for _ in range(processes):
        answer, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_process, args=(path, tasks, seconds, start, theirs), daemon=True)
        process.start()
        # Theirs alone: if they die, recv below must not wait for ever.
        theirs.close()
        running.append((process, answer))
    took: list[float] = []
    for process, answer in running:
        took += answer.recv()
        process.join()
    return took


def _process(path: Path, tasks: int, seconds: float, start: Barrier, answer: Connection) -> None:
    answer.send(asyncio.run(_write(path, tasks, seconds, start)))


async def _write(path: Path, tasks: int, seconds: float, start: Barrier) -> list[float]:
    manager = AsyncSessionManager(AsyncSQLiteStore(path))
    tokens = [await _new_token(manager) for _ in range(tasks)]
    start.wait()
    took = await asyncio.gather(*[_change(manager, token, seconds) for token in tokens])
    await manager.close()
    return [second for seconds_of_task in took for second in seconds_of_task]


async def _new_token(manager: AsyncSessionManager) -> str:
    session = manager.anonymous()
    session["visits"] = 0
    token = (await manager.commit(session)).token
    assert token is not None
    return token.reveal()


async def _change(manager: AsyncSessionManager, token: str, seconds: float) -> list[float]:
    end, took = perf_counter() + seconds, []
    while (began := perf_counter()) < end:
        session = await manager.open(token)
        session["visits"] += 1
        await manager.commit(session)
        took.append(perf_counter() - began)
    return took
