"""adapters/express: its own tests, on Express 4 and 5, each file over a `sojourn serve` of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ADAPTER = Path(__file__).parents[1] / "express"
PATIENCE = 300
FAILED = re.compile(r"^ *not ok .*?^ *\.\.\.$", re.MULTILINE | re.DOTALL)  # as the Test Anything Protocol tells it


@pytest.mark.timeout(PATIENCE + 30)
def test_the_express_adapter_passes_its_own_tests() -> None:
    built = ADAPTER / "dist" / "index.js"
    if not built.exists() or built.stat().st_mtime < max(file.stat().st_mtime for file in ADAPTER.glob("src/*.ts")):
        pytest.fail("Its build is not that of its sources. Run: make adapters/express/dist/index.js")
    programs = Path(sys.executable).parent
    environment = {
        **os.environ,
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "SOJOURN": str(programs / "sojourn"),
    }
    with subprocess.Popen(
        [str(programs / "npm"), "test", "--ignore-scripts"],  # without a build: others are using the one there is
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

    assert tests.returncode == 0, "\n".join(FAILED.findall(output)) or output
