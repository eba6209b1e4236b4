"""A Redis or Valkey Cluster for tests: three primaries, and a replica for each."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.servers.port import BUS_OFFSET
from tests.servers.process import Running
from tests.servers.redis import RedisServer, start_redis
from tests.servers.waiting import wait_until

__all__ = ["RedisCluster", "start_cluster"]

_OPTIONS = [
    *("--cluster-enabled", "yes"),
    *("--cluster-node-timeout", "1000"),
    *("--cluster-replica-validity-factor", "0"),  # a replica may always take over
    *("--repl-diskless-sync-delay", "0"),  # a replica that has never synced would not
]
_SHARES = [(0, 5460), (5461, 10922), (10923, 16383)]


@dataclass(frozen=True)
class _View:
    """What a node says of itself."""

    node: RedisServer
    id: str
    replicates: str
    epoch: int
    slots: list[tuple[int, int]]

    def has(self, slot: int) -> bool:
        return any(first <= slot <= last for first, last in self.slots)


class RedisCluster(Running):
    """`nodes` are the first three primaries, then the replica of each, in order. Each has `role`, `kill` and so on."""

    def __init__(self, nodes: list[RedisServer]) -> None:
        self.nodes = nodes
        self.url = "redis+cluster://" + ",".join(node.address for node in nodes)
        self._ids = {node: str(node.ask("CLUSTER", "MYID")) for node in nodes}

    @property
    def primaries(self) -> list[RedisServer]:
        """The nodes that have slots now."""
        views = self._views()
        return [view.node for view in views if view.slots and self._newest(views, view.slots[0][0]) is view]

    def primary_of(self, key: str) -> RedisServer:
        """The node that has `key` now. Raises LookupError while none has."""
        views = self._views()
        slot = int(views[0].node.ask("CLUSTER", "KEYSLOT", key))
        return self._newest(views, slot).node

    def replica_of(self, primary: RedisServer) -> RedisServer:
        """A replica of `primary`, which may be dead. Raises LookupError where there is none."""
        for view in self._views():
            if view.replicates == self._ids[primary]:
                return view.node
        raise LookupError(f"{primary} has no replica that answers.")

    def clear(self) -> None:
        """Forget everything, on every primary."""
        for node in self.primaries:
            node.clear()

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()

    def wait_until_whole(self) -> None:
        """Every node knows the others, every slot has its primary, and every replica is in step."""
        for node in self.nodes:
            wait_until(partial(_is_whole, node), f"{node}, a node of a whole cluster")

    def _views(self) -> list[_View]:
        return [_view(node) for node in self.nodes if node.process.answering]

    @staticmethod
    def _newest(views: list[_View], slot: int) -> _View:
        """One that was started again claims what it had, until it hears of a newer claim."""
        claims = [view for view in views if view.has(slot)]
        if not claims:
            raise LookupError(f"No node that answers has slot {slot}.")
        return max(claims, key=lambda view: view.epoch)


def start_cluster(folder: Path, binary: str, *, durable: bool = False) -> RedisCluster:
    """A cluster in which any one node can be killed. That takes two seconds."""
    with ExitStack() as started:
        nodes = [
            started.enter_context(start_redis(folder / f"node{number}", binary, *_OPTIONS, durable=durable))
            for number in range(2 * len(_SHARES))
        ]
        cluster = RedisCluster(nodes)
        _assemble(cluster)
        cluster.wait_until_whole()
        started.pop_all()
        return cluster


def _assemble(cluster: RedisCluster) -> None:
    primaries, replicas = cluster.nodes[: len(_SHARES)], cluster.nodes[len(_SHARES) :]
    for epoch, node in enumerate(cluster.nodes, 1):
        node.ask("CLUSTER", "SET-CONFIG-EPOCH", epoch)
    for node, (first, last) in zip(primaries, _SHARES, strict=True):
        node.ask("CLUSTER", "ADDSLOTSRANGE", first, last)
    for node in cluster.nodes[1:]:  # one side alone: two that meet each other at once may both give up
        cluster.nodes[0].ask("CLUSTER", "MEET", "127.0.0.1", node.port, node.port + BUS_OFFSET)
    for primary, replica in zip(primaries, replicas, strict=True):
        id = str(primary.ask("CLUSTER", "MYID"))
        wait_until(partial(_has_met, replica, id), "a replica that has met its primary")
        replica.ask("CLUSTER", "REPLICATE", id)


def _has_met(node: RedisServer, id: str) -> bool:
    return id in node.ask("CLUSTER", "NODES")


def _is_whole(node: RedisServer) -> bool:
    cluster, replication = node.info("cluster"), node.info("replication")
    return (
        cluster["cluster_state"] == "ok"
        and cluster["cluster_slots_ok"] == "16384"
        and cluster["cluster_known_nodes"] == str(2 * len(_SHARES))
        and (replication.get("master_link_status") == "up" or replication.get("connected_slaves") == "1")
    )


def _view(node: RedisServer) -> _View:
    """From the line about itself: id address flags primary ping pong epoch link slot..."""
    lines = [line.split() for line in node.ask("CLUSTER", "NODES").splitlines()]
    id, _, _, replicates, _, _, epoch, _, *slots = next(line for line in lines if "myself" in line[2])
    ranges = [slot.split("-") for slot in slots if not slot.startswith("[")]
    return _View(node, id, replicates, int(epoch), [(int(ends[0]), int(ends[-1])) for ends in ranges])
