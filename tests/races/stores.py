"""The stores that each race is run on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sojourn.core.store import Store
from tests.store_kinds import FEW, open_kind


@pytest.fixture(params=FEW)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    opened = open_kind(request.param, request, tmp_path)
    yield opened
    opened.close()
