"""AsyncStore: the store's protocol for an event loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from .errors import EndReason
from .record import Record
from .store import Applied, Bar, Commit, Create, End, Mark, Refused, Stats, Watcher

__all__ = ["AsyncStore", "AsyncWatchableStore"]


class AsyncStore(Protocol):
    """The same store for an event loop: Store's methods, awaited, and never blocking the loop for long."""

    async def get(self, id: str) -> Record | None:
        """As Store.get."""

    async def create(self, create: Create) -> Applied | Refused:
        """As Store.create."""

    async def commit(self, commit: Commit) -> Applied | Refused:
        """As Store.commit."""

    async def end(self, end: End) -> Record | None:
        """As Store.end."""

    async def end_all(
        self, user_id: str, reason: EndReason, now: int, keep: str | None = None, realm: str = ""
    ) -> Sequence[str]:
        """As Store.end_all."""

    async def bar(self, now: int, realm: str = "") -> None:
        """As Store.bar."""

    async def list(
        self, user_id: str, now: int, realm: str = "", after: str = "", limit: int = 100
    ) -> Sequence[Record]:
        """As Store.list."""

    async def erase(self, user_id: str, realm: str = "") -> int:
        """As Store.erase."""

    async def put_mark(self, mark: Mark) -> bool:
        """As Store.put_mark."""

    async def get_mark(self, id: str) -> Mark | None:
        """As Store.get_mark."""

    async def put_bar(self, bar: Bar) -> None:
        """As Store.put_bar."""

    async def marks(self, after: str, limit: int) -> Sequence[Mark]:
        """As Store.marks."""

    async def bars(self, after: str, limit: int) -> Sequence[Bar]:
        """As Store.bars."""

    async def end_expired(self, now: int, limit: int) -> int:
        """As Store.end_expired."""

    async def delete_expired(self, before: int, limit: int) -> int:
        """As Store.delete_expired."""

    async def scan(self, after: str, limit: int) -> Sequence[Record]:
        """As Store.scan."""

    async def stats(self, now: int) -> Stats:
        """As Store.stats."""

    async def close(self) -> None:
        """As Store.close."""


class AsyncWatchableStore(AsyncStore, Protocol):
    """The same for an event loop."""

    def watch(self, watcher: Watcher, interval: float) -> None:
        """As WatchableStore.watch, in a thread too: what is told waits for no request, and no request for it."""
