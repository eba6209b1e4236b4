"""CallCounts: what one read-only request makes a session layer do. Counted, not timed."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any

import msgspec

from sojourn.core.codec import decode

from .peers import OURS, Peer
from .request import ask
from .shop import open_shop

__all__ = ["CallCounts", "StoreCalls", "count_calls"]


class CallCounts(msgspec.Struct, frozen=True):
    """The store's calls, the Set-Cookie headers, and how many of the session's values were decoded (Sojourn's only)."""

    peer: str
    reads: int
    writes: int
    set_cookies: int
    decoded: int | None


class StoreCalls:
    """A store that counts its calls, whatever its protocol is."""

    READS = frozenset({"get", "read"})
    WRITES = frozenset({"create", "commit", "end", "put_mark", "write", "remove"})

    def __init__(self, store: Any) -> None:
        self._store = store
        self.reads = self.writes = 0

    def __getattr__(self, name: str) -> Any:
        self.reads += name in self.READS
        self.writes += name in self.WRITES
        return getattr(self._store, name)


class _Decodes:
    """Counts the calls of sojourn.core.codec.decode while the `with` lasts."""

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> _Decodes:
        sys.setprofile(self._see)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _see(self, frame: FrameType, event: str, _arg: object) -> None:
        self.count += event == "call" and frame.f_code is decode.__code__


async def _count(peer: Peer, folder: Path) -> CallCounts:
    counter = StoreCalls(None)

    def counted(store: Any) -> StoreCalls:
        nonlocal counter
        counter = StoreCalls(store)
        return counter

    async with AsyncExitStack() as stack:
        app, cookie = await open_shop(peer, folder, stack, counted)
        counter.reads = counter.writes = 0
        with _Decodes() as decodes:
            answer = await ask(app, "/read", cookie)
        return CallCounts(
            peer=peer.name,
            reads=counter.reads,
            writes=counter.writes,
            set_cookies=sum(name == b"set-cookie" for name, _ in answer.headers),
            decoded=decodes.count if peer.name in OURS else None,
        )


def count_calls(peer: Peer) -> CallCounts:
    """What a request that reads one of 12 keys makes this peer do."""
    with TemporaryDirectory() as folder:
        return asyncio.run(_count(peer, Path(folder)))
