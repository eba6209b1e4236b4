"""Adoption on every kind of store, and in long visits where answers are lost, late and overtaken."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random

import pytest
from redis import Redis

from sojourn import Policy, SessionManager
from sojourn.adopt import AdoptedSession, Adoption, FlaskSessionRedis
from sojourn.core.commit import NO_REPLY
from sojourn.stores.memory import MemoryStore
from tests.adopt.site import SOON
from tests.adopt.test_adoption import KEY, Shelf
from tests.servers.redis import RedisServer
from tests.store_kinds import open_kind

SID = "a" * 43
START = 1_800_000_000_000


@pytest.mark.parametrize("kind", ["sqlite", "async sqlite", "postgres", "redis", "redis cluster", "cached redis"])
def test_50_parallel_first_requests_make_one_session_on_a_real_store(
    kind: str, request: pytest.FixtureRequest, redis_server: RedisServer, tmp_path: Path
) -> None:
    store = open_kind(kind, request, tmp_path)
    manager = SessionManager(store)
    with Redis.from_url(redis_server.url) as redis:
        redis.set(f"session:{SID}", b'{"_user_id": "ada", "n": 0}')
        adoption = Adoption(FlaskSessionRedis(redis_server.url), until=SOON)
        together = threading.Barrier(50)

        def visit(number: int) -> AdoptedSession:
            together.wait()
            adopted = adoption.open(manager, f"session={SID}".encode())
            assert adopted is not None
            adopted.session[f"key {number}"] = adopted.session.increment("n")
            manager.commit(adopted.session)
            return adopted

        with ThreadPoolExecutor(50) as threads:
            found = list(threads.map(visit, range(50)))
        assert not redis.exists(f"session:{SID}")
    [told] = [adopted.reply.token for adopted in found if adopted.reply.token]
    session = manager.open(told.reveal())

    assert {adopted.session.user_id for adopted in found} == {"ada"}
    assert [info.id for info in manager.list("ada")] == [session.id]
    assert (session["n"], len(session)) == (50, 52)
    assert manager.stats().live == 1
    manager.close()


class Server:
    """A site that adopts, on a clock that only the visits move."""

    def __init__(self, rotate_interval: float | None) -> None:
        self.now = START
        policy = Policy(rotate_interval=rotate_interval)
        self.manager = SessionManager(MemoryStore(), policy, clock=lambda: self.now)
        until = datetime.fromtimestamp(START / 1000, UTC) + timedelta(days=30)
        self.adoption = Adoption(Shelf(), until=until)

    def serve(self, now: int, old: str | None, token: str | None) -> tuple[str | None, str | None]:
        """Who is logged in for a request that shows these, and the token that its answer carries."""
        self.now = max(now, self.now)
        adopted, session, reply = None, self.manager.anonymous(), NO_REPLY
        if token:
            session = self.manager.open(token)
        elif old:
            adopted = self.adoption.open(self.manager, f"old={old}".encode())
        if adopted:
            session, reply = adopted.session, adopted.reply
        user = session.user_id
        later = self.manager.commit(session)
        reply = reply if later is NO_REPLY else later
        return user, reply.token.reveal() if reply.token else None


class Browser:
    """A browser with an old cookie, which sends bursts of requests, and a network that loses and delays answers."""

    def __init__(self, server: Server, random: Random) -> None:
        self._server, self._random = server, random
        self._events: list[tuple[int, int, Callable[[int], None]]] = []
        self._order = itertools.count()
        self.old: str | None = KEY
        self.token: str | None = None
        self.users: list[str | None] = []

    def visit(self, minutes: int) -> None:
        random, at = self._random, START
        while at < START + minutes * 60_000:
            self._after(at, self._burst)
            at += random.choice([100, 2_000, 15_000, 90_000, 600_000])
        while self._events:
            at, _, what = heapq.heappop(self._events)
            what(at)

    def _after(self, at: int, what: Callable[[int], None]) -> None:
        heapq.heappush(self._events, (at, next(self._order), what))

    def _burst(self, now: int) -> None:
        for _ in range(self._random.choice([1, 1, 3, 8])):
            self._after(now + self._random.randrange(300), partial(self._arrive, self.old, self.token))

    def _arrive(self, old: str | None, token: str | None, now: int) -> None:
        random = self._random
        user, fresh = self._server.serve(now, old, token)
        self.users.append(user)
        if fresh and random.random() > 0.2:
            late = random.random() < 0.1
            self._after(now + random.randrange(25_000 if late else 500), partial(self._keep, fresh))

    def _keep(self, fresh: str, now: int) -> None:
        self.token, self.old = fresh, None


@pytest.mark.parametrize("rotate_interval", [600, None])
def test_no_browser_is_signed_out_by_lost_late_and_overtaken_answers(rotate_interval: float | None) -> None:
    """A fifth of the answers is lost and a tenth comes up to 25 s late, in 100 visits of two hours."""
    servers = [Server(rotate_interval) for _ in range(100)]
    browsers = [Browser(server, Random(seed)) for seed, server in enumerate(servers)]
    for browser in browsers:
        browser.visit(120)

    assert [browser for browser in browsers if set(browser.users) != {"ada"}] == []
    assert all(browser.old is None for browser in browsers)
    assert {server.serve(server.now + 61_000, KEY, None)[0] for server in servers} == {None}
