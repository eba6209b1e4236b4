"""The server dies in a storm of eight processes: nothing acknowledged is lost, and nobody is served as somebody else.

The storm is that of `sojourn torture`. The server is killed from here, and started again when another has taken over.
It comes back with what it had: an empty one that takes itself for a primary is one that a sentinel, which has not heard
of the failover yet, may make the replica follow.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sojourn.stores.postgres import migrate
from tests.servers.cluster import start_cluster
from tests.servers.postgres import start_postgres
from tests.servers.redis import find_redis, find_valkey
from tests.servers.sentinel import start_sentinel
from tests.servers.waiting import wait_until

SECONDS = 6.0


def storm(url: str, fail: Callable[[], None], folder: Path) -> dict[str, Any]:
    """What `sojourn torture` reports of a storm in the middle of which `fail` was called."""
    begun = folder / "begun"
    program = [sys.executable, "-m", "sojourn", "torture", url, "--json", "--only", "storm", "--storm", str(SECONDS)]
    torture = subprocess.Popen([*program, "--during-storm", f"touch {begun}"], stdout=subprocess.PIPE, text=True)
    wait_until(begun.exists, "a storm")
    fail()
    output, _ = torture.communicate(timeout=100)
    report: dict[str, Any] = json.loads(output)
    return report


def check(report: dict[str, Any]) -> None:
    (race,) = [race for race in report["races"] if race["name"] == "storm"]
    figures = race["figures"]
    assert figures["acknowledged"] > 100
    assert (figures["lost_writes"], figures["lost_logouts"], figures["served_wrongly"]) == (0, 0, 0)
    assert figures["back_by_itself"]
    assert race["lost"] == 0, race


def test_a_killed_primary_of_a_cluster(tmp_path: Path) -> None:
    with start_cluster(tmp_path, find_redis(), durable=True) as cluster:
        primary = cluster.primary_of("{sojourn}")
        replica = cluster.replica_of(primary)

        def fail() -> None:
            primary.kill()
            wait_until(lambda: replica in cluster.primaries, "a replica that took over")
            primary.restart()

        check(storm(f"{cluster.url}?min_replicas=1", fail, tmp_path))


@pytest.mark.parametrize("cache", ["", "&cache=1MiB"], ids=["", "cached"])
def test_a_killed_primary_under_sentinels(cache: str, tmp_path: Path) -> None:
    """A cache serves nothing from before, and nothing of which it was not told."""
    with start_sentinel(tmp_path, find_valkey(), durable=True) as setup:
        primary, replica = setup.primary, setup.replica

        def fail() -> None:
            primary.kill()
            wait_until(lambda: setup.primary is replica, "a replica that took over")
            primary.restart()

        check(storm(f"{setup.url}?min_replicas=1{cache}", fail, tmp_path))


def test_a_killed_postgres_and_the_caches_before_it(tmp_path: Path) -> None:
    with start_postgres(tmp_path, durable=True) as server:
        migrate(server.conninfo)

        def fail() -> None:
            server.kill()
            time.sleep(1)
            server.restart()

        check(storm(f"{server.conninfo}?cache=1MiB", fail, tmp_path))
