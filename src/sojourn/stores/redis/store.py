"""RedisStore: carries an operation's calls to the nodes, and the answers back."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, TypeVar

from sojourn.core.errors import EndReason, StoreUnavailable
from sojourn.core.record import Record
from sojourn.core.store import Applied, Bar, Commit, Create, End, Mark, Refused, Stats, Watcher

from . import operations, user_sessions
from .blob import decode_record
from .calls import Address, Call, Steps
from .connections import connect
from .eviction import Memory
from .key_names import get_command
from .node import Node
from .retry import QUESTION_SHARE, PendingCalls
from .scan import Scan, Sweep, erase, stats
from .topology import Topology, topology_of
from .tracking import track
from .url import parse

__all__ = ["KEEP_ENDED", "TIMEOUT", "RedisStore"]

T = TypeVar("T")

KEEP_ENDED = 86400.0
TIMEOUT = 5.0


class RedisStore:
    """Records in Redis or Valkey, one server, Sentinel or Cluster, for threads. A wrong URL is a ConfigurationError.

    `url`: redis://, rediss:// (TLS), unix://, redis+cluster://, redis+sentinel://. `min_replicas`: how many replicas
    must say that they have a write before it counts as made, else StoreUnavailable, although it may be; also
    `?min_replicas=` in the URL, up to 100. `timeout`: the longest that a call may take, in seconds, trials included.
    `keep_ended`: how long Redis keeps a session after it is over, in seconds; no shorter than the policy's.
    """

    expires_by_itself = True

    def __init__(
        self, url: str, *, min_replicas: int = 0, timeout: float = TIMEOUT, keep_ended: float = KEEP_ENDED
    ) -> None:
        self._location = parse(url)
        self._topology: Topology = topology_of(self._location)
        self._min_replicas = min_replicas or self._location.min_replicas
        self._timeout = timeout
        self._keep = int(keep_ended * 1000)
        self._nodes: dict[tuple[Address, bool], Node] = {}
        self._memories: dict[Address, Memory] = {}
        self._scan = Scan()
        self._sweep = Sweep()
        self._node(self._location.addresses[0])  # so that a wrong option fails now

    def get(self, id: str) -> Record | None:
        """As Store.get."""
        raw = self._perform([Call(*get_command(id), repeatable=True)])[0]
        return None if raw is None else decode_record(id, raw)

    def create(self, create: Create) -> Applied | Refused:
        """As Store.create."""
        return self._run(operations.create(create, self._keep))

    def commit(self, commit: Commit) -> Applied | Refused:
        """As Store.commit."""
        return self._run(operations.commit(commit, self._keep))

    def end(self, end: End) -> Record | None:
        """As Store.end."""
        return self._run(operations.end(end, self._keep))

    def end_all(
        self, user_id: str, reason: EndReason, now: int, keep: str | None = None, realm: str = ""
    ) -> Sequence[str]:
        """As Store.end_all."""
        return self._run(user_sessions.end_all(user_id, reason, now, keep, realm, self._keep), long=True)

    def bar(self, now: int, realm: str = "") -> None:
        """As Store.bar. 4,096 small keys."""
        self._run(operations.bar(now, realm), long=True)

    def list(self, user_id: str, now: int, realm: str = "", after: str = "", limit: int = 100) -> Sequence[Record]:
        """As Store.list."""
        return self._run(user_sessions.of_user(user_id, now, realm, after, limit))

    def erase(self, user_id: str, realm: str = "") -> int:
        """As Store.erase. Looks at every key."""
        return self._run(erase(user_id, realm, self._primaries()), long=True)

    def put_mark(self, mark: Mark) -> bool:
        """As Store.put_mark."""
        return self._run(operations.put_mark(mark))

    def get_mark(self, id: str) -> Mark | None:
        """As Store.get_mark."""
        return self._run(operations.get_mark(id))

    def put_bar(self, bar: Bar) -> None:
        """As Store.put_bar."""
        self._run(operations.put_bar(bar), long=True)

    def marks(self, after: str, limit: int) -> Sequence[Mark]:
        """As Store.marks. Looks at every key once for many pages."""
        return self._run(self._scan.marks(after, limit, self._primaries(), time.monotonic()), long=True)

    def bars(self, after: str, limit: int) -> Sequence[Bar]:
        """As Store.bars. Looks at every key once for many pages."""
        return self._run(self._scan.bars(after, limit, self._primaries(), time.monotonic()), long=True)

    def end_expired(self, now: int, limit: int) -> int:
        """As Store.end_expired. Nothing to do: what ran out leaves Redis by itself, `keep_ended` later."""
        return 0

    def delete_expired(self, before: int, limit: int) -> int:
        """As Store.delete_expired. Redis does it by itself; this looks at every key."""
        return self._run(self._sweep.delete_expired(before, limit, self._primaries()), long=True)

    def scan(self, after: str, limit: int) -> Sequence[Record]:
        """As Store.scan. Looks at every key once for many pages."""
        return self._run(self._scan.page(after, limit, self._primaries(), time.monotonic()), long=True)

    def stats(self, now: int) -> Stats:
        """As Store.stats. Reads every session."""
        return self._run(stats(now, self._primaries()), long=True)

    def watch(self, watcher: Watcher, interval: float) -> None:
        """As WatchableStore.watch."""
        track(
            watcher,
            interval,
            self._discovered,
            self._topology.doubt,
            lambda address: connect(self._location, address, self._timeout, protocol=3)(),
        )

    def close(self) -> None:
        """As Store.close."""
        for node in self._nodes.values():
            node.close()

    def _run(self, steps: Steps[T], *, long: bool = False) -> T:
        """One time limit for all steps; of a long operation, for each."""
        give_up = time.monotonic() + self._timeout
        try:
            calls = next(steps)
            while True:
                try:
                    answers = self._perform(calls, None if long else give_up)
                except StoreUnavailable as error:
                    calls = steps.throw(error)
                else:
                    calls = steps.send(answers)
        except StopIteration as stop:
            result: T = stop.value
            return result

    def _perform(self, calls: Sequence[Call], give_up: float | None = None) -> Sequence[Any]:
        pending = PendingCalls(calls, self._topology, give_up or time.monotonic() + self._timeout, self._timeout)
        while not pending.done:
            for address, indexes in pending.batches().items():
                calls_there = [pending.packed(index) for index in indexes]
                pending.take(indexes, self._node(address).exchange(calls_there, pending.limit(time.monotonic())))
            self._between_rounds(pending)
        return pending.answers

    def _between_rounds(self, pending: PendingCalls) -> None:
        pending.next_round(time.monotonic())
        if pending.pause:
            time.sleep(pending.pause)
        if pending.needs_discovery:
            pending.needs_discovery = False
            try:
                self._discover(pending.limit(time.monotonic()))
            except StoreUnavailable as error:
                pending.discovery_failed(error)

    def _discover(self, limit: float | None = None) -> None:
        steps, limit = self._topology.discover(), min(limit or self._timeout, self._timeout / QUESTION_SHARE)
        with suppress(StopIteration):
            question = next(steps)
            while True:
                node = self._node(question.address, question.to_sentinel)
                question = steps.send(node.exchange([(question.packed, 0, False)], limit)[0])

    def _discovered(self) -> Sequence[Address]:
        self._discover()
        return self._topology.primaries()

    def _primaries(self) -> Sequence[Address]:
        pending = PendingCalls((), self._topology, time.monotonic() + self._timeout, self._timeout)
        while not self._topology.primaries():
            pending.needs_discovery = True
            self._between_rounds(pending)
        return self._topology.primaries()

    def _node(self, address: Address, to_sentinel: bool = False) -> Node:
        node = self._nodes.get((address, to_sentinel))
        if node is None:
            watched = self._location.kind == "sentinel" and not to_sentinel
            maker = connect(self._location, address, self._timeout, to_sentinel=to_sentinel)
            judged = not to_sentinel and not self._location.allow_eviction
            memory = self._memories.setdefault(address, Memory(address)) if judged else None
            node = self._nodes.setdefault(
                (address, to_sentinel),
                Node(maker, self._min_replicas, self._timeout, watched, memory),
            )
        return node
