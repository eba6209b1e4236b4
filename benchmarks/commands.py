"""Commands: what a session layer asks of Redis for 1,000 requests that only read, counted by Redis itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from tests.servers.redis import RedisServer

from .request import App, ask, cookie_of

__all__ = ["BROWSERS", "REQUESTS", "Commands", "count_commands", "count_of_app"]

BROWSERS = 10
REQUESTS = 1000
IDLE_SECONDS = 1.0

OWN = frozenset({"info", "config|resetstat"})


class Commands(msgspec.Struct, frozen=True):
    """`commands` by name for 1,000 requests, and how many came in a second without any request."""

    peer: str
    commands: dict[str, int]
    an_idle_second: float

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.commands.values())


async def count_commands(peer: str, server: RedisServer, read: Callable[[], Awaitable[object]]) -> Commands:
    """What `read`, which makes 1,000 requests, and then no request at all, make a peer ask of its server."""
    server.ask("CONFIG", "RESETSTAT")
    await read()
    commands = _counted(server)
    server.ask("CONFIG", "RESETSTAT")
    await asyncio.sleep(IDLE_SECONDS)
    return Commands(peer, commands, sum(_counted(server).values()) / IDLE_SECONDS)


async def count_of_app(peer: str, server: RedisServer, app: App) -> Commands:
    """The same for an ASGI application that ten browsers visit in turns."""
    await _warm_up(app)
    cookies = [cookie_of(await ask(app, "/fill")) or b"" for _ in range(BROWSERS)]

    async def read() -> None:
        for n in range(REQUESTS):
            answer = await ask(app, "/read", cookies[n % BROWSERS])
            assert answer.body == b"dark"

    return await count_commands(peer, server, read)


async def _warm_up(app: App) -> None:
    """A visit now and then: a cache serves once its listener is under way."""
    cookie = cookie_of(await ask(app, "/fill")) or b""
    for _ in range(20):
        await ask(app, "/read", cookie)
        await asyncio.sleep(0.05)


def _counted(server: RedisServer) -> dict[str, int]:
    lines = server.info("commandstats")
    found = {name.removeprefix("cmdstat_"): line for name, line in lines.items() if name.startswith("cmdstat_")}
    return {name: int(line.partition("calls=")[2].partition(",")[0]) for name, line in found.items() if name not in OWN}
