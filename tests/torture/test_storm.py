"""`sojourn torture --during-storm`: a server fails in the middle of it. What it acknowledged is there, or is missed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sojourn.stores.postgres import migrate
from tests.cli.program import Program
from tests.servers.postgres import start_postgres
from tests.servers.redis import find_redis, start_redis
from tests.servers.sentinel import SentinelSetup, start_sentinel
from tests.servers.waiting import wait_until


@contextmanager
def command(folder: Path, inject_fault: Callable[[], None]) -> Iterator[str]:
    """A shell command that calls `inject_fault` here."""
    flag, over = folder / "fault", threading.Event()

    def watch() -> None:
        wait_until(lambda: flag.exists() or over.is_set(), "the storm")
        if not over.is_set():
            inject_fault()

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield f"touch {flag}"
    finally:
        over.set()
        watcher.join()


def storm(sojourn: Program, url: str, inject_fault: Callable[[], None]) -> tuple[int, Any]:
    """The exit code, and what came of it."""
    words = ["--only", "storm", "--storm", "3", "--processes", "4", "--json"]
    with command(sojourn.folder, inject_fault) as text:
        done = sojourn("torture", url, *words, "--during-storm", text)
    return done.code, done.json["races"][0]


def test_postgres_restarted_in_a_storm_loses_nothing(tmp_path: Path, sojourn: Program) -> None:
    with start_postgres(tmp_path) as server:
        migrate(server.conninfo)
        code, race = storm(sojourn, server.conninfo, server.restart)

    assert (code, race["verdict"], race["lost"]) == (0, "ok", 0)
    assert race["figures"]["longest_wait"] > 100
    assert race["figures"]["back_by_itself"] is True
    assert race["figures"]["acknowledged"] > 100


def test_a_sentinel_failover_loses_nothing_that_a_replica_had_confirmed(tmp_path: Path, sojourn: Program) -> None:
    with start_sentinel(tmp_path / "sentinel", find_redis()) as setup:
        code, race = storm(sojourn, f"{setup.url}?min_replicas=1", lambda: fail_over(setup))

    # A failover may be waited out, without an error.
    assert (code, race["verdict"], race["lost"]) == (0, "ok", 0)
    assert race["figures"]["longest_wait"] > 500
    assert race["figures"]["back_by_itself"] is True


def fail_over(setup: SentinelSetup) -> None:
    """Kill the primary; once another has taken over, it is back as its replica, so that writes can be confirmed."""
    dead = setup.primary
    dead.kill()
    wait_until(lambda: setup.primary is not dead, "another primary")
    dead.restart()


def test_a_server_that_forgets_is_found_out(tmp_path: Path, sojourn: Program) -> None:
    """Redis without a file is empty after a restart."""
    with start_redis(tmp_path / "redis", find_redis()) as server:
        code, race = storm(sojourn, server.url, server.restart)

    assert (code, race["verdict"]) == (1, "lost")
    assert race["figures"]["lost_writes"] > 0
    assert race["figures"]["served_wrongly"] > 0


def test_a_command_that_fails_is_told(sojourn: Program) -> None:
    words = ["--only", "storm", "--storm", "0.5", "--processes", "2", "--during-storm", "echo no such unit; exit 4"]
    done = sojourn("torture", "sqlite:///sessions.db", *words)

    assert "the command ended with 4: no such unit" in done.out
    assert done.code == 0
