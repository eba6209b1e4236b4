"""open_store: a URL to a store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sojourn import ConfigurationError, open_async_store, open_store
from sojourn.stores.memory import AsyncMemoryStore, MemoryStore
from sojourn.stores.sqlite import AsyncSQLiteStore, SQLiteStore

Open = Callable[[str], Any]
both = pytest.mark.parametrize("open_it", [open_store, open_async_store])


def test_memory_is_a_store_in_memory() -> None:
    assert isinstance(open_store("memory:"), MemoryStore)
    assert isinstance(open_async_store("memory:"), AsyncMemoryStore)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///sessions.db", "sessions.db"),
        ("sqlite:////var/lib/sessions.db", "/var/lib/sessions.db"),
        ("sqlite:///./a%20b%3F%23.db", "a b?#.db"),
        ("SQLite:///x.db", "x.db"),
    ],
)
def test_sqlite_is_a_file_that_is_not_looked_at_yet(
    url: str, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store, other = open_store(url), open_async_store(url)

    assert isinstance(store, SQLiteStore)
    assert isinstance(other, AsyncSQLiteStore)
    # Only the file itself can tell that the URL was read aright.
    assert store._file.path == Path(path).absolute()


BAD = [
    "",
    "memory",
    "memory://",
    "memory:x",
    "sessions.db",
    "sqlite:",
    "sqlite://",
    "sqlite:///",
    "sqlite://host/path.db",
    "sqlite:///a.db?mode=ro",
    "sqlite:///a.db#b",
    "redis://user:hunter2@host/0",
    "postgres://user:hunter2@[host/db",
    "user:hunter2@host",
]


@both
@pytest.mark.parametrize("url", BAD)
def test_any_other_url_is_refused_with_the_ones_there_are_and_without_a_password(open_it: Open, url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"Write sqlite:///relative\.db") as caught:
        open_it(url)

    assert "hunter2" not in str(caught.value)
