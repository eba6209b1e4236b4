"""The program, in a folder of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.program import Program


@pytest.fixture
def sojourn(tmp_path: Path) -> Program:
    """Runs it in `tmp_path`."""
    return Program(tmp_path)
