"""Streams: a server with the browser's endpoints in a process of its own, and visitors who listen to it.

`python -m benchmarks.streams PORT STORE` is the server, uvicorn with the sessions of the store at that URL.
"""

from __future__ import annotations

import asyncio
import resource
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvicorn

from sojourn import AsyncSessionManager, Policy, open_async_store
from sojourn.asgi import BrowserEndpoints, SessionMiddleware, mount

__all__ = ["USER", "Visitor", "allow_many", "serving"]

USER = "ada"
PAGE = Path(__file__).with_name("live.html")


class Server:
    """`/begin` logs a user in, `/dark` writes, `/end` ends all that is a user's, `/weight` tells of this process.

    `/page` is for browsers.
    """

    def __init__(self, url: str) -> None:
        self.manager = AsyncSessionManager(open_async_store(url), Policy(max_sessions=None))
        self.app = SessionMiddleware(mount(self.answer, "/session", BrowserEndpoints(writable={"theme"})), self.manager)

    async def answer(self, scope: Any, _receive: Any, send: Any) -> None:
        body, (_, action, *user) = b"", scope["path"].split("/")
        session = scope["session"]
        if action == "begin":
            session.login(*user)
            session["theme"] = "light"
        elif action == "dark":
            session["theme"] = "dark"
        elif action == "end":
            body = b"%d" % await self.manager.revoke_all(*user)
        elif action == "weight":
            body = b"%d %f" % (_resident(), time.process_time())
        elif action == "page":
            body = PAGE.read_bytes()
        headers = [(b"content-length", b"%d" % len(body)), (b"content-type", b"text/html")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * resource.getpagesize()


class Visitor:
    """A browser's connection, with its session."""

    def __init__(self, port: int) -> None:
        self.token = ""
        self._port = port

    async def ask(self, path: str) -> str:
        """The answer's body."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._send(writer, path, "close")
        text = (await reader.read()).decode()
        writer.close()
        await writer.wait_closed()
        for line in text.splitlines():
            if line.lower().startswith("set-cookie: "):
                self.token = line.partition("=")[2].partition(";")[0]
        return text.rpartition("\r\n\r\n")[2]

    async def listen(self) -> None:
        """Open the stream, up to its first event."""
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port, limit=4096)
        self._send(self._writer, "/session/events", "keep-alive")
        await self._reader.readuntil(b"event: state")
        await self._reader.readuntil(b"\n\n")

    async def told(self, words: bytes) -> float:
        """When an event with these words had come, by `time.perf_counter`."""
        await self._reader.readuntil(words)
        return time.perf_counter()

    async def leave(self) -> None:
        """Listen no more."""
        self._writer.close()
        await self._writer.wait_closed()

    def _send(self, writer: asyncio.StreamWriter, path: str, connection: str) -> None:
        cookie = f"__Host-session={self.token}"
        lines = [f"GET {path} HTTP/1.1", "Host: localhost", f"Cookie: {cookie}", f"Connection: {connection}"]
        writer.write("\r\n".join([*lines, "", ""]).encode())


@asynccontextmanager
async def serving(url: str) -> AsyncIterator[int]:
    """The port of a server with the store at `url`."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    server = await asyncio.create_subprocess_exec(sys.executable, "-m", "benchmarks.streams", str(port), url)
    try:
        for _ in range(600):
            if await _answers(port):
                break
            await asyncio.sleep(0.1)
        yield port
    finally:
        server.kill()
        await server.wait()


async def _answers(port: int) -> bool:
    try:
        await Visitor(port).ask("/weight")
    except OSError:
        return False
    return True


def allow_many() -> None:
    """As many connections as the system lets us have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main() -> None:
    """Serve until told to end."""
    port, url = sys.argv[1:]
    allow_many()
    uvicorn.run(Server(url).app, port=int(port), log_level="warning", lifespan="off", access_log=False, backlog=4096)


if __name__ == "__main__":
    main()
