"""The storm: writes and log-outs in every process while something fails. What was acknowledged must be there."""

from __future__ import annotations

import subprocess
import time
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, NamedTuple

from sojourn.core.errors import StoreUnavailable
from sojourn.core.session import Session

from .instance import OWNER, Instance, Visitor
from .race_context import RaceContext, revealed
from .result import Tally
from .worker_pool import Killed, WorkerCall

__all__ = ["failover", "kill"]

SESSIONS = 16
WRITERS = 4  # in each process
LOG_OUT_EVERY = 20
# After an error a request is tried again, as a browser's user would.
RETRY_AFTER = 0.02
# How long after the storm the store may take to be back.
COME_BACK_WITHIN = 30.0


class Wrote(NamedTuple):
    """The store acknowledged that this writer's key of that session holds `number`."""

    session: int
    writer: str
    number: int


class LoggedOut(NamedTuple):
    """The store acknowledged that this session is over."""

    visitor: Visitor


class Failed(NamedTuple):
    """A request came to an error of this class."""

    kind: str


class Mistaken(NamedTuple):
    """A live token was served as nobody, or as somebody else, and without an error."""


class Writer(NamedTuple):
    """How it went for one writer: its longest time without a good answer, and whether the last one was good."""

    longest_wait: float
    is_back: bool


