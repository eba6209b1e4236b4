"""What a kill between an end and its entry loses: the entry, and never the end. Real processes, killed by SIGKILL."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from sojourn import SessionManager, open_store
from sojourn.audit.trail_location import open_reader, open_trail
from sojourn.events import Event

# So many sessions may a user have.
KILLS, EACH = 3, 33


@pytest.fixture(params=["{folder}/audit.jsonl", "sqlite:///{folder}/sessions.db"], ids=["file", "table"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where the trail is; the sessions are beside it."""
    return str(request.param).format(folder=tmp_path)


def sessions(tmp_path: Path, on_event: Callable[[Event], None] | None = None) -> SessionManager:
    """The manager of one process."""
    return SessionManager(open_store(f"sqlite:///{tmp_path}/sessions.db"), on_event=on_event)


def make(tmp_path: Path, count: int) -> list[str]:
    """The ids of so many sessions."""
    with closing(sessions(tmp_path)) as manager:
        made = [manager.anonymous() for _ in range(count)]
        for session in made:
            session.login("ada")
            manager.commit(session)
        return [str(session.id) for session in made]


def ended(tmp_path: Path) -> set[str]:
    """Those that the store says have ended."""
    with closing(sessions(tmp_path)) as manager:
        return {info.id for info in manager.scan(limit=1000) if info.end_reason == "revoked"}


def told(location: str) -> list[str]:
    """Those whose end is in the trail, which follows entry by entry."""
    with closing(open_reader(location)) as reader:
        lines = [json.loads(line) for line in reader.read()]
    assert [(entry["n"], entry["prev"]) for entry in lines[1:]] == [
        (number, before["hash"]) for number, before in enumerate(lines[:-1], 2)
    ]
    return [entry["session_id"] for entry in lines if entry["what"] == "ended"]


def end(tmp_path: Path, location: str, ids: Sequence[str], is_killed: bool) -> None:
    """End them, in a process of its own; or be killed behind the first end, before its entry."""
    trail = open_trail(location)
    on_event = (lambda _: os.kill(os.getpid(), signal.SIGKILL)) if is_killed else trail
    manager = sessions(tmp_path, on_event)
    for id in ids:
        manager.revoke(id)


def test_an_end_is_kept_before_its_entry_is_written(tmp_path: Path, location: str) -> None:
    ids = make(tmp_path, 2)
    open_trail(location).close()
    process = multiprocessing.get_context("fork").Process(target=end, args=(tmp_path, location, ids, True))
    process.start()
    process.join()

    assert process.exitcode == -signal.SIGKILL
    assert (ended(tmp_path), told(location)) == ({ids[0]}, [])


def test_whenever_it_is_killed_one_entry_is_missing_at_most_and_none_tells_what_is_not_so(
    tmp_path: Path, location: str
) -> None:
    ids = make(tmp_path, EACH * KILLS)
    open_trail(location).close()
    for number in range(KILLS):
        mine = ids[EACH * number : EACH * (number + 1)]
        process = multiprocessing.get_context("fork").Process(target=end, args=(tmp_path, location, mine, False))
        before = len(told(location))
        process.start()
        while len(told(location)) < before + 3:
            assert process.is_alive()
        process.kill()
        process.join()
        told_of, over = told(location), ended(tmp_path)
        assert len(set(told_of)) == len(told_of)
        assert set(told_of) <= over
        assert len(over & set(mine)) - len(set(told_of) & set(mine)) in (0, 1)
