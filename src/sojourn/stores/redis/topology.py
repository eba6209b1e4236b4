"""Topology: which node has a key. One server, a primary that Sentinels name, or a Cluster's slots. No I/O."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, NamedTuple, Protocol

from redis.crc import key_slot

from sojourn.core.errors import ConfigurationError, StoreUnavailable

from .calls import Address, pack
from .errors import code_of, explained, is_refusal, may_pass
from .url import Location

__all__ = ["Cluster", "Discovery", "NodeQuestion", "Sentinels", "Single", "Topology", "topology_of"]

SLOTS = 16384


class NodeQuestion(NamedTuple):
    """A command to learn from, for a node or a Sentinel."""

    address: Address
    packed: bytes
    to_sentinel: bool = False


Discovery = Generator[NodeQuestion, Any, None]
"""Asks questions, is sent the answers, an exception where there was none; raises StoreUnavailable in the end."""


class Topology(Protocol):
    """Where the keys are, as far as it is known."""

    def address(self, key: str) -> Address | None:
        """The primary that has `key`; None where that must be discovered."""

    def primaries(self) -> Sequence[Address]:
        """Every primary; none where they must be discovered."""

    def moved(self, slot: int, address: Address) -> None:
        """A node said that `slot` is elsewhere now."""

    def doubt(self) -> None:
        """A connection broke, and who answers there next may be another than before; or replicas confirmed nothing."""

    def discover(self) -> Discovery:
        """Learn it anew."""


class Single:
    """One server."""

    def __init__(self, address: Address) -> None:
        self._address = address

    def address(self, key: str) -> Address | None:
        """As Topology.address."""
        return self._address

    def primaries(self) -> Sequence[Address]:
        """As Topology.primaries."""
        return [self._address]

    def moved(self, slot: int, address: Address) -> None:
        """As Topology.moved."""
        raise StoreUnavailable("This Redis is a node of a Cluster. Write redis+cluster:// instead of redis://.")

    def doubt(self) -> None:
        """As Topology.doubt."""

    def discover(self) -> Discovery:
        """As Topology.discover."""
        yield from ()


class Sentinels:
    """A primary with replicas, under the watch of Sentinels."""

    def __init__(self, sentinels: Sequence[Address], service: str) -> None:
        self._sentinels = list(sentinels)
        self._service = service
        self._ask = pack("SENTINEL", "GET-MASTER-ADDR-BY-NAME", service)
        self._silent: set[Address] = set()
        self._primary: Address | None = None

    def address(self, key: str) -> Address | None:
        """As Topology.address."""
        return self._primary

    def primaries(self) -> Sequence[Address]:
        """As Topology.primaries."""
        return [self._primary] if self._primary else []

    def moved(self, slot: int, address: Address) -> None:
        """As Topology.moved."""
        raise StoreUnavailable("These Sentinels watch a node of a Cluster. Write redis+cluster:// and its nodes.")

    def doubt(self) -> None:
        """As Topology.doubt."""
        self._primary = None

    def discover(self) -> Discovery:
        """As Topology.discover. A primary that Sentinels name must also say so itself.

        That it is still the one, any Sentinel may say. Which one it is, all are asked: of a failover some hear later,
        and a primary that died and is back takes itself for one until a Sentinel tells it otherwise.
        """
        believed, answers = self._primary, 0
        named: dict[Address, int] = {}
        answer: object = None
        for sentinel in list(self._sentinels):
            if sentinel in self._silent and answers > len(self._sentinels) // 2:
                continue
            facts = yield NodeQuestion(sentinel, pack("SENTINEL", "MASTER", self._service), to_sentinel=True)
            answer = yield NodeQuestion(sentinel, self._ask, to_sentinel=True)
            if not isinstance(answer, list):
                self._silent.add(sentinel)
                continue
            answers += 1
            self._silent.discard(sentinel)
            primary = (answer[0].decode(), int(answer[1]))
            named[primary] = max(named.get(primary, 0), _epoch(facts))
            if primary == believed:
                break
        self._sentinels.sort(key=self._silent.__contains__)
        newest = [primary for primary, epoch in named.items() if epoch == max(named.values())]
        if len(newest) == 1:
            answer = yield NodeQuestion(newest[0], pack("ROLE"))
            if isinstance(answer, list) and answer[0] == b"master":
                self._primary = newest[0]
                return
        self._primary = None
        raise _undiscovered(f"No Sentinel names a primary of {self._service!r} that answers as one", answer)


def _epoch(facts: object) -> int:
    """The number of the failover by which a Sentinel came to the primary that it names."""
    if not isinstance(facts, list):
        return 0
    return int(dict(zip(facts[::2], facts[1::2], strict=False)).get(b"config-epoch", 0))


class Cluster:
    """A Cluster's slots, and the primary of each."""

    def __init__(self, seeds: Sequence[Address]) -> None:
        self._seeds = list(seeds)
        self._slots: list[Address | None] = [None] * SLOTS

    def address(self, key: str) -> Address | None:
        """As Topology.address."""
        return self._slots[key_slot(key.encode())]

    def primaries(self) -> Sequence[Address]:
        """As Topology.primaries."""
        return sorted({address for address in self._slots if address is not None})

    def moved(self, slot: int, address: Address) -> None:
        """As Topology.moved."""
        self._slots[slot] = address

    def doubt(self) -> None:
        """As Topology.doubt. A node that was away does not serve before it knows its place."""

    def discover(self) -> Discovery:
        """As Topology.discover. The node that is asked last is the one that did not answer before."""
        answer: object = None
        ask = pack("CLUSTER", "SLOTS")
        for address in self._seeds:
            answer = yield NodeQuestion(address, ask)
            if isinstance(answer, list) and answer:
                self._learn(answer, address)
                return
            # Assigned, not changed in place: threads may be on their way through it.
            self._seeds = [*[other for other in self._seeds if other != address], address]
        raise _undiscovered("No node of the Redis Cluster tells which node has which slots", answer)

    def _learn(self, answer: list[Any], asked: Address) -> None:
        slots: list[Address | None] = [None] * SLOTS
        for first, last, *nodes in answer:
            # A node that does not know its own name means: where you found me.
            found = [(node[0].decode() if node[0] else asked[0], node[1]) for node in nodes]
            slots[first : last + 1] = [found[0]] * (last + 1 - first)
            self._seeds = [*self._seeds, *[address for address in found if address not in self._seeds]]
        self._slots = slots


def _undiscovered(what: str, answer: object) -> StoreUnavailable | ConfigurationError:
    """What to raise where nobody told: `answer` is the last one's. Waiting does not mend a server of another kind."""
    if isinstance(answer, ConfigurationError):
        return answer
    if answer is None or (isinstance(answer, Exception) and is_refusal(answer) and not may_pass(answer)):
        why = f" ({code_of(answer)}): {explained(answer)}" if answer else ""
        return ConfigurationError(f"{what}{why}.")
    cause = answer.__cause__ or answer if isinstance(answer, BaseException) else None
    error = StoreUnavailable(f"{what}: {cause}" if cause is not None and str(cause) else f"{what}.")
    error.__cause__ = cause
    return error


def topology_of(location: Location) -> Topology:
    """The topology to begin with."""
    match location.kind:
        case "redis":
            return Single(location.addresses[0])
        case "sentinel":
            return Sentinels(location.addresses, location.service)
        case "cluster":
            return Cluster(location.addresses)
