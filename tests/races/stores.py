"""The stores that each race is run on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sojourn.store import Store
from sojourn.stores.memory import AsyncMemoryStore, MemoryStore
from sojourn.stores.sqlite import AsyncSQLiteStore, SQLiteStore
from sojourn.testing import blocking

KINDS = ("memory", "async memory", "sqlite", "async sqlite")


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    path = tmp_path / "sessions.sqlite3"
    opened: Store
    if request.param == "memory":
        opened = MemoryStore()
    elif request.param == "async memory":
        opened = blocking(AsyncMemoryStore())
    elif request.param == "sqlite":
        opened = SQLiteStore(path)
    else:
        opened = blocking(AsyncSQLiteStore(path))
    yield opened
    opened.close()
