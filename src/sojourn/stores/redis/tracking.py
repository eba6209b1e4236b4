"""Tracking: a connection to every primary, over which it tells of writes, made again whenever one is cut."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack, suppress
from typing import Any

from redis.asyncio.connection import AbstractConnection as AsyncConnection
from redis.asyncio.connection import SSLConnection as AsyncSSLConnection
from redis.connection import AbstractConnection as Connection
from redis.connection import SSLConnection
from redis.exceptions import RedisError, TimeoutError

from sojourn.core.errors import StoreUnavailable
from sojourn.core.store import Watcher

from .calls import Address
from .listener import Broken, Listener, Round, Talk

__all__ = ["track", "track_async"]

logger = logging.getLogger("sojourn")

# Seconds until the next trial, and after which a thread looks whether it is still wanted.
PAUSE = 0.25


def track(
    watcher: Watcher,
    interval: float,
    primaries: Callable[[], Sequence[Address]],
    connect: Callable[[Address], Connection],
) -> None:
    """What WatchableStore.watch promises. `primaries` asks who they are, `connect` makes a connection of RESP3."""
    outage = _Outage()
    while not watcher.closed:
        try:
            _hold(Round(watcher, interval, primaries()), primaries, connect, outage)
        except (RedisError, OSError, StoreUnavailable, Broken) as error:
            watcher.lost()
            outage.begin(error)
            time.sleep(min(interval, PAUSE))


def _hold(
    round: Round, primaries: Callable[[], Sequence[Address]], connect: Callable[[Address], Connection], outage: _Outage
) -> None:
    """One round. Each listener has a thread, for a connection of redis-py can only be waited for alone."""
    over = threading.Event()
    errors: list[Exception] = []

    def listen(connection: Connection, listener: Listener) -> None:
        try:
            _talk(connection, listener.listen(), over)
        except Exception as error:  # noqa: BLE001  # handed to the thread that waits
            errors.append(error)
        over.set()

    with ExitStack() as at_the_end:
        connections: list[Connection] = []
        while round.missing:
            connections.append(_attach(round, connect, over, at_the_end))
        round.begin()
        outage.end()
        for pair in zip(connections, round.listeners.values(), strict=True):
            thread = threading.Thread(target=listen, args=pair, daemon=True)
            thread.start()
            # The threads first: a connection of redis-py that is cut and then used connects anew, and tracks nothing.
            at_the_end.callback(thread.join)
            at_the_end.callback(over.set)
        while not over.wait(round.interval) and not round.watcher.closed:
            if not round.clustered:
                asked_at = time.monotonic()
                round.judge(primaries(), asked_at)
        if errors:
            raise errors[0]


def _attach(
    round: Round, connect: Callable[[Address], Connection], over: threading.Event, at_the_end: ExitStack
) -> Connection:
    address = round.missing[0]
    connection = connect(address)
    at_the_end.callback(connection.disconnect)
    connection._parser.set_invalidation_push_handler(_as_it_is)
    connection.connect()
    _talk(connection, round.add(address, isinstance(connection, SSLConnection)).attach(), over)
    return connection


def _talk(connection: Connection, talk: Talk[None], over: threading.Event) -> None:
    heard: Any = None
    while not over.is_set():
        try:
            step = talk.send(heard)
        except StopIteration:
            return
        heard = None
        if isinstance(step, bytes):
            connection.send_packed_command([step], check_health=False)
            continue
        with suppress(TimeoutError):
            heard = connection.read_response(
                disable_decoding=True, timeout=min(step, PAUSE), disconnect_on_error=False, push_request=True
            )


async def track_async(
    watcher: Watcher,
    interval: float,
    primaries: Callable[[], Awaitable[Sequence[Address]]],
    connect: Callable[[Address], AsyncConnection],
) -> None:
    """What AsyncWatchableStore.watch promises, as `track`."""
    outage = _Outage()
    while not watcher.closed:
        try:
            await _hold_async(Round(watcher, interval, await primaries()), primaries, connect, outage)
        except (RedisError, OSError, StoreUnavailable, Broken) as error:
            watcher.lost()
            outage.begin(error)
            await asyncio.sleep(min(interval, PAUSE))


async def _hold_async(
    round: Round,
    primaries: Callable[[], Awaitable[Sequence[Address]]],
    connect: Callable[[Address], AsyncConnection],
    outage: _Outage,
) -> None:
    connections: list[AsyncConnection] = []
    tasks: list[asyncio.Task[None]] = []
    try:
        while missing := round.missing:
            connection = connect(missing[0])
            connections.append(connection)
            connection._parser.set_invalidation_push_handler(_as_it_is_async)  # type: ignore[attr-defined]
            await connection.connect()
            round.add(missing[0], isinstance(connection, AsyncSSLConnection))
            await _talk_async(connection, round.listeners[missing[0]].attach())
        round.begin()
        outage.end()
        for connection, listener in zip(connections, round.listeners.values(), strict=True):
            tasks.append(asyncio.create_task(_talk_async(connection, listener.listen())))
        tasks.append(asyncio.create_task(_judge(round, primaries)))
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for connection in connections:
            await connection.disconnect()


async def _judge(round: Round, primaries: Callable[[], Awaitable[Sequence[Address]]]) -> None:
    while not round.watcher.closed:
        await asyncio.sleep(round.interval)
        if not round.clustered:
            asked_at = time.monotonic()
            round.judge(await primaries(), asked_at)


async def _talk_async(connection: AsyncConnection, talk: Talk[None]) -> None:
    heard: Any = None
    while True:
        try:
            step = talk.send(heard)
        except StopIteration:
            return
        heard = None
        if isinstance(step, bytes):
            await connection.send_packed_command(step, check_health=False)
        else:
            heard = await connection.read_response(
                disable_decoding=True, timeout=step, disconnect_on_error=False, push_request=True
            )


class _Outage:
    """Tells the log of it once, and of its end."""

    def __init__(self) -> None:
        self._since: float | None = None

    def begin(self, error: Exception) -> None:
        if self._since is None:
            self._since = time.monotonic()
            logger.warning("Redis tells of no writes, so every read asks it: %s", error)

    def end(self) -> None:
        if self._since is not None:
            logger.warning("Redis tells of writes again, after %.1f s", time.monotonic() - self._since)
            self._since = None


# What comes unasked goes to the listener like any other answer.
def _as_it_is(message: object) -> object:
    return message


async def _as_it_is_async(message: object) -> object:
    return message
