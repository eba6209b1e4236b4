"""SQLiteStore: sessions in one file, for any number of processes of one machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sojourn.exports import late_exports

from .store import SQLiteStore

if TYPE_CHECKING:
    from .async_store import AsyncSQLiteStore

__all__ = ["AsyncSQLiteStore", "SQLiteStore"]

# It brings an event loop along, which threads have no use for.
__getattr__ = late_exports(__name__, {"AsyncSQLiteStore": "async_store"})
