"""Tracking: a connection to every primary, over which it reports writes, made again whenever one is cut."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import hiredis
from redis.connection import AbstractConnection as Connection
from redis.connection import SSLConnection
from redis.exceptions import RedisError

from sojourn.core.errors import StoreUnavailable
from sojourn.core.store import Watcher

from .calls import Address
from .listener import PATIENCE, Listener, ListenerGroup, Talk, TrackingError

__all__ = ["track"]

logger = logging.getLogger("sojourn")

# Seconds until the next attempt, and after which a thread looks whether it is still wanted.
PAUSE = 0.25
READ_SIZE = 1 << 16
# Seconds in which what is reported gathers: else each write, our own too, wakes a thread just as its answer comes, and
# the two wait for each other.
LULL = 0.001
_NOTHING = object()


def track(
    watcher: Watcher,
    interval: float,
    primaries: Callable[[], Sequence[Address]],
    doubt: Callable[[], None],
    connect: Callable[[Address], Connection],
) -> None:
    """What WatchableStore.watch promises.

    `primaries` asks who they are, `doubt` says that they may be others now, `connect` makes a connection of RESP3.
    """
    outage = _Outage()
    while not watcher.closed:
        try:
            _run_group(ListenerGroup(watcher, interval, primaries()), primaries, connect, outage)
        except (RedisError, OSError, StoreUnavailable, TrackingError) as error:
            watcher.lost()
            doubt()
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

    def listen(wire: _Wire, listener: Listener) -> None:
        try:
            wire.run(listener.listen(), over)
        except Exception as error:  # noqa: BLE001  # handed to the thread that waits
            errors.append(error)
        over.set()

    with ExitStack() as at_the_end:
        wires: list[_Wire] = []
        while group.missing:
            wires.append(_attach(group, connect, over, at_the_end))
        group.begin()
        outage.end()
        for pair in zip(wires, group.listeners.values(), strict=True):
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
) -> _Wire:
    address = group.missing[0]
    connection = connect(address)
    at_the_end.callback(connection.disconnect)
    connection.connect()
    wire = _Wire(connection)
    wire.run(group.add(address, isinstance(connection, SSLConnection)).attach(), over)
    return wire


class _Wire:
    """A connection that was made by redis-py, and what comes over it, without what redis-py does for each message.

    Its own reader takes over where nothing has come unasked yet: all that ever comes goes through it.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._socket: Any = connection._sock
        self._told = False
        self._reader = hiredis.Reader(replyError=RedisError, protocolError=RedisError, notEnoughData=_NOTHING)

    def run(self, talk: Talk[None], over: threading.Event) -> None:
        """Until the talk ends, or it is over. Raises what the server refuses, and OSError where it is gone."""
        heard: Any = None
        while not over.is_set():
            try:
                step = talk.send(heard)
            except StopIteration:
                return
            if isinstance(step, bytes):
                heard = None
                self._socket.settimeout(PATIENCE)
                self._connection.send_packed_command([step], check_health=False)
            else:
                heard = self._receive(min(step, PAUSE))

    def _receive(self, seconds: float) -> Any:
        """The next message; None where there is none yet."""
        message = self._reader.gets(False)
        if message is _NOTHING:
            # Whatever came together is read at once.
            if self._told:
                self._told = False
                time.sleep(LULL)
            self._socket.settimeout(seconds)
            try:
                received = self._socket.recv(READ_SIZE)
            except TimeoutError:
                return None
            if not received:
                raise ConnectionError("the server closed the connection")
            self._reader.feed(received)
            message = self._reader.gets(False)
        if isinstance(message, RedisError):
            raise message
        self._told = self._told or isinstance(message, hiredis.PushNotification)
        return None if message is _NOTHING else message


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
