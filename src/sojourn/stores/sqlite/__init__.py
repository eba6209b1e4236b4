"""SQLiteStore: sessions in one file, for any number of processes of one machine."""

from .store import AsyncSQLiteStore, SQLiteStore

__all__ = ["AsyncSQLiteStore", "SQLiteStore"]
