"""What `sojourn torture` runs: the races that were asked for, on a store or on an application."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from sojourn.torture import (
    BROKEN_PROMISES,
    RACES,
    History,
    Race,
    Result,
    Run,
    RunSettings,
    Target,
    WorkerPool,
    judged,
    read_histories,
)
from sojourn.torture.app import APP_RACES, AppEndpoint, Application, Site, check_endpoints, run_app_race

from .exit import Exit
from .terminal import columns, echo_json, fields, live_line
from .torture_page import document, heading, row, verdict

__all__ = ["Show", "check_history", "race_list", "site_of", "torture_app", "torture_store"]

# A storm reports thousands of writes a second; an eye sees twenty lines.
REDRAW = 0.05
NEEDED = ("login", "write", "read", "logout")

C = TypeVar("C")


class Show:
    """Prints each result as it comes, or all of them at the end as JSON. `rounds` and `seed` are for every race."""

    def __init__(self, as_json: bool, rounds: int, seed: int) -> None:
        self.rounds = rounds
        self.seed = seed
        self._as_json = as_json
        self._line = live_line(wanted=not as_json)
        self._about: dict[str, Any] = {}
        self._results: list[Result] = []

    def begin(self, target: str, how: str, warning: str, **about: Any) -> None:
        """Say what is about to be done."""
        self._about = {"target": target, **about, "seed": self.seed, "rounds": self.rounds}
        parts = [how, f"{self.rounds:,} round{'' if self.rounds == 1 else 's'}", f"seed {self.seed}"]
        click.echo(f"{click.style(target, bold=True)}  {', '.join(filter(None, parts))}\n{warning}", err=self._as_json)
        if not self._as_json:
            click.echo(f"\n{heading()}")

    def begin_check(self, path: str, histories: Sequence[History]) -> None:
        """Say what is about to be judged."""
        self._about = {"target": path}
        count = len(histories)
        click.echo(f"{click.style(path, bold=True)}  {count} histor{'y' if count == 1 else 'ies'}", err=self._as_json)
        if not self._as_json:
            click.echo(f"\n{heading()}")

    def progress(self, name: str) -> Callable[[str], None]:
        """Something that shows how far a race is."""
        line, fit, shown = self._line, columns() or 80, -math.inf

        def show(text: str) -> None:
            nonlocal shown
            if line and time.monotonic() > shown + REDRAW:
                shown = time.monotonic()
                line(f"{name:16}  {text}"[: fit - 1])

        return show

    def result(self, result: Result) -> None:
        """Print a result."""
        self._results.append(result)
        if self._line:
            self._line("")
        if not self._as_json:
            click.echo(row(result))

    def end(self) -> int:
        """Print the verdict; the exit code."""
        if self._as_json:
            echo_json({**self._about, "races": [document(result) for result in self._results]})
        else:
            click.echo(f"\n{verdict(self._results)}")
        bad = [result for result in self._results if result.verdict != "ok"]
        if bad and all(result.unavailable for result in bad):
            return Exit.UNAVAILABLE
        return Exit.NOTHING if bad else Exit.DONE


def torture_store(
    show: Show,
    name: str,
    only: Sequence[str],
    *,
    processes: int,
    storm: float,
    command: str | None,
    history: Path | None,
) -> None:
    """Run races on the store that `name` names."""
    target = Target.parse(name)
    size = 1 if target.in_memory else processes
    races = _chosen(RACES, only, lambda race: _missing(race, target, size, command))
    if history is not None:
        _require_new(history, races)
    with WorkerPool(target, size) as pool:
        warning = "Sessions of made-up users, sojourn-torture-*, are begun and ended. No other session is touched."
        show.begin(target.label, _spread(pool), warning, processes=size)
        run = Run(pool, RunSettings(show.rounds, show.seed, storm, command, history))
        for race in races:
            show.result(run.race(race, show.progress(race.name)))
        show.result(run.strangers())


def _missing(race: Race[Any], target: Target, size: int, command: str | None) -> str:
    if race.needs == "processes" and size == 1:
        return "more than one process"
    if race.needs == "address" and target.address is None:
        return "a PostgreSQL or Redis server at one address, where a proxy can take its place"
    return "--during-storm" if race.name == "storm" and command is None else ""


def _require_new(history: Path, races: Sequence[Race[Any]]) -> None:
    """Whether the file for histories can be made. A kept one is not written over."""
    if not any(race.is_storm for race in races):
        raise click.UsageError("--history keeps the storms, and none of the races is one: see --list.")
    try:
        history.open("xb").close()
    except FileExistsError:
        raise click.UsageError(f"{history} exists: name a new file for --history.") from None
    except OSError as error:
        raise click.UsageError(f"{history} cannot be written: {error.strerror}.") from None
    # It was a trial: a run whose store cannot be opened leaves no file behind.
    history.unlink()


def check_history(path: Path, *, as_json: bool) -> int:
    """Judge kept histories again."""
    show = Show(as_json, 0, 0)
    histories = read_histories(path)
    show.begin_check(str(path), histories)
    for history in histories:
        show.result(Result(history.heading.race, judged(history), 0.0, BROKEN_PROMISES))
    return show.end()


def _spread(pool: WorkerPool) -> str:
    if pool.size == 1:
        return "tasks of one process" if pool.awaited else "threads of one process"
    threads = pool.size - pool.awaited
    kinds = [f"{threads} with threads"] if threads else []
    kinds += [f"{pool.awaited} with an event loop"] if pool.awaited else []
    return f"{pool.size} processes ({', '.join(kinds)})"


def torture_app(
    show: Show, url: str, only: Sequence[str], endpoints: Mapping[str, str], headers: Sequence[str]
) -> None:
    """Run races on the web application at `url`, which does what `endpoints` say."""
    if missing := [f"--{name}" for name in NEEDED if name not in endpoints]:
        raise click.UsageError(f"--app needs {', '.join(missing)}: what the application does, like 'POST /logout'.")
    parsed: dict[str, Any] = {name: AppEndpoint.parse(text) for name, text in endpoints.items()}
    app = Application(site_of(url, headers), **parsed)
    for name, endpoint in (("write", app.write), ("slow-write", app.slow_write)):
        if endpoint and not endpoint.is_numbered:
            raise click.UsageError(f"--{name} says nowhere {{n}}, the number that is to be kept.")
    lacks = "" if app.slow_write else "--slow-write"
    races = _chosen(APP_RACES, only, lambda race: lacks if race.needs == "slow write" else "")
    check_endpoints(app, show.seed)
    warning = "One user logs in again and again, writes, reads and logs out. Use a user and data made for it."
    show.begin(app.site.origin, "", warning)
    for race in races:
        show.result(run_app_race(race, app, rounds=show.rounds, seed=show.seed, progress=show.progress(race.name)))


def site_of(url: str, headers: Sequence[str]) -> Site:
    """The site at `url`, with the --header lines sent along. Raises UsageError or ConfigurationError."""
    pairs = [header.partition(":") for header in headers]
    if not all(name.strip() and colon for name, colon, _ in pairs):
        raise click.UsageError("--header is like 'X-CSRFToken: {cookie:csrftoken}'.")
    return Site.parse(url, {name.strip(): value.strip() for name, _, value in pairs})


def _chosen(races: Sequence[Race[C]], only: Sequence[str], missing: Callable[[Race[C]], str]) -> list[Race[C]]:
    """The races asked for, or all that can be run. One that was asked for and lacks something is an error."""
    known = {race.name: race for race in races}
    for name in only:
        if name not in known:
            raise click.UsageError(f"{name} is no race here. These are: {', '.join(known)}.")
        if lacks := missing(known[name]):
            raise click.UsageError(f"The race {name} needs {lacks}.")
    return [race for race in races if (race.name in only if only else not missing(race))]


def race_list() -> str:
    """Every race with what it does."""
    return f"On a store:\n{_described(RACES)}\n\nOn a web application, with --app:\n{_described(APP_RACES)}"


def _described(races: Sequence[Race[C]]) -> str:
    return fields([(race.name, race.meaning) for race in races])
