"""Turns: commits of a session that were overtaken wait for one another, and each goes on from the last one's record."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Hashable, Iterator
from contextlib import asynccontextmanager, contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Generic, TypeVar

from sojourn.core.errors import StoreUnavailable

if TYPE_CHECKING:
    import asyncio

    from sojourn.core.record import Record

__all__ = ["MAX_ATTEMPTS", "NEVER_FIRST", "AsyncTurns", "Turn", "Turns", "sleep"]

# Each refusal means that another request's change went in, between what this one was told and its next trial. Should
# one of ten trials come through, fifty are enough; so many in a row are a store that refuses what it should not.
MAX_ATTEMPTS = 1000

NEVER_FIRST = (
    f"Others wrote to this session {MAX_ATTEMPTS:,} times, each time before this request could: nothing of it is "
    "written."
)

L = TypeVar("L", Lock, "asyncio.Lock")


class Turn(Generic[L]):
    """What those who wait to write to the session `id` share, and how the last of them left it."""

    __slots__ = ("_left", "id", "is_off", "lock", "sharing")

    def __init__(self, id: str, lock: L) -> None:
        self.id = id
        self.lock: L = lock
        self._left: Record | None = None
        self.sharing = 0
        # The store does not answer: to wait for one another would add up its timeouts.
        self.is_off = False

    @contextmanager
    def taken(self) -> Iterator[Turn[L]]:
        """While it is somebody's."""
        try:
            yield self
        except StoreUnavailable:
            self.is_off = True
            raise

    def newer(self, than: Record | None) -> Record | None:
        """What the last one left, if that is newer: who comes late may know more than was left here."""
        left = self._left
        return left if left is not None and than is not None and left.version > than.version else None

    def leave(self, written: Record | None) -> None:
        """What the commit made of it. A log-in made another session: whoever wrote to this one has no part in that."""
        self._left = written if written is not None and written.id == self.id else None


class _Turns(Generic[L]):
    def __init__(self) -> None:
        self._turns: dict[Hashable, Turn[L]] = {}
        self._guard = Lock()

    @contextmanager
    def _shared(self, key: Hashable, id: str, make_lock: Callable[[], L]) -> Iterator[Turn[L]]:
        with self._guard:
            turn = self._turns.get(key)
            if turn is None:
                turn = self._turns[key] = Turn(id, make_lock())
            turn.sharing += 1
        try:
            yield turn
        finally:
            with self._guard:
                turn.sharing -= 1
                if not turn.sharing:
                    del self._turns[key]


class Turns(_Turns[Lock]):
    """For threads."""

    @contextmanager
    def of(self, record: Record | None) -> Iterator[Turn[Lock]]:
        """This thread's turn to write to this session; at once where there is none any more."""
        id = record.id if record else ""
        with self._shared(id or object(), id, Lock) as turn:
            with turn.lock:
                if not turn.is_off:
                    with turn.taken():
                        yield turn
                    return
            yield Turn(id, Lock())


class AsyncTurns(_Turns["asyncio.Lock"]):
    """For an event loop, or several, each with turns of its own."""

    @asynccontextmanager
    async def of(self, record: Record | None) -> AsyncIterator[Turn[asyncio.Lock]]:
        """This task's turn to write to this session; at once where there is none any more."""
        import asyncio  # here: the threads' side never loads an event loop

        id = record.id if record else ""
        key = (asyncio.get_running_loop(), id) if id else object()
        with self._shared(key, id, asyncio.Lock) as turn:
            async with turn.lock:
                if not turn.is_off:
                    with turn.taken():
                        yield turn
                    return
            yield Turn(id, asyncio.Lock())


async def sleep(seconds: float) -> None:
    """As asyncio's."""
    import asyncio

    await asyncio.sleep(seconds)
