"""Listener: what is said over the connection to a primary that tells of writes, and what all of them have told. No I/O.

The primary names the keys that are written by itself (CLIENT TRACKING in broadcasting mode, of Redis 6 and later). Ours
are the beats: what is asked over the same connection, so that silence is told from quiet.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from typing import Any, TypeVar

import hiredis

from sojourn.core.store import Watcher

from .calls import Address, pack
from .keys import PREFIX, id_of

__all__ = ["Broken", "Listener", "Round", "Talk"]

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


class Broken(Exception):
    """What is listened to is not, or no longer, what it should be."""


class Round:
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
        """All primaries tell of writes: what is read from now on holds every write before."""
        now = time.monotonic()
        self._until = dict.fromkeys(self.listeners if self.clustered else [None, *self.listeners], now)
        self.watcher.lost()
        self.watcher.sound(now)

    def judge(self, primaries: Sequence[Address], asked_at: float) -> None:
        """Who was said to be a primary, when asked at that time. Raises Broken where it is another now."""
        if set(primaries) != self._named:
            raise Broken("another server is the primary now")
        self.confirm(None, asked_at)

    def confirm(self, address: Address | None, until: float) -> None:
        """This primary has told of all its writes before `until`. None: until then, these were the primaries."""
        self._until[address] = until
        self.watcher.sound(min(self._until.values()))


class Listener:
    """What is said over the connection to one primary. `primaries` are those that it knows, if it is a Cluster's."""

    def __init__(self, round: Round, address: Address, tls: bool) -> None:
        self.primaries: set[Address] = set()
        self._round = round
        self._address = address
        self._tls = tls
        self._view: Sequence[bytes] = ()

    def attach(self) -> Talk[None]:
        """From here on it tells of writes. Raises Broken where it is no primary."""
        yield from self._ask("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", PREFIX)
        hello = yield from self._ask("HELLO")
        if hello[b"role"] != b"master":
            raise Broken("it is a replica")
        if hello[b"mode"] == b"cluster":
            self._view = yield from self._look()
            shards = yield from self._ask("CLUSTER", "SHARDS")
            self.primaries = {self._address_of(node) for shard in shards for node in shard[b"nodes"] if _leads(node)}

    def listen(self) -> Talk[None]:
        """Until it breaks. Raises Broken where the Cluster is not what it was."""
        sent = time.monotonic()
        while True:
            yield from self._hear(sent + self._round.interval)
            before, sent = sent, time.monotonic()
            if self._view and (yield from self._look()) != self._view:
                raise Broken("the Cluster changed")
            # It waits for nobody. A replica refuses it; and so does a server that is busy with a long script, which
            # answers others, HELLO say, amid what it has still to tell.
            yield from self._ask("WAIT", "0", "0")
            # Writes are told at the end of a turn of the server's loop, and before the answers of that turn are sent;
            # but its I/O threads may send one earlier. So an answer confirms the beat before its own.
            self._round.confirm(self._address, before)

    def _look(self) -> Talk[Sequence[bytes]]:
        info = yield from self._ask("CLUSTER", "INFO")
        view = [line for line in info.splitlines() if line.startswith(_VIEW)]
        if b"cluster_state:ok" not in view:
            raise Broken("the Cluster is down")
        return view

    def _address_of(self, node: dict[bytes, Any]) -> Address:
        # A node that does not know its own name means: where you found me.
        host = node[b"endpoint"].decode() if node[b"endpoint"] else self._address[0]
        return host, node[b"tls-port" if self._tls else b"port"]

    def _ask(self, *words: str) -> Talk[Any]:
        yield pack(*words)
        give_up = time.monotonic() + max(PATIENCE, 4 * self._round.interval)
        while (left := give_up - time.monotonic()) > 0:
            message = yield left
            if message is not None and not self._told(message):
                return message
        raise Broken("it is silent")

    def _hear(self, until: float) -> Talk[None]:
        while (left := until - time.monotonic()) > 0:
            self._told((yield left))

    def _told(self, message: object) -> bool:
        """Take what comes unasked; whether it was that."""
        if not isinstance(message, hiredis.PushNotification):
            return False
        if message[0] == b"invalidate":
            keys: list[bytes] | None = message[1]
            if keys is None:
                self._round.watcher.lost()  # all keys are gone
            else:
                self._round.watcher.changed([id for key in keys if (id := id_of(key)) is not None])
        return True


def _leads(node: dict[bytes, Any]) -> bool:
    # One that failed has no slots any more, or the Cluster is down.
    return bool(node[b"role"] == b"master" and node[b"health"] != b"fail")
