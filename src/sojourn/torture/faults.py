"""Faults: what goes wrong in a storm, and when. The seed chooses both."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

from .history import Fault
from .proxy import Proxy
from .race_context import RaceContext
from .result import Figure
from .storm_sight import COME_BACK_WITHIN

__all__ = ["CommandFaults", "Faults", "Kills", "NetworkFaults", "Pauses"]

# Seconds that a pause or a fault of the network lasts at most: longer than a cache's usual staleness.
LONGEST = 1.5
# Of a storm, the part that one lasts at most, so that a short storm has some too.
SHARE = 0.2


class _Due(NamedTuple):
    at: float
    what: str
    act: Callable[[], None]


class Faults:
    """Some faults. `inject` is called again and again; `injected` says what was done, `note` and `figures` how much."""

    note = ""

    def __init__(self, due: list[_Due]) -> None:
        self._due = sorted(due, key=lambda each: each.at)
        self.injected: list[Fault] = []

    @property
    def figures(self) -> Mapping[str, Figure]:
        """What a program is told of them."""
        return {}

    def inject(self, passed: float) -> None:
        """Do what is due when so many seconds of the storm have passed."""
        while self._due and passed >= self._due[0].at:
            each = self._due.pop(0)
            each.act()
            self.injected.append(Fault(round(passed, 3), each.what))

    def end(self) -> None:
        """Leave nothing broken that can be mended."""


class Pauses(Faults):
    """Processes are stopped (SIGSTOP) and go on: what a debugger, a busy host or a live migration does."""

    def __init__(self, context: RaceContext) -> None:
        self._pool = pool = context.pool
        chance, seconds = context.random, context.storm
        due: list[_Due] = []
        self._count = max(2, int(seconds / 2))
        for _ in range(self._count):
            where, at = chance.randrange(pool.size), chance.uniform(0.05, 0.75) * seconds
            lasts = chance.uniform(0.2, 1) * min(LONGEST, SHARE * seconds)
            due.append(_Due(at, f"process {where} is stopped", partial(pool.pause, where)))
            due.append(_Due(at + lasts, f"process {where} goes on", partial(pool.resume, where)))
        super().__init__(due)
        self.note = f"{self._count} pauses of processes"

    @property
    def figures(self) -> Mapping[str, Figure]:
        """As Faults.figures."""
        return {"paused": self._count}

    def end(self) -> None:
        """As Faults.end."""
        for where in range(self._pool.size):
            self._pool.resume(where)


class Kills(Faults):
    """A quarter of the processes are killed."""

    def __init__(self, context: RaceContext) -> None:
        pool, chance = context.pool, context.random
        victims = chance.sample(range(pool.size), max(1, pool.size // 4))
        super().__init__(
            [
                _Due(context.storm * chance.uniform(0.3, 0.7), f"process {where} is killed", partial(pool.kill, where))
                for where in victims
            ]
        )
        self._count = len(victims)
        self.note = f"{self._count} of {pool.size} processes killed"

    @property
    def figures(self) -> Mapping[str, Figure]:
        """As Faults.figures."""
        return {"killed": self._count}


class NetworkFaults(Faults):
    """Connections are cut; answers are lost; nothing is let through for a while; connections are forgotten."""

    def __init__(self, context: RaceContext, proxy: Proxy) -> None:
        self._proxy = proxy
        chance, seconds = context.random, context.storm
        due: list[_Due] = []
        self._count = max(3, int(seconds / 2))
        room = seconds * 0.8 / self._count
        for number in range(self._count):
            at = (number + chance.random() / 2) * room
            over = at + chance.uniform(0.2, 1) * min(LONGEST, room / 2)
            if number % 4 == 0:
                due.append(_Due(at, "connections are cut", proxy.cut))
            elif number % 4 == 1:
                due.append(_Due(at, "answers are held back", proxy.mute))
                due.append(_Due(over, "and lost", self._lose))
            elif number % 4 == 3:
                due.append(_Due(at, "connections are forgotten, as by a NAT", proxy.forget))
            else:
                due.append(_Due(at, "nothing is let through", proxy.pause))
                if chance.random() < 0.5:
                    due.append(_Due(over, "and lost", self._lose))
                else:
                    due.append(_Due(over, "and let through late", proxy.resume))
        super().__init__(due)
        self.note = f"{self._count} faults of the network"

    def _lose(self) -> None:
        self._proxy.cut()
        self._proxy.resume()

    @property
    def figures(self) -> Mapping[str, Figure]:
        """As Faults.figures."""
        return {"network_faults": self._count}

    def end(self) -> None:
        """As Faults.end."""
        self._proxy.resume()


class CommandFaults(Faults):
    """A command of the caller's, run once."""

    def __init__(self, context: RaceContext, command: str) -> None:
        self._command = command
        self._running: subprocess.Popen[str] | None = None
        self.exit_code = 0
        self.last_line = ""
        super().__init__([_Due(context.storm * 0.4, "the command is run", self._run)])

    def _run(self) -> None:
        # The command is the caller's own, for their own shell.
        self._running = subprocess.Popen(  # noqa: S602
            self._command, shell=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def end(self) -> None:
        """Wait for the command; end it where it takes too long."""
        if self._running is None:
            return
        try:
            output, _ = self._running.communicate(timeout=COME_BACK_WITHIN)
        except subprocess.TimeoutExpired:
            self._running.kill()
            output = "It was still running and was ended."
            self._running.communicate()
        self.exit_code = self._running.returncode
        self.last_line = (output.strip().splitlines()[-1:] or [""])[0]
