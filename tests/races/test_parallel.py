"""Fifty requests of one session at once: everything that each wrote is kept."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sojourn import Policy, Session, SessionConflict, SessionManager
from sojourn.core.events import Event, Merged
from sojourn.core.store import Store
from sojourn.stores.sqlite import SQLiteStore

from .stores import store

__all__ = ["store"]

REQUESTS = 50


def start(manager: SessionManager) -> str:
    session = manager.anonymous()
    session.update({"list": [], "nested": {"shelf": {}}, "n": 0})
    reply = manager.commit(session)
    assert reply.token is not None
    return reply.token.reveal()


def all_at_once(manager: SessionManager, token: str, work: Callable[[Session, int], object]) -> Session:
    """Open REQUESTS times, let all of them see the same data, then change and commit."""
    opened = threading.Barrier(REQUESTS)

    def request(number: int) -> None:
        session = manager.open(token)
        opened.wait()
        work(session, number)
        manager.commit(session)

    with ThreadPoolExecutor(REQUESTS) as pool:
        list(pool.map(request, range(REQUESTS)))
    return manager.open(token)


def test_fifty_keys_are_kept(store: Store) -> None:
    manager = SessionManager(store)
    after = all_at_once(manager, start(manager), lambda session, n: session.__setitem__(f"key{n}", n))

    assert [after[f"key{n}"] for n in range(REQUESTS)] == list(range(REQUESTS))


def test_fifty_appends_are_kept(store: Store) -> None:
    events: list[Event] = []
    manager = SessionManager(store, on_event=events.append)
    after = all_at_once(manager, start(manager), lambda session, n: session["list"].append(n))

    assert sorted(after["list"]) == list(range(REQUESTS))
    merged = [event for event in events if isinstance(event, Merged)]
    assert merged
    assert {event.conflicts for event in merged} == {()}


def test_fifty_appends_to_a_list_that_was_not_there_are_kept(store: Store) -> None:
    manager = SessionManager(store)
    after = all_at_once(manager, start(manager), lambda session, n: session.setdefault("new", []).append(n))

    assert sorted(after["new"]) == list(range(REQUESTS))


def test_fifty_nested_keys_are_kept(store: Store) -> None:
    manager = SessionManager(store)
    after = all_at_once(manager, start(manager), lambda session, n: session["nested"]["shelf"].update({str(n): n}))

    assert sorted(after["nested"]["shelf"].values()) == list(range(REQUESTS))


def test_fifty_increments_add_up(store: Store) -> None:
    manager = SessionManager(store)
    after = all_at_once(manager, start(manager), lambda session, n: session.increment("n"))

    assert after["n"] == REQUESTS


def test_a_slow_reader_writes_nothing_over_a_fast_writer(store: Store) -> None:
    manager = SessionManager(store)
    token = start(manager)
    slow = manager.open(token)
    assert slow["list"] == []
    fast = manager.open(token)
    fast["list"].append("kept")
    manager.commit(fast)
    manager.commit(slow)

    assert manager.open(token)["list"] == ["kept"]


def test_of_two_that_set_one_value_the_later_wins_or_is_told(store: Store) -> None:
    def race(policy: Policy) -> tuple[SessionManager, str]:
        manager = SessionManager(store, policy)
        token = start(manager)
        first, second = manager.open(token), manager.open(token)
        first["n"], second["n"] = 1, 2
        manager.commit(first)
        manager.commit(second)
        return manager, token

    manager, token = race(Policy())
    assert manager.open(token)["n"] == 2
    with pytest.raises(SessionConflict, match="'n'") as raised:
        race(Policy(on_conflict="raise"))
    assert raised.value.keys == ("n",)


WRITER = """
import sys
from concurrent.futures import ThreadPoolExecutor
from sojourn import SessionManager
from sojourn.stores.sqlite import SQLiteStore

path, token, process = sys.argv[1], sys.argv[2], int(sys.argv[3])
manager = SessionManager(SQLiteStore(path))
print("ready", flush=True)
sys.stdin.readline()

def request(number):
    session = manager.open(token)
    session[f"key{process}.{number}"] = number
    session["list"].append([process, number])
    session.increment("n")
    manager.commit(session)

with ThreadPoolExecutor(13) as pool:
    list(pool.map(request, range(13)))
"""


def test_four_processes_lose_nothing_in_one_file(tmp_path: Path) -> None:
    """4 × 13 requests, each with a key, an append and an increment of its own."""
    path = tmp_path / "sessions.sqlite3"
    manager = SessionManager(SQLiteStore(path))
    token = start(manager)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), token, str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.communicate("go\n", timeout=60)
    after = manager.open(token)

    assert [process.returncode for process in processes] == [0, 0, 0, 0]
    assert sum(key.startswith("key") for key in after) == 52
    assert sorted(map(tuple, after["list"])) == [(p, n) for p in range(4) for n in range(13)]
    assert after["n"] == 52
    manager.close()