def kill(context: RaceContext) -> Tally:
    """A quarter of the processes are killed (kill -9) in a storm of writes and log-outs."""
    pool = context.pool
    victims = context.random.sample(range(pool.size), max(1, pool.size // 4))
    at = [context.storm * context.random.uniform(0.3, 0.7) for _ in victims]
    due = sorted(zip(at, victims, strict=True))

    def inject_fault(passed: float) -> None:
        while due and passed >= due[0][0]:
            pool.kill(due.pop(0)[1])

    tally = _Storm(context).run(inject_fault)
    tally.figures["killed"] = len(victims)
    tally.note = f"{len(victims)} of {pool.size} processes killed, {tally.note}"
    return tally


def failover(context: RaceContext) -> Tally:
    """The command of --during-storm is run in a storm of writes and log-outs: a restart of the server, say."""
    assert context.command is not None
    running: list[subprocess.Popen[str]] = []

    def inject_fault(passed: float) -> None:
        if not running and passed >= context.storm * 0.4:
            # The command is the caller's own, for their own shell.
            running.append(
                subprocess.Popen(  # noqa: S602
                    context.command or "", shell=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
                )
            )

    tally = _Storm(context).run(inject_fault)
    (command,) = running
    try:
        output, _ = command.communicate(timeout=COME_BACK_WITHIN)
    except subprocess.TimeoutExpired:
        command.kill()
        output = "It was still running and was ended."
        command.communicate()
    tally.figures["command_exit_code"] = command.returncode
    if command.returncode:
        last = output.strip().splitlines()[-1:] or [""]
        tally.note += f"; the command ended with {command.returncode}: {last[0]}"
    return tally


class _Storm:
    def __init__(self, context: RaceContext) -> None:
        self._context = context
        self._sessions = context.log_in(SESSIONS)
        self._wrote: dict[tuple[int, str], int] = {}
        self._logged_out: list[Visitor] = []
        self._errors: Counter[str] = Counter()
        self._mistaken = 0
        self._acknowledged = 0

    def run(self, inject_fault: Callable[[float], None]) -> Tally:
        """Storm; `inject_fault` is called again and again with the seconds passed. Then see what is there."""
        context, began, calls = self._context, time.monotonic(), []
        for where in range(context.pool.size):
            leaver = context.user(f"leaver-{where}")
            for number in range(WRITERS):
                args = (f"w{where}.{number}", leaver, self._sessions, context.storm, context.random.random())
                calls.append(WorkerCall(where, storm, args))

        def tick() -> None:
            passed = time.monotonic() - began
            context.progress(
                f"{min(passed, context.storm):.1f} of {context.storm:g} s, {self._acknowledged:,} acknowledged"
            )
            inject_fault(passed)

        writers = context.pool.at_once(calls, on_report=self._on_report, tick=tick)
        context.pool.replace_dead()
        time.sleep(context.pool.staleness)
        return self._tally([writer for writer in writers if not isinstance(writer, Killed)])

    def _on_report(self, fact: Any) -> None:
        match fact:
            case Wrote(session, writer, number):
                self._acknowledged += 1
                self._wrote[session, writer] = number
            case LoggedOut(visitor):
                self._acknowledged += 1
                self._logged_out.append(visitor)
            case Failed(kind):
                self._errors[kind] += 1
            case Mistaken():
                self._mistaken += 1

    def _tally(self, writers: Sequence[Writer]) -> Tally:
        lost, back = self._lost_writes(), self._lost_logouts()
        wait = max((writer.longest_wait for writer in writers), default=0.0)
        is_back = all(writer.is_back for writer in writers)
        errors = ", ".join(f"{count:,} {kind}" for kind, count in self._errors.most_common())
        note = [f"{self._acknowledged:,} acknowledged", f"errors: {errors or 'none'}", f"longest wait {wait:.1f} s"]
        if self._errors:
            note.append("back by itself" if is_back else "NOT back by itself")
        if self._mistaken:
            note.append(f"{self._mistaken:,} requests with a live token were served as nobody, or as somebody else")
        figures = {
            "acknowledged": self._acknowledged,
            "lost_writes": lost,
            "lost_logouts": back,
            "served_wrongly": self._mistaken,
            "errors": sum(self._errors.values()),
            "longest_wait": int(wait * 1000),
            "back_by_itself": is_back,
        }
        lost += back + self._mistaken + (not is_back)
        return Tally(tries=self._acknowledged, lost=lost, note=", ".join(note), figures=dict(figures))

    def _lost_writes(self) -> int:
        held = self._context.in_batches(holds, [(session,) for session in self._sessions])
        return sum(held[session].get(writer, -1) < number for (session, writer), number in self._wrote.items())

    def _lost_logouts(self) -> int:
        return sum(self._context.in_batches(is_back, [(visitor,) for visitor in self._logged_out]))


# In the processes


async def storm(
    instance: Instance, name: str, leaver: str, sessions: Sequence[Visitor], seconds: float, seed: float
) -> Writer:
    """Write to sessions at random, log in and out now and then, and report all that was acknowledged."""
    chance, until = Random(seed), time.monotonic() + seconds  # noqa: S311  # chance, not secrets
    number, answered, longest, failing = 0, time.monotonic(), 0.0, False
    while time.monotonic() < until + (COME_BACK_WITHIN if failing else 0):
        number += 1
        try:
            if number % LOG_OUT_EVERY == 0:
                await _log_in_and_out(instance, leaver)
            else:
                await _write(instance, chance.randrange(len(sessions)), sessions, name, number)
        # Whatever it is: an application would have answered with an error.
        except Exception as error:  # noqa: BLE001
            instance.report(Failed(type(error).__name__))
            failing = True
            await instance.pause(RETRY_AFTER)
        else:
            now, failing = time.monotonic(), False
            longest, answered = max(longest, now - answered), now
            await instance.pause(0)
    return Writer(max(longest, time.monotonic() - answered), not failing)


async def _write(instance: Instance, chosen: int, sessions: Sequence[Visitor], name: str, number: int) -> None:
    session = await instance.open(sessions[chosen])
    if session.status != "active" or session.user_id != sessions[chosen].user:
        instance.report(Mistaken())
        return
    session[name] = number
    await instance.manager().commit(session)
    instance.report(Wrote(chosen, name, number))


async def _log_in_and_out(instance: Instance, user: str) -> None:
    manager = instance.manager()
    session = manager.anonymous()
    session[OWNER] = user
    session.login(user)
    token = revealed((await manager.commit(session)).token)
    session.logout()
    await manager.commit(session)
    instance.report(LoggedOut(Visitor(token, user, user)))


async def holds(instance: Instance, visitor: Visitor) -> dict[str, int]:
    """What each writer's key of the session holds; nothing, if it is not there."""
    session = await _patiently(instance, visitor)
    return {key: value for key, value in session.items() if isinstance(value, int)}


async def is_back(instance: Instance, visitor: Visitor) -> bool:
    """Whether a session is live that was logged out."""
    return (await _patiently(instance, visitor)).status == "active"


async def _patiently(instance: Instance, visitor: Visitor) -> Session:
    """Open a session, when the store is back."""
    until = time.monotonic() + COME_BACK_WITHIN
    while True:
        try:
            return await instance.open(visitor)
        except StoreUnavailable:
            if time.monotonic() > until:
                raise
            await instance.pause(RETRY_AFTER)
