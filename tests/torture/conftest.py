"""The program in a folder that has somebody's own stores in it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.cli.program import Program, Result

HERE = Path(__file__).parent

Torture = Callable[..., Result]


@pytest.fixture
def sojourn(tmp_path: Path) -> Program:
    """The program, run in the test's own folder."""
    return Program(tmp_path)


@pytest.fixture
def torture(sojourn: Program) -> Torture:
    """`sojourn torture stores:NAME --json` with the races that are named, for a short time, on two processes."""
    shutil.copy(HERE / "stores.py", sojourn.folder)
    sessions = sojourn.folder / "sessions"
    sessions.mkdir()

    def run(store: str, *races: str, rounds: int = 1, words: Sequence[str] = ()) -> Result:
        only = [word for race in races for word in ("--only", race)]
        options = ["--processes", "2", "--rounds", str(rounds), "--storm", "1", "--json", *only, *words]
        return sojourn("torture", f"stores:{store}", *options, env={"SESSIONS": str(sessions)})

    return run
