"""Storms judge their histories: a mutation of each store is found by what it breaks, and in a kept one again."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from sojourn.torture import RACES, Result, Run, RunSettings, Target, WorkerPool
from sojourn.torture.history import Operation
from sojourn.torture.judgement import BROKEN
from tests.cli.program import Program
from tests.cli.program import Result as Done
from tests.servers.redis import RedisServer
from tests.store_kinds import url_of
from tests.torture.conftest import Torture

# A mutation, the store that is mutated, and what it breaks. Each store has some, and each mutation is of some store.
MUTATIONS = [
    ("memory", "LosesWrites", "lost_writes"),
    ("memory", "RefusesEarly", "over_cap"),
    ("sqlite", "Serves", "lost_logouts"),
    ("sqlite", "AppendsTwice", "doubled_writes"),
    ("postgres", "AppliesTwice", "doubled_writes"),
    ("postgres", "ForgetsTheCap", "over_cap"),
    ("redis", "MissesOne", "wrong_lists"),
    ("redis", "HalfALogIn", "wrong_lists"),
    ("cached postgres", "IsDeaf", "lost_writes"),
]


def storm(target: Target, size: int, seconds: float, history: Path) -> Result:
    """What comes of a storm with pauses, and its history."""
    (race,) = [race for race in RACES if race.name == "pause"]
    with WorkerPool(target, size) as pool:
        run = Run(pool, RunSettings(rounds=1, seed=7, storm=seconds, history=history))
        return run.race(race, lambda text: None)


@pytest.mark.parametrize(("kind", "mutation", "broken"), MUTATIONS)
def test_a_mutation_of_each_store_is_found_by_what_it_breaks(
    kind: str,
    mutation: str,
    broken: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BROKEN_STORE", url_of(kind.removeprefix("cached "), request, tmp_path))
    monkeypatch.setenv("BROKEN", mutation)
    monkeypatch.chdir(Path(__file__).parents[2])
    found: Any = 0
    # A busy machine gets to little in a second: it is given more of them.
    for seconds in (0.5, 2.0, 8.0):
        target = Target.parse("tests.torture.broken:make")
        found = storm(target, 1 if kind == "memory" else 2, seconds, tmp_path / "history").tally.figures[broken]
        if found:
            break

    assert found > 0


def test_each_mutation_is_one_of_a_list() -> None:
    from tests.torture import broken

    mutations = [name for name, each in vars(broken).items() if each in broken.Broken.__subclasses__()]
    assert {mutation for _, mutation, _ in MUTATIONS} == set(mutations)


def tortured(torture: Torture, seconds: int) -> tuple[Done, Any]:
    """A store whose lists keep what was revoked, in a storm of so long, and what came of that."""
    done = torture("Drifts", "kill", words=["--storm", str(seconds), "--history", f"kept-{seconds}"])
    (was,) = [race for race in done.json["races"] if race["name"] != "strangers"]
    return done, was


def test_a_kept_history_is_judged_again_as_it_was_and_without_the_store(torture: Torture, sojourn: Program) -> None:
    seconds = 1
    done, was = tortured(torture, seconds)
    # A busy machine may get to no revocation in a second: it is given more of them.
    while not was["figures"]["lost_logouts"] and seconds < 16:
        seconds *= 4
        done, was = tortured(torture, seconds)
    again = sojourn("torture", "--check", f"kept-{seconds}", "--json")

    (judged_again,) = again.json["races"]
    assert was["figures"]["lost_logouts"] > 0
    assert was["figures"] | judged_again["figures"] == was["figures"]
    assert (was["tries"], was["lost"]) == (judged_again["tries"], judged_again["lost"])
    assert (done.code, again.code) == (1, 1)


def test_a_history_that_breaks_nothing_is_shown_so(sojourn: Program) -> None:
    words = ["--only", "pause", "--only", "kill", "--processes", "2", "--storm", "0.5", "--history", "kept"]
    sojourn("torture", "sqlite:///sessions.db", *words)
    done = sojourn("torture", "--check", "kept")
    lines = done.out.splitlines()

    assert lines[0] == "kept  2 histories"
    assert [(row[0], row[2:4]) for row in map(str.split, lines[3:5])] == [("pause", ["0", "ok"]), ("kill", ["0", "ok"])]
    assert lines[-1].startswith("Nothing was lost: ")
    assert done.code == 0
    kept = (sojourn.folder / "kept").read_text()
    assert kept.startswith('{"history":1,"race":"pause","staleness":0.0,"faults":')
    assert "sj1-" not in kept


def test_a_network_that_fails_loses_nothing(redis_server: RedisServer, sojourn: Program) -> None:
    redis_server.clear()
    words = ["--only", "network", "--processes", "2", "--json"]
    seconds, errors = 2, 0
    # Most calls are asked again, and nobody sees what befell them: a storm without one that did is too short.
    while not errors and seconds <= 8:
        done = sojourn("torture", redis_server.url, *words, "--storm", str(seconds))
        (race,) = [race for race in done.json["races"] if race["name"] == "network"]
        assert (race["verdict"], race["figures"]["network_faults"]) == ("ok", 3)
        errors = race["figures"]["errors"]
        seconds *= 2

    assert errors > 0


def test_the_page_on_torture_has_every_figure_and_every_member_of_a_history() -> None:
    page = (Path(__file__).parents[2] / "docs/torture.md").read_text("utf-8")
    rows = re.findall(r"^\| (`[^|]*)\|", page, re.MULTILINE)
    names = set(re.findall(r"`(\w+)`", "".join(rows)))

    assert names >= {*BROKEN, *Operation.__struct_fields__}
