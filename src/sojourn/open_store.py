"""open_store: a URL to a store, its driver imported on demand."""

from __future__ import annotations

import re
from urllib.parse import unquote

from .errors import ConfigurationError
from .store import AsyncStore, Store

__all__ = ["open_async_store", "open_store"]

_SQLITE = re.compile(r"(?i:sqlite):///([^?#]+)").fullmatch
_KNOWN = "sqlite:///relative.db, sqlite:////absolute.db or memory:"


def open_store(url: str) -> Store:
    """The store at `url`, for threads. Raises ConfigurationError for a URL that names none."""
    scheme, path = _split(url)
    if scheme == "memory":
        from .stores.memory import MemoryStore

        return MemoryStore()
    from .stores.sqlite import SQLiteStore

    return SQLiteStore(path)


def open_async_store(url: str) -> AsyncStore:
    """The store at `url`, for an event loop. Raises ConfigurationError for a URL that names none."""
    scheme, path = _split(url)
    if scheme == "memory":
        from .stores.memory import AsyncMemoryStore

        return AsyncMemoryStore()
    from .stores.sqlite import AsyncSQLiteStore

    return AsyncSQLiteStore(path)


def _split(url: str) -> tuple[str, str]:
    if url == "memory:":
        return "memory", ""
    if path := _SQLITE(url):
        return "sqlite", unquote(path[1])
    # Only the scheme is repeated: the rest of a URL may hold a password.
    scheme = url.partition(":")[0] if ":" in url else ""
    raise ConfigurationError(f"No store is known for a URL of the scheme {scheme!r}. Write {_KNOWN}.")
