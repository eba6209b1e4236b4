"""adapters/express: its own tests, on Express 4 and 5, each file over a `sojourn serve` of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ADAPTER = Path(__file__).parents[1] / "express"
PATIENCE = 300


def test_the_express_adapter_passes_its_own_tests() -> None:
    if not (ADAPTER / "node_modules").is_dir():
        pytest.fail(f"Its packages are not there. Run: cd {ADAPTER} && npm ci")
    programs = Path(sys.executable).parent
    environment = {
        **os.environ,
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "SOJOURN": str(programs / "sojourn"),
    }
    with subprocess.Popen(
        [str(programs / "npm"), "test"],
        cwd=ADAPTER,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as tests:
        try:
            output, _ = tests.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(tests.pid, signal.SIGKILL)  # with the services that they started
            raise

    assert tests.returncode == 0, output
