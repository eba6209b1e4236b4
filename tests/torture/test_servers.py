"""`sojourn torture` on real servers: Sojourn's stores come through its races, caches and all."""

from __future__ import annotations

from pathlib import Path

import pytest

from sojourn.torture import RACES
from tests.cli.program import Program
from tests.store_kinds import url_of

KINDS = ["valkey cluster", "cached postgres", "cached redis"]


@pytest.mark.parametrize("kind", KINDS)
def test_four_processes_lose_nothing(
    kind: str, request: pytest.FixtureRequest, sojourn: Program, tmp_path: Path
) -> None:
    url = url_of(kind.removeprefix("cached "), request, tmp_path) + ("?cache=1MiB" if "cached" in kind else "")
    done = sojourn("torture", url, "--processes", "4", "--rounds", "1", "--storm", "1", "--json")
    races = {race["name"]: race for race in done.json["races"]}
    # A cluster has more than one address for a proxy to stand before.
    without = {"storm", "network"} if "cluster" in kind else {"storm"}

    assert {name: race["verdict"] for name, race in races.items()} == dict.fromkeys(
        [*[race.name for race in RACES if race.name not in without], "strangers"], "ok"
    )
    assert races["cache"]["figures"]["staleness_allowed"] == (1000 if "cached" in kind else 0)
    assert (done.code, done.err.count("\n")) == (0, 2)
