"""WorkerPool: the processes that torture a store. They are started once, given work, and may be killed."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any, NamedTuple, Self

from sojourn.core.errors import ConfigurationError, StoreUnavailable

from .target import Target
from .worker import Answers, Failure, Order, Ready, Report, Work, run_worker

__all__ = ["Killed", "RaceError", "WorkerCall", "WorkerPool"]

# A call is over within seconds; a process that says nothing for so long hangs, or its store does.
PATIENCE = 90.0
# Seconds between an order and the moment at which all processes begin together.
HEAD_START = 0.003


class RaceError(Exception):
    """A race came to no end: a call raised what no race expects, a process died, or it did not answer.

    `unavailable`: the store did not answer, as it said itself.
    """

    def __init__(self, message: str, *, unavailable: bool = False) -> None:
        super().__init__(message)
        self.unavailable = unavailable


class Killed(NamedTuple):
    """In place of the answer of a process that was killed on purpose."""


class WorkerCall(NamedTuple):
    """Something that the instance `where` is to do: a coroutine function of this package, and its arguments."""

    where: int
    work: Work
    args: tuple[Any, ...]


class WorkerPool:
    """`size` processes over the target, every other one with an event loop where the target has both kinds."""

    def __init__(self, target: Target, size: int) -> None:
        self.target = target
        self._workers = [_WorkerProcess(target, number) for number in range(size)]
        self.staleness = 0.0
        self.awaited = 0

    def __enter__(self) -> Self:
        try:
            ready = [worker.ready() for worker in self._workers]
        except BaseException:
            self._end()
            raise
        self.staleness = max(one.staleness for one in ready)
        self.awaited = sum(one.awaited for one in ready)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end()

    @property
    def size(self) -> int:
        """How many processes there are."""
        return len(self._workers)

    def at_once(
        self,
        calls: Sequence[WorkerCall],
        *,
        on_report: Callable[[Any], None] = lambda fact: None,
        tick: Callable[[], None] = lambda: None,
    ) -> list[Any]:
        """What the calls return, in their order; all start at the same moment. Raises RaceError.

        `on_report` is called with the facts that calls report meanwhile, `tick` again and again. What a process that
        `kill` ended was to do returns Killed.
        """
        at = time.monotonic() + HEAD_START
        busy: dict[Connection, int] = {}
        try:
            for where in {call.where for call in calls}:
                worker = self._workers[where]
                # First: whoever interrupts must not leave an answer behind, which the next call would take for its own.
                busy[worker.connection] = where
                worker.send(Order([(call.work, call.args) for call in calls if call.where == where], at))
            answers = self._collect(busy, on_report, tick)
        except BaseException:
            self._settle(busy)
            raise
        queues = {where: iter(results) for where, results in answers.items()}
        results = [next(queues[call.where], Killed()) for call in calls]
        for result in results:
            if isinstance(result, Failure):
                unavailable = result.kind == StoreUnavailable.__name__
                raise RaceError(f"{result.kind}: {result.message}", unavailable=unavailable)
        return results

    def _collect(
        self,
        busy: dict[Connection, int],
        on_report: Callable[[Any], None],
        tick: Callable[[], None],
        patience: float = PATIENCE,
    ) -> dict[int, Sequence[Any]]:
        answers: dict[int, Sequence[Any]] = {}
        heard = time.monotonic()
        while busy:
            for connection in wait(list(busy), 0.02):
                heard = time.monotonic()
                assert isinstance(connection, Connection)
                where = busy[connection]
                message = self._workers[where].receive()
                if isinstance(message, Report):
                    on_report(message.fact)
                else:
                    del busy[connection]
                    answers[where] = message.results if isinstance(message, Answers) else ()
            tick()
            if time.monotonic() - heard > patience:
                raise RaceError(f"{len(busy)} of the processes said nothing for {patience:g} s: they hang.")
        return answers

    def _settle(self, busy: dict[Connection, int]) -> None:
        """After an interruption: let the processes finish what they are at, or end them."""
        with suppress(RaceError):
            self._collect(busy, lambda fact: None, lambda: None, patience=5)
        for where in busy.values():
            self.kill(where)

    def kill(self, where: int) -> None:
        """End a process as `kill -9` does, in the middle of what it is at."""
        self._workers[where].kill()

    def pause(self, where: int) -> None:
        """Stop a process in the middle of what it is at (SIGSTOP)."""
        self._workers[where].signal(signal.SIGSTOP)

    def resume(self, where: int) -> None:
        """Let it go on."""
        self._workers[where].signal(signal.SIGCONT)

    def replace_dead(self) -> None:
        """Start a process in the place of each that was killed, or that died."""
        fresh = [number for number, worker in enumerate(self._workers) if worker.killed]
        for number in fresh:
            self._workers[number].end()
            self._workers[number] = _WorkerProcess(self.target, number)
        for number in fresh:
            self._workers[number].ready()

    def _end(self) -> None:
        for worker in self._workers:
            worker.dismiss()
        for worker in self._workers:
            worker.end()


class _WorkerProcess:
    """One process and our end of its pipe."""

    def __init__(self, target: Target, number: int) -> None:
        # Not forked from us: nothing of ours, like an open connection, may be in it.
        context = get_context("forkserver")
        context.set_forkserver_preload([run_worker.__module__])
        self.connection, theirs = context.Pipe()
        # The server of forks, made once, has the environment of that moment.
        args = (theirs, target, number % 2 == 1, dict(os.environ))
        self._process = context.Process(target=run_worker, args=args, daemon=True)
        self._process.start()
        theirs.close()
        self.killed = False

    def ready(self) -> Ready:
        """Wait until it has its store. Raises ConfigurationError or StoreUnavailable, as that did."""
        try:
            answer = self.receive() if self.connection.poll(PATIENCE) else None
        except RaceError as error:
            raise StoreUnavailable(str(error)) from None
        if isinstance(answer, Failure):
            if answer.kind == ConfigurationError.__name__:
                raise ConfigurationError(answer.message)
            raise StoreUnavailable(answer.message if answer.is_ours else f"{answer.kind}: {answer.message}")
        if not isinstance(answer, Ready):
            raise StoreUnavailable(f"The store was not opened within {PATIENCE:g} s.")
        return answer

    def send(self, order: Order | None) -> None:
        """Tell it what to do; None is the end. One that is dead is noticed in `receive`."""
        with suppress(OSError):
            self.connection.send(order)

    def receive(self) -> Ready | Failure | Report | Answers | None:
        """Its next message; None if it was killed. Raises RaceError if it died of itself."""
        try:
            return self.connection.recv()  # type: ignore[no-any-return]
        except (EOFError, OSError):
            if self.killed:
                return None
            self.killed = True
            self._process.join(1)
            raise RaceError(f"A process died, with the exit code {self._process.exitcode}.") from None

    def kill(self) -> None:
        """As WorkerPool.kill."""
        self.killed = True
        self._process.kill()

    def signal(self, what: signal.Signals) -> None:
        """Send it a signal, if it is alive."""
        if self._process.pid is not None and self._process.is_alive():
            os.kill(self._process.pid, what)

    def dismiss(self) -> None:
        """Let it close its store and end."""
        self.send(None)

    def end(self) -> None:
        """Wait for its end, and see to it."""
        self._process.join(5)
        if self._process.exitcode is None:
            self._process.kill()
            self._process.join()
        self.connection.close()
        self._process.close()
