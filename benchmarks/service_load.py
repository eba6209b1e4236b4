"""ServiceLoad: connections that each ask their own thing again and again, and how long every answer took."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from statistics import quantiles
from time import perf_counter
from typing import NamedTuple

from .http_load import Connection, connect

__all__ = ["Lap", "ServiceLoad"]


class Lap(NamedTuple):
    """So many requests: how many a second, and the milliseconds within which half and 99 of 100 were answered."""

    per_second: float
    p50_ms: float
    p99_ms: float


class ServiceLoad:
    """Connections to one server on this machine, one for each of `requests`."""

    def __init__(self, port: int, requests: Sequence[bytes]) -> None:
        self._port = port
        self._requests = requests
        self._connections = [Connection() for _ in requests]

    async def run(self, connections: int, requests: int) -> Lap:
        """Share so many requests among so many of the connections. Raises RuntimeError where one is refused."""
        chosen = random.sample(range(len(self._connections)), connections)
        asking = [(await self._connected(which), self._requests[which]) for which in chosen]
        for connection, _ in asking:
            connection.waits.clear()
        began = perf_counter()
        await asyncio.gather(*[connection.ask(request, requests // connections) for connection, request in asking])
        took = perf_counter() - began
        waits = [wait for connection, _ in asking for wait in connection.waits]
        cuts = quantiles(waits, n=100, method="inclusive")
        return Lap(len(waits) / took, cuts[49] * 1000, cuts[98] * 1000)

    async def ask_each(self) -> list[bytes]:
        """The answer to each request, asked one after another."""
        return [await (await self._connected(which)).ask(request, 1) for which, request in enumerate(self._requests)]

    async def _connected(self, which: int) -> Connection:
        connection = self._connections[which]
        if connection.closed:
            connection = self._connections[which] = await connect(self._port)
        return connection

    def close(self) -> None:
        """Hang up."""
        for connection in self._connections:
            if not connection.closed:
                connection.close()
