"""`python -m benchmarks.streams`: what open event streams cost in one process, and how soon an end reaches all of them.

A server of its own process has the endpoints, on uvicorn, with sessions in memory; this one opens the connections.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import uvicorn

from sojourn import AsyncSessionManager, Policy
from sojourn.asgi import BrowserEndpoints, SessionMiddleware, mount
from sojourn.stores.memory import AsyncMemoryStore

__all__ = ["main"]

USER = "ada"


class Server:
    """The application; `/begin` logs one user in, `/end` ends all their sessions, `/weight` tells of this process."""

    def __init__(self) -> None:
        self.manager = AsyncSessionManager(AsyncMemoryStore(), Policy(max_sessions=None))
        self.app = SessionMiddleware(mount(self.answer, "/session", BrowserEndpoints(readable={"theme"})), self.manager)

    async def answer(self, scope: Any, _receive: Any, send: Any) -> None:
        body = b""
        if scope["path"] == "/begin":
            scope["session"].login(USER)
            scope["session"]["theme"] = "dark"
        elif scope["path"] == "/end":
            body = b"%d" % await self.manager.revoke_all(USER)
        elif scope["path"] == "/weight":
            body = b"%d %f" % (_resident(), time.process_time())
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * resource.getpagesize()


class Visitor:
    """A browser's connection, with its session."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._cookie = ""

    async def ask(self, path: str) -> str:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._send(writer, path, "close")
        text = (await reader.read()).decode()
        writer.close()
        for line in text.splitlines():
            if line.lower().startswith("set-cookie: "):
                self._cookie = line.partition(": ")[2].partition(";")[0]
        return text.rpartition("\r\n\r\n")[2]

    async def listen(self) -> None:
        """Open the stream, up to its first event."""
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port, limit=4096)
        self._send(self._writer, "/session/events", "keep-alive")
        await self._reader.readuntil(b"event: state")
        await self._reader.readuntil(b"\n\n")

    async def told(self) -> float:
        """When the end had come."""
        await self._reader.readuntil(b'"end_reason":"revoked"')
        return time.monotonic()

    def _send(self, writer: asyncio.StreamWriter, path: str, connection: str) -> None:
        lines = [f"GET {path} HTTP/1.1", "Host: localhost", f"Cookie: {self._cookie}", f"Connection: {connection}"]
        writer.write("\r\n".join([*lines, "", ""]).encode())


async def measure(port: int, count: int, seconds: float) -> None:
    """Open `count` streams, leave them alone for so many seconds, end all of them, and print what was seen."""
    operator, visitors = Visitor(port), [Visitor(port) for _ in range(count)]
    await visitors[0].ask("/begin")
    for start in range(0, count, 100):
        await asyncio.gather(*(visitor.ask("/begin") for visitor in visitors[start : start + 100]))
    before, _ = await _weigh(operator)
    for start in range(0, count, 100):
        await asyncio.gather(*(visitor.listen() for visitor in visitors[start : start + 100]))
    after, used = await _weigh(operator)
    await asyncio.sleep(seconds)
    _, used_later = await _weigh(operator)
    print(f"{count:,} streams: {(after - before) / 2**20:,.0f} MiB, {(after - before) / count / 1024:.1f} KiB each")
    print(f"at rest: {100 * (used_later - used) / seconds:.1f} % of a core")
    ends = [asyncio.create_task(visitor.told()) for visitor in visitors]
    began = time.monotonic()
    await operator.ask("/end")
    times = sorted(at - began for at in await asyncio.gather(*ends))
    print(
        f"an end of all at once: the first told after {times[0]:.2f} s, half after {times[count // 2]:.2f} s, "
        f"the last after {times[-1]:.2f} s"
    )


async def _weigh(operator: Visitor) -> tuple[int, float]:
    resident, _, used = (await operator.ask("/weight")).partition(" ")
    return int(resident), float(used)


def serve(port: int) -> None:
    """Run the server."""
    uvicorn.run(Server().app, port=port, log_level="warning", lifespan="off", access_log=False, backlog=4096)


async def _run(count: int, seconds: float) -> None:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    command = [sys.executable, "-m", "benchmarks.streams", "--serve", str(port)]
    server = await asyncio.create_subprocess_exec(*command)
    try:
        for _ in range(200):
            try:
                await Visitor(port).ask("/weight")
                break
            except OSError:
                await asyncio.sleep(0.1)
        await measure(port, count, seconds)
    finally:
        server.kill()
        await server.wait()


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.streams", description=__doc__)
    parser.add_argument("--streams", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=20, help="how long they are left alone")
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if given.serve:
        serve(given.serve)
    else:
        asyncio.run(_run(given.streams, given.seconds))


if __name__ == "__main__":
    main()
