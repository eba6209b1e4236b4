"""Tracking: connections over which every primary names the keys that are written, and when it has named them all.

The server does that by itself (CLIENT TRACKING in broadcasting mode, of Redis 6 and later). Ours are the beats: what is
asked over the same connection, so that silence is told from quiet.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from typing import Any

import hiredis
from redis.asyncio.connection import AbstractConnection as AsyncConnection
from redis.asyncio.connection import SSLConnection as AsyncSSLConnection
from redis.connection import AbstractConnection as Connection
from redis.connection import SSLConnection
from redis.exceptions import RedisError, TimeoutError

from sojourn.errors import StoreUnavailable
from sojourn.store import Watcher

from .calls import Address, pack
from .keys import PREFIX, id_of

__all__ = ["track", "track_async"]

logger = logging.getLogger("sojourn")

# Seconds in which a server that is there answers. Soundness does not depend on it, only when to connect anew.
PATIENCE = 2.0
# Of CLUSTER INFO. Each change of what node has which slots moves one of them: a failover and the end of a slot's
# migration the epoch, a new node, which may be sent keys before it has a slot, the count of nodes.
_VIEW = tuple(
    f"cluster_{name}:".encode()
    for name in ("state", "slots_assigned", "slots_fail", "known_nodes", "size", "current_epoch")
)

Talk = Generator[bytes | float, Any, None]
"""Yields what to send, or how many seconds to wait for what comes: it is sent that, or None where nothing came."""


class Broken(Exception):
    """What is listened to is not, or no longer, what should be."""


class _Round:
    """The listeners, one for each primary, from when all of them are there until one breaks."""

    def __init__(self, watcher: Watcher, interval: float, tls: bool) -> None:
        self.listeners: dict[Address, _Listener] = {}
        self._watcher = watcher
        self._interval = interval
        self._until: dict[Address | None, float] = {}

    def listener(self, address: Address) -> _Listener:
        """One more."""
        self.listeners[address] = listener = _Listener(address, self._watcher, self._interval, self.confirm)
        return listener

    def begin(self, now: float) -> None:
        """All primaries tell of writes. What is read from now on holds every write before."""
        for listener in self.listeners.values():
            if listener.primaries and listener.primaries != self.listeners.keys():
                raise Broken("its nodes do not agree on who is a primary")
        self._until = dict.fromkeys([*self.listeners, None], now)
        self._watcher.lost()
        self._watcher.sound(now)

    def confirm(self, address: Address | None, until: float) -> None:
        """The primary has told of all its writes before `until`. None: until then, these were the primaries."""
        self._until[address] = until
        self._watcher.sound(min(self._until.values()))


class _Listener:
    """What is said over the connection to one primary."""

    def __init__(self, address: Address, round: _Round) -> None:
        self.primaries: set[Address] = set()
        ...
