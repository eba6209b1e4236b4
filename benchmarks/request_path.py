"""RequestPath: the files and functions of Sojourn that one request passes, in their order.

`python -m benchmarks.request_path` prints them. A count says what a reader must follow, and what Python must call,
whatever the machine's clock says that day.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any, NamedTuple

from starlette.middleware import Middleware

import sojourn
from sojourn import AsyncSessionManager, open_async_store
from sojourn.asgi import SessionMiddleware

from .peers import MEMORY, SQLITE, Peer, Wrap
from .request import App, ask, new_scope, receive, send_nowhere
from .shop import open_shop

__all__ = ["RequestPath", "measure", "report"]

PACKAGE = f"{Path(sojourn.__file__).parent}/"


class Call(NamedTuple):
    """A function that was entered: its file below src/sojourn, and its name there."""

    file: str
    function: str


class RequestPath(NamedTuple):
    """What one request passed, on one store."""

    store: str
    calls: list[Call]

    @property
    def files(self) -> list[str]:
        """Each file, in the order in which it was first entered."""
        return list(dict.fromkeys(call.file for call in self.calls))


class _Recorder:
    """Notes each function of ours that Python enters: a coroutine anew, too, each time that it goes on."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        file = frame.f_code.co_filename
        if event == "call" and file.startswith(PACKAGE):
            self.calls.append(Call(file.removeprefix(PACKAGE), frame.f_code.co_qualname))


def redis_peer(url: str) -> Peer:
    """Sojourn over the Redis at `url`."""

    @asynccontextmanager
    async def build(_folder: Path, wrap: Wrap) -> AsyncIterator[Sequence[Middleware]]:
        manager = AsyncSessionManager(wrap(open_async_store(url)))
        try:
            yield [Middleware(SessionMiddleware, manager=manager)]
        finally:
            await manager.close()

    return Peer("Sojourn, Redis", build)


async def _path(peer: Peer, kind: str, folder: Path) -> RequestPath:
    async with AsyncExitStack() as stack:
        app, cookie = await open_shop(peer, folder, stack)
        for _ in range(3):
            await ask(app, f"/{kind}", cookie)
        return RequestPath(peer.name, await _recorded(app, new_scope(f"/{kind}", cookie)))


async def _recorded(app: App, scope: Any) -> list[Call]:
    recorder = _Recorder()
    sys.setprofile(recorder)
    try:
        await app(scope, receive, send_nowhere)
    finally:
        sys.setprofile(None)
    return recorder.calls


def measure(peers: Sequence[Peer], kind: str = "read") -> list[RequestPath]:
    """The path of a request of this kind on each peer's store."""
    with TemporaryDirectory() as folder:
        return [asyncio.run(_path(peer, kind, Path(folder))) for peer in peers]


def report(path: RequestPath) -> str:
    """The path as a person reads it: the count, then file by file what is called there, in order."""
    lines = [f"{path.store}: {len(path.files)} files, {len(path.calls)} calls"]
    before = None
    for call in path.calls:
        lines.append(f"  {call.file if call.file != before else '':28}{call.function}")
        before = call.file
    return "\n".join(lines)


def main() -> None:
    """Print the path of a read, on memory, SQLite and, where the command line names a redis:// URL, Redis."""
    peers = [MEMORY, SQLITE, *map(redis_peer, sys.argv[1:])]
    print("\n\n".join(map(report, measure(peers))))


if __name__ == "__main__":
    main()
