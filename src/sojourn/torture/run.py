"""A run: races on one pool, one after the other, and what came of each."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from .history import History, write_history
from .instance import Instance
from .race import Race, run_race
from .race_context import PREFIX, RaceContext
from .result import Result, Tally
from .worker_pool import WorkerCall, WorkerPool

__all__ = ["Run", "RunSettings"]


@dataclass(frozen=True)
class RunSettings:
    """How long, and with what chance. `storm` is in seconds; `command` is run in the middle of it.

    `history`: the new file that keeps what the storms' clients asked for.
    """

    rounds: int
    seed: int
    storm: float
    command: str | None = None
    history: Path | None = None


@dataclass
class Run:
    """The races of one call of the program."""

    pool: WorkerPool
    settings: RunSettings
    _opened: Tally = field(default_factory=Tally)
    # Not by the seed: two runs at once must not end one another's sessions.
    _prefix: str = field(default_factory=lambda: PREFIX + secrets.token_hex(4))

    def race(self, race: Race[RaceContext], progress: Callable[[str], None]) -> Result:
        """Run a race, and end all that it made."""
        context = self.context(race, progress)
        return run_race(race, context, lambda: self._tidy(context))

    def context(self, race: Race[RaceContext], progress: Callable[[str], None]) -> RaceContext:
        """What the race runs on. Its choices are the seed's, whatever was run before."""
        return RaceContext(
            pool=self.pool,
            random=Random(f"{self.settings.seed} {race.name}"),  # noqa: S311  # to be repeated, not to be secret
            rounds=self.settings.rounds,
            name=f"{self._prefix}-{race.name}",
            progress=progress,
            storm=self.settings.storm,
            command=self.settings.command,
            keep=self._keep,
        )

    def _keep(self, history: History) -> None:
        if self.settings.history is not None:
            with self.settings.history.open("ab") as file:
                write_history(file, history)

    def strangers(self) -> Result:
        """Of all that was opened so far, what belonged to somebody else."""
        return Result("strangers", self._opened, 0.0, "tokens opened a session that is another one's")

    def _tidy(self, context: RaceContext) -> None:
        context.tidy()
        for opened, strangers in self.pool.at_once([WorkerCall(where, counted, ()) for where in range(self.pool.size)]):
            self._opened.tries += opened
            self._opened.lost += strangers


async def counted(instance: Instance) -> tuple[int, int]:
    """How many sessions were opened here, and how many of them were another one's. Counts anew afterwards."""
    counts = instance.opened, instance.strangers
    instance.opened = instance.strangers = 0
    return counts
