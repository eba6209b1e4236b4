"""Tracking: a connection to every primary, over which it reports writes, made again whenever one is cut."""

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
from .listener import Listener, ListenerGroup, Talk, TrackingError

__all__ = ["track", "track_async"]

logger = logging.getLogger("sojourn")

# Seconds until the next attempt, and after which a thread looks whether it is still wanted.
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
            _run_group(ListenerGroup(watcher, interval, primaries()), primaries, connect, outage)
        except (RedisError, OSError, StoreUnavailable, TrackingError) as error:
            watcher.lost()
            outage.begin(error)
            time.sleep(min(interval, PAUSE))


def _run_group(
    group: ListenerGroup,
    primaries: Callable[[], Sequence[Address]],
    connect: Callable[[Address], Connection],
    outage: _Outage,
) -> None:
    """Until one breaks. Each listener has a thread, for a connection of redis-py can only be waited for alone."""
    over = threading.Event()
    errors: list[Exception] = []

    def listen(connection: Connection, listener: Listener) -> None:
        try:
            _run(connection, listener.listen(), over)
        except Exception as error:  # noqa: BLE001  # handed to the thread that waits
            errors.append(error)
        over.set()

    with ExitStack() as at_the_end:
        connections: list[Connection] = []
        while group.missing:
            connections.append(_attach(group, connect, over, at_the_end))
        group.begin()
        outage.end()
        for pair in zip(connections, group.listeners.values(), strict=True):
            thread = threading.Thread(target=listen, args=pair, daemon=True)
            thread.start()
            # The threads first: a connection of redis-py that is cut and then used connects anew, and tracks nothing.
            at_the_end.callback(thread.join)
            at_the_end.callback(over.set)
        while not over.wait(group.interval) and not group.watcher.closed:
            if not group.clustered:
                asked_at = time.monotonic()
                group.check_primaries(primaries(), asked_at)
        if errors:
            raise errors[0]


def _attach(
    group: ListenerGroup, connect: Callable[[Address], Connection], over: threading.Event, at_the_end: ExitStack
) -> Connection:
    address = group.missing[0]
    connection = connect(address)
    at_the_end.callback(connection.disconnect)
    connection._parser.set_invalidation_push_handler(_as_it_is)
    connection.connect()
    _run(connection, group.add(address, isinstance(connection, SSLConnection)).attach(), over)
    return connection


def _run(connection: Connection, talk: Talk[None], over: threading.Event) -> None:
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
            await _run_group_async(ListenerGroup(watcher, interval, await primaries()), primaries, connect, outage)
        except (RedisError, OSError, StoreUnavailable, TrackingError) as error:
            watcher.lost()
            outage.begin(error)
            await asyncio.sleep(min(interval, PAUSE))


async def _run_group_async(
    group: ListenerGroup,
    primaries: Callable[[], Awaitable[Sequence[Address]]],
    connect: Callable[[Address], AsyncConnection],
    outage: _Outage,
) -> None:
    connections: list[AsyncConnection] = []
    tasks: list[asyncio.Task[None]] = []
    try:
        while missing := group.missing:
            connection = connect(missing[0])
            connections.append(connection)
            connection._parser.set_invalidation_push_handler(_as_it_is_async)  # type: ignore[attr-defined]
            await connection.connect()
            group.add(missing[0], isinstance(connection, AsyncSSLConnection))
            await _run_async(connection, group.listeners[missing[0]].attach())
        group.begin()
        outage.end()
        for connection, listener in zip(connections, group.listeners.values(), strict=True):
            tasks.append(asyncio.create_task(_run_async(connection, listener.listen())))
        tasks.append(asyncio.create_task(_check_primaries(group, primaries)))
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for connection in connections:
            await connection.disconnect()


async def _check_primaries(group: ListenerGroup, primaries: Callable[[], Awaitable[Sequence[Address]]]) -> None:
    while not group.watcher.closed:
        await asyncio.sleep(group.interval)
        if not group.clustered:
            asked_at = time.monotonic()
            group.check_primaries(await primaries(), asked_at)


async def _run_async(connection: AsyncConnection, talk: Talk[None]) -> None:
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
    """Logs that it began, once, and that it is over."""

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
