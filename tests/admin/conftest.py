"""An office for each test, on asyncio, as the service runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from .office import Office


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Office]:
    # However busy the machine is, a page has what is counted and looked for.
    monkeypatch.setattr("sojourn.admin.search.WAIT", 60)
    monkeypatch.setattr("sojourn.admin.census.WAIT", 60)
    office = Office(tmp_path / "keys.json")
    yield office
    await office.pages.close()
