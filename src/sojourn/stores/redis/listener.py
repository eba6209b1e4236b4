"""Listener: what is sent and received over the connection to one primary that reports its writes. No I/O.

The primary pushes the keys that are written (CLIENT TRACKING in broadcasting mode, of Redis 6 and later). We send it
heartbeats over the same connection, for a connection that was cut is as silent as one with nothing to report.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from typing import Any, TypeVar

import hiredis

from sojourn.core.store import Watcher

from .calls import Address, pack
from .key_names import PREFIX, id_of

__all__ = ["PATIENCE", "Listener", "ListenerGroup", "Talk", "TrackingError"]

# Seconds in which a server that is there answers. When to connect anew depends on it; what is sound does not.
PATIENCE = 2.0
# Of CLUSTER INFO. Whatever changes who may be written to moves one of them: a failover and the end of a slot's move
# the epoch; a new node, which is sent keys before it has a slot, the count of nodes.
_VIEW = tuple(
    f"cluster_{name}:".encode()
    for name in ("state", "slots_assigned", "slots_fail", "known_nodes", "size", "current_epoch")
)

T = TypeVar("T")
Talk = Generator[bytes | float, Any, T]
"""Yields what to send, or for how many seconds to wait: it is sent what came, None where nothing did."""


class TrackingError(Exception):
    """A server is no primary, is not one any more, or does not answer."""


class ListenerGroup:
    """The listeners, one to each primary: from when all of them are there, until one breaks."""

    def __init__(self, watcher: Watcher, interval: float, primaries: Sequence[Address]) -> None:
        self.listeners: dict[Address, Listener] = {}
        self.interval = interval
        self.watcher = watcher
        self._named = set(primaries)
        self._until: dict[Address | None, float] = {}

    @property
    def missing(self) -> list[Address]:
        """Primaries that there is no listener to yet. A Cluster's, which may lack slots, only they themselves name."""
        named = self._named.union(*[listener.primaries for listener in self.listeners.values()])
        return sorted(named - self.listeners.keys())

    def add(self, address: Address, tls: bool) -> Listener:
        """A listener to one of them."""
        self.listeners[address] = listener = Listener(self, address, tls)
        return listener

    @property
    def clustered(self) -> bool:
        """Whether the listeners themselves see who the primaries are. Else that is to be asked, and to be judged."""
        return any([listener.primaries for listener in self.listeners.values()])

    def begin(self) -> None:
        """All primaries report writes: what is read from now on holds every write before."""
        now = time.monotonic()
        self._until = dict.fromkeys(self.listeners if self.clustered else [None, *self.listeners], now)
        self.watcher.lost()
        self.watcher.sound(now)

    def check_primaries(self, primaries: Sequence[Address], asked_at: float) -> None:
        """Compare who the primaries were, when asked at that time. Raises TrackingError where they are others now."""
        if set(primaries) != self._named:
            raise TrackingError("another server is the primary now")
        self.confirm(None, asked_at)

    def confirm(self, address: Address | None, until: float) -> None:
        """This primary has reported all its writes before `until`. None: until then, these were the primaries."""
        self._until[address] = until
        self.watcher.sound(min(self._until.values()))


class Listener:
    """One connection to a primary. `primaries` are those that it knows, if it is a Cluster's."""

    def __init__(self, group: ListenerGroup, address: Address, tls: bool) -> None:
        self.primaries: set[Address] = set()
        self._group = group
        self._address = address
        self._tls = tls
        self._view: Sequence[bytes] = ()

    def attach(self) -> Talk[None]:
        """Make it report writes from here on. Raises TrackingError where it is no primary."""
        yield from self._ask("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", PREFIX)
        hello = yield from self._ask("HELLO")
        if hello[b"role"] != b"master":
            raise TrackingError("it is a replica")
        if hello[b"mode"] == b"cluster":
            self._view = yield from self._cluster_view()
            shards = yield from self._ask("CLUSTER", "SHARDS")
            self.primaries = {
                self._address_of(node) for shard in shards for node in shard[b"nodes"] if _is_primary(node)
            }

    def listen(self) -> Talk[None]:
        """Until it breaks. Raises TrackingError where the Cluster is not what it was."""
        sent = time.monotonic()
        while True:
            yield from self._receive_until(sent + self._group.interval)
            before, sent = sent, time.monotonic()
            if self._view and (yield from self._cluster_view()) != self._view:
                raise TrackingError("the Cluster changed")
            # It waits for nobody. A replica refuses it; and so does a server that is busy with a long script, which
            # answers others, HELLO say, amid what it has still to report.
            yield from self._ask("WAIT", "0", "0")
            # Writes are reported at the end of a turn of the server's loop, before the answers of that turn are sent;
            # but its I/O threads may send one earlier. So an answer confirms the heartbeat before its own.
            self._group.confirm(self._address, before)

    def _cluster_view(self) -> Talk[Sequence[bytes]]:
        info = yield from self._ask("CLUSTER", "INFO")
        view = [line for line in info.splitlines() if line.startswith(_VIEW)]
        if b"cluster_state:ok" not in view:
            raise TrackingError("the Cluster is down")
        return view

    def _address_of(self, node: dict[bytes, Any]) -> Address:
        # A node that does not know its own name means: where you found me.
        host = node[b"endpoint"].decode() if node[b"endpoint"] else self._address[0]
        return host, node[b"tls-port" if self._tls else b"port"]

    def _ask(self, *words: str) -> Talk[Any]:
        yield pack(*words)
        give_up = time.monotonic() + max(PATIENCE, 4 * self._group.interval)
        while (left := give_up - time.monotonic()) > 0:
            message = yield left
            if message is not None and not self._take_push(message):
                return message
        raise TrackingError("it is silent")

    def _receive_until(self, until: float) -> Talk[None]:
        while (left := until - time.monotonic()) > 0:
            self._take_push((yield left))

    def _take_push(self, message: object) -> bool:
        """Take a message that was pushed, not asked for; False for any other."""
        if not isinstance(message, hiredis.PushNotification):
            return False
        if message[0] == b"invalidate":
            keys: list[bytes] | None = message[1]
            if keys is None:
                self._group.watcher.lost()  # all keys are gone
            else:
                self._group.watcher.changed([id for key in keys if (id := id_of(key)) is not None])
        return True


def _is_primary(node: dict[bytes, Any]) -> bool:
    # One that failed has no slots any more, or the Cluster is down.
    return bool(node[b"role"] == b"master" and node[b"health"] != b"fail")
