"""The worker: a process of its own that opens the target and does the work that it is sent over a pipe."""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from sojourn.core.errors import SojournError

from .instance import Instance, without_waiting
from .target import Target

__all__ = ["Answers", "Failure", "Order", "Ready", "Report", "run_worker"]

NO_ID = "0" * 32
# Threads are made as they are needed; one for each call that is started at the same moment.
MAX_THREADS = 512

Work = Callable[..., Coroutine[Any, Any, Any]]


class Ready(NamedTuple):
    """The worker has its store."""

    awaited: bool
    staleness: float


class Order(NamedTuple):
    """Calls to be started at the moment `at`, in seconds of time.monotonic(), which processes share."""

    calls: Sequence[tuple[Work, tuple[Any, ...]]]
    at: float


class Report(NamedTuple):
    """What a call reports while it is still at work."""

    fact: Any


class Answers(NamedTuple):
    """What the calls of an order returned, in its order, or the Failure of each that raised."""

    results: Sequence[Any]


class Failure(NamedTuple):
    """An error that a race did not expect. `kind` is the name of its class."""

    kind: str
    message: str
    is_ours: bool

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """What is passed on of an exception."""
        return cls(type(error).__name__, str(error), isinstance(error, SojournError))


def run_worker(connection: Connection, target: Target, awaited: bool, environment: Mapping[str, str]) -> None:
    """Run the worker until the pipe is closed. The first message is Ready, or a Failure."""
    os.environ.update(environment)
    # What a store prints does not belong among the results.
    os.dup2(2, 1)  # by number: sys.stdout is None where it was closed
    # Ctrl-C is for the process that gives the orders.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A driver's warnings during a storm would go between the lines of the table. Errors are counted anyway.
    logging.getLogger().addHandler(logging.NullHandler())
    worker = _Worker(connection)
    ready = worker.start(target, awaited)
    connection.send(ready)
    if isinstance(ready, Failure):
        return
    try:
        while (order := connection.recv()) is not None:
            worker.send(Answers(worker.do(order)))
    except (EOFError, OSError):
        pass  # the process that gave the orders is gone
    worker.stop()


class _Worker:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sending = threading.Lock()
        self._threads = ThreadPoolExecutor(MAX_THREADS)
        self._loop = asyncio.new_event_loop()
        self._instance: Instance

    def start(self, target: Target, awaited: bool) -> Ready | Failure:
        """Open the target, inside of an event loop as one may need, and ask it for something."""
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        try:
            store = self._wait(target.open(awaited=awaited))
        except Exception as error:  # noqa: BLE001  # whatever a stranger's class raises is passed on
            return Failure.of(error)
        self._instance = Instance(store, lambda fact: self.send(Report(fact)))
        # What is wrong with the store shows here, and not in the first race.
        (asked,) = self.do(Order([(_probe, ())], 0))
        return asked if isinstance(asked, Failure) else Ready(self._instance.waits, self._instance.staleness)

    def send(self, message: Report | Answers) -> None:
        """Send a message whole, whichever thread it comes from."""
        with self._sending:
            self._connection.send(message)

    def do(self, order: Order) -> Sequence[Any]:
        """Run the calls of an order, all at once."""
        if self._instance.waits:
            return self._wait(self._gather(order))  # type: ignore[no-any-return]
        gate = threading.Barrier(max(1, len(order.calls)))

        def run(work: Work, args: tuple[Any, ...]) -> Any:
            gate.wait()
            time.sleep(max(0, order.at - time.monotonic()))
            try:
                return without_waiting(work(self._instance, *args))
            except Exception as error:  # noqa: BLE001  # passed on
                return Failure.of(error)

        return list(self._threads.map(run, *zip(*order.calls, strict=True)))

    async def _gather(self, order: Order) -> Sequence[Any]:
        await asyncio.sleep(max(0, order.at - time.monotonic()))
        results = await asyncio.gather(
            *[work(self._instance, *args) for work, args in order.calls], return_exceptions=True
        )
        return [Failure.of(result) if isinstance(result, BaseException) else result for result in results]

    def stop(self) -> None:
        """Close the store."""
        self.do(Order([(_close, ())], 0))
        self._threads.shutdown()
        self._loop.call_soon_threadsafe(self._loop.stop)

    def _wait(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()


async def _probe(instance: Instance) -> None:
    await instance.manager().get(NO_ID)


async def _close(instance: Instance) -> None:
    closing = instance.store.close()
    if inspect.isawaitable(closing):
        await closing
