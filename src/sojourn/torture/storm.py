"""The storm: in every process clients use sessions while something fails. The history of it all is judged then."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from msgspec.structs import replace as changed

from .faults import CommandFaults, Faults, Kills, NetworkFaults, Pauses
from .history import Fault, Heading, History, Operation
from .judgement import BROKEN, Violation, judge
from .proxy import Proxy
from .race_context import RaceContext
from .result import Figure, Tally
from .storm_client import Failed, Writer, storm
from .storm_plan import StormPlan
from .storm_sight import begin_shared, look
from .worker_pool import Killed, WorkerCall, WorkerPool

__all__ = ["failover", "judged", "kill", "network", "pause"]

CLIENTS = 4  # in each process


def pause(context: RaceContext) -> Tally:
    """Processes are stopped for a while, again and again, in a storm: log-ins, writes, reads, log-outs, lists."""
    return _Storm(context, "pause").run(Pauses(context))


def kill(context: RaceContext) -> Tally:
    """A quarter of the processes are killed (kill -9) in a storm."""
    return _Storm(context, "kill").run(Kills(context))


def network(context: RaceContext) -> Tally:
    """Between the processes and the server connections are cut or forgotten, answers lost, and nothing gets through."""
    target = context.pool.target
    assert target.address is not None
    with Proxy(target.address) as proxy, WorkerPool(target.at_port(proxy.port), context.pool.size) as pool:
        return _Storm(replace(context, pool=pool), "network").run(NetworkFaults(context, proxy))


def failover(context: RaceContext) -> Tally:
    """The command of --during-storm is run in a storm: a restart of the server, say."""
    assert context.command is not None
    command = CommandFaults(context, context.command)
    tally = _Storm(context, "storm").run(command)
    tally.figures["command_exit_code"] = command.exit_code
    if command.exit_code:
        tally.note += f"; the command ended with {command.exit_code}: {command.last_line}"
    return tally


class _Storm:
    def __init__(self, context: RaceContext, name: str) -> None:
        self._context = context
        self._name = name
        self._began = time.monotonic()
        self._operations: dict[str, Operation] = {}
        self._errors: Counter[str] = Counter()
        self._acknowledged = 0

    def run(self, faults: Faults) -> Tally:
        """Storm while `faults` come, see what is there then, and judge."""
        context, plan = self._context, self._plan()
        calls = []
        for where in range(context.pool.size):
            for number in range(CLIENTS):
                name = f"{where}.{number}"
                args = (plan, name, where, context.user(f"mover-{name}"), context.random.random())
                calls.append(WorkerCall(where, storm, args))

        def tick() -> None:
            passed = plan.passed
            shown = f"{min(passed, context.storm):.1f} of {context.storm:g} s, {self._acknowledged:,} acknowledged"
            context.progress(shown)
            faults.inject(passed)

        try:
            writers = context.pool.at_once(calls, on_report=self._on_report, tick=tick)
        finally:
            faults.end()
        context.pool.replace_dead()
        time.sleep(context.pool.staleness)
        self._look_afterwards(plan)
        history = self._history(plan, faults.injected)
        context.keep(history)
        return self._tally(history, faults, [writer for writer in writers if not isinstance(writer, Killed)])

    def _plan(self) -> StormPlan:
        """Make the sessions that all clients share, two of each of some users."""
        context = self._context
        shared, capped_users = StormPlan.sizes(context.storm)
        users = [context.user(f"shared-{number // 2}") for number in range(shared)]
        begun = context.in_batches(begin_shared, [(self._began, number, user) for number, user in enumerate(users)])
        shift = time.monotonic() - self._began
        for _, login in begun:
            self._note(_shifted(login, shift))
        capped = [context.user(f"capped-{number}") for number in range(capped_users)]
        return StormPlan(self._began + shift, context.storm, [visitor for visitor, _ in begun], capped)

    def _on_report(self, fact: Any) -> None:
        match fact:
            case Operation():
                self._note(fact)
                self._acknowledged += fact.outcome == "ok" and fact.kind not in ("read", "list")
            case Failed(kind):
                self._errors[kind] += 1

    def _note(self, operation: Operation) -> None:
        self._operations[operation.name] = operation
        if operation.kind == "login" and operation.user is None and operation.session:
            self._context.remember([operation.session])

    def _look_afterwards(self, plan: StormPlan) -> None:
        """Every session, then every list, then what is in the lists and was not known of."""
        done = list(self._operations.values())
        ids = {each.session for each in done if each.kind == "login" and each.session}
        users = {each.user for each in done if each.kind in ("login", "list") and each.user}
        self._look(plan, [(id, None) for id in sorted(ids)])
        lists = self._look(plan, [(None, user) for user in sorted(users)])
        self._look(plan, [(id, None) for id in sorted({one.id for each in lists for one in each.listed} - ids)])

    def _look(self, plan: StormPlan, what: Sequence[tuple[str | None, str | None]]) -> Sequence[Operation]:
        first = len(self._operations)
        args = [(plan.began, first + number, id, user) for number, (id, user) in enumerate(what)]
        found: Sequence[Operation] = self._context.in_batches(look, args)
        for operation in found:
            self._note(operation)
        return found

    def _history(self, plan: StormPlan, faults: Sequence[Fault]) -> History:
        staleness = self._context.pool.staleness
        heading = Heading(race=self._name, staleness=staleness, faults=tuple(faults))
        return History(heading, sorted(self._operations.values(), key=lambda each: each.invoked))

    def _tally(self, history: History, faults: Faults, writers: Sequence[Writer]) -> Tally:
        tally = judged(history)
        wait = max((writer.longest_wait for writer in writers), default=0.0)
        is_back = all(writer.is_back for writer in writers)
        errors = ", ".join(f"{count:,} {kind}" for kind, count in self._errors.most_common())
        notes = [faults.note, f"{self._acknowledged:,} acknowledged", f"errors: {errors or 'none'}"]
        notes.append(f"longest wait {wait:.1f} s")
        if self._errors:
            notes.append("back by itself" if is_back else "NOT back by itself")
        tally.note = ", ".join(filter(None, notes)) + (f". {tally.note}" if tally.note else "")
        tally.figures |= {
            **faults.figures,
            "acknowledged": self._acknowledged,
            "errors": sum(self._errors.values()),
            "longest_wait": int(wait * 1000),
            "back_by_itself": is_back,
        }
        tally.lost += not is_back
        return tally


def judged(history: History) -> Tally:
    """What a history shows: each operation a try, each broken promise lost."""
    violations = judge(history)
    counts = Counter(violation.kind for violation in violations)
    figures: dict[str, Figure] = {kind: counts[kind] for kind in BROKEN}
    return Tally(len(history.operations), len(violations), _told(violations, counts), figures)


def _told(violations: Sequence[Violation], counts: Mapping[str, int]) -> str:
    """Each kind with what it means, and an example."""
    first = {violation.kind: violation for violation in reversed(violations)}
    return "; ".join(
        f"{counts[kind]:,} {kind} ({BROKEN[kind]}), {first[kind].subject} say: {first[kind].told}"
        for kind in BROKEN
        if counts[kind]
    )


def _shifted(login: Operation, by: float) -> Operation:
    return changed(login, invoked=login.invoked - by, completed=(login.completed or 0.0) - by)
