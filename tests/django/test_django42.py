"""All of this folder holds on Django 4.2 too: run once more, in a process that finds that one first."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OLDER = ROOT / ".build" / "django42"
# A release is known by its engine and its settings; what the servers and processes do is the same for both.
LEFT_OUT = ["test_django42.py", "test_servers.py"]


@pytest.mark.timeout(300)
def test_all_of_it_holds_on_django_42() -> None:
    if not OLDER.is_dir():
        pytest.fail("There is no Django 4.2: run `make test`, which installs it, or scripts/django42.")
    here = Path(__file__).parent
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", str(here)]
    command += [f"--ignore={here / name}" for name in LEFT_OUT]
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_", "PROJECT_"))}
    run = subprocess.run(
        command, cwd=ROOT, env={**ours, "PYTHONPATH": str(OLDER)}, capture_output=True, text=True, check=False
    )

    assert run.returncode == 0, run.stdout[-5000:]
