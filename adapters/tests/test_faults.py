"""The service or its store away, paused or slow, under load over every adapter at once."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from adapters.tests.load import Load
from adapters.tests.php_site import WORKERS
from adapters.tests.relay import Relay
from adapters.tests.session_service import SessionService
from adapters.tests.sites import KINDS, Site, each_kind
from sojourn import SessionManager
from sojourn.stores.redis import RedisStore
from tests.servers.postgres import PostgresServer, start_postgres
from tests.servers.redis import RedisServer, find_redis, start_redis
from tests.servers.waiting import wait_until
from tests.service.backend import COMMAND, Backend

TIMEOUT = 2.0  # every adapter's own
MARGIN = 20.0  # for a busy machine
BACK_WITHIN = 30.0
MAX_STALENESS = 1.0  # the cache's own
SPARE = 5  # connections: who counts meets some at work
# Requests at one time. PHP has a dozen workers, of which the load takes four; Node and .NET go over 64 connections.
CROWD = {"express": 70, "php": 8, "aspnetcore": 70, "asgi": 30, "threads": 30}
KEPT = {"express": 64, "php": WORKERS, "aspnetcore": 64, "asgi": 34, "threads": 34}


@dataclass
class World:
    """A store, a service on it, and a site in each language."""

    store: RedisServer | PostgresServer
    service: SessionService
    relay: Relay
    sites: dict[str, Site]
    sockets: dict[str, int]  # of each site, before anybody came
    trips: int  # that one who only reads may make

    def crowd(self, kind: str) -> list[int]:
        """The statuses of as many requests at one time as the site is to bear, which the service answers late."""
        visitor = self.sites[kind].visitor()
        assert visitor.do(["login", "crowd"]).status == 200
        self.relay.delay = 0.1
        try:
            with ThreadPoolExecutor(CROWD[kind]) as pool:
                return [answer.status for answer in pool.map(lambda _: visitor.do(["facts"]), range(CROWD[kind]))]
        finally:
            self.relay.delay = 0


@contextmanager
def world_on(store: RedisServer | PostgresServer, url: str, policy: dict[str, object], folder: Path) -> Iterator[World]:
    with ExitStack() as running:
        service = running.enter_context(SessionService(folder / "service", {"max_bytes": 1 << 20, **policy}, store=url))
        relay = running.enter_context(Relay(service.port))
        with ThreadPoolExecutor(2) as pool:
            started = [pool.submit(Site, kind, folder, relay.url, service.key) for kind in KINDS]
        sites = {kind: running.enter_context(each.result()) for kind, each in zip(KINDS, started, strict=True)}
        sockets = {kind: site.sockets() for kind, site in sites.items()}
        yield World(store, service, relay, sites, sockets, 2 if policy else 1)
        told = "\n".join([service.process.output(), *(site.told() for site in sites.values())])
        assert "/v1/commit" in told
        assert service.key not in told
        assert not re.search("sj1-[0-9a-f]{32}-[0-9a-f]{64}", told)


@pytest.fixture(scope="module")
def on_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("redis")
    with (
        start_redis(folder / "store", find_redis(), durable=True) as store,
        world_on(store, f"{store.url}?cache=8MiB", {}, folder) as world,
    ):
        yield world


@pytest.fixture(scope="module")
def on_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """With new secrets and activity to be written in the midst of it."""
    folder = tmp_path_factory.mktemp("postgres")
    (folder / "store").mkdir()
    with start_postgres(folder / "store") as store:
        subprocess.run([*COMMAND, "migrate", "--store", store.conninfo], check=True, capture_output=True)
        with world_on(store, store.conninfo, {"touch_interval": 1, "rotate_interval": 1}, folder) as world:
            yield world


# Faults


@contextmanager
def service_killed(world: World) -> Iterator[None]:
    world.service.process.kill()
    yield
    world.service.process.start()
    world.service.wait_until_ready()


@contextmanager
def service_silent(world: World) -> Iterator[None]:
    world.service.process.pause()
    yield
    world.service.process.resume()


@contextmanager
def service_slow(world: World) -> Iterator[None]:
    world.relay.delay = TIMEOUT + 0.5
    yield
    world.relay.delay = 0


@contextmanager
def service_drips(world: World) -> Iterator[None]:
    """Something comes all the time, and never all of it."""
    world.relay.drips = True
    yield
    world.relay.drips = False


@contextmanager
def answers_lost(world: World) -> Iterator[None]:
    """The service does what it is asked to, and nobody hears of it."""
    world.relay.lose_answers = True
    yield
    world.relay.lose_answers = False


@contextmanager
def store_killed(world: World) -> Iterator[None]:
    world.store.kill()
    yield
    world.store.restart()


@contextmanager
def store_silent(world: World) -> Iterator[None]:
    world.store.pause()
    yield
    world.store.resume()


@dataclass
class Outage:
    """A fault under load. Times are those of the monotonic clock."""

    world: World
    loads: dict[str, Load]
    ended: float = 0

    @classmethod
    def of(cls, world: World, fault: Callable[[World], AbstractContextManager[None]]) -> Outage:
        with ExitStack() as running:
            loads = {kind: running.enter_context(Load(site)) for kind, site in world.sites.items()}
            outage = cls(world, loads)
            outage.wait_for(200, 10, 0)
            with fault(world):
                began = time.monotonic()
                for kind, load in loads.items():
                    load.join_in(CROWD[kind])
                outage.wait_for(503, 4, began)
            outage.ended = time.monotonic()
            outage.wait_for(200, 20, outage.ended)
        return outage

    def wait_for(self, status: int, count: int, since: float) -> None:
        """Until each site has given so many answers to who came after that moment."""

        def all_have() -> bool:
            return all(
                sum(visit.status == status for visit in load.since(since)) >= count for load in self.loads.values()
            )

        wait_until(all_have, f"{count} answers {status} of each site", 60)


FAULTS = [
    ("on_redis", service_killed),
    ("on_redis", service_silent),
    ("on_redis", service_slow),
    ("on_redis", service_drips),
    ("on_redis", answers_lost),
    ("on_redis", store_killed),
    ("on_redis", store_silent),
    ("on_postgres", store_killed),
    ("on_postgres", store_silent),
]


@pytest.fixture(scope="module", params=FAULTS, ids=lambda fault: f"{fault[1].__name__}-{fault[0]}")
def outage(request: pytest.FixtureRequest) -> Outage:
    name, fault = request.param
    return Outage.of(request.getfixturevalue(name), fault)


@pytest.fixture(params=each_kind)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_it_answers_in_time_and_says_that_it_cannot(outage: Outage, kind: str) -> None:
    load = outage.loads[kind]
    assert {visit.status for visit in load.visits} == {200, 503}
    for visit in load.visits:
        trips = outage.world.trips if visit.key is None else 2
        assert visit.took < trips * TIMEOUT + MARGIN
        if visit.answer and visit.status == 503:
            assert visit.answer.code == "store-unavailable"
            assert visit.answer.headers["retry-after"] == "2"
            assert visit.answer.cookies == []


def test_nobody_is_signed_out_or_another(outage: Outage, kind: str) -> None:
    for visit in outage.loads[kind].visits:
        if visit.answer and visit.status == 200:
            facts = visit.answer.results[-1]
            assert (facts["user_id"], facts["end_reason"]) == (f"{visit.user}-{kind}", None)


def test_it_comes_back_by_itself(outage: Outage, kind: str) -> None:
    failed = [visit.ended - outage.ended for visit in outage.loads[kind].visits if visit.status != 200]
    assert max(failed) < BACK_WITHIN


def test_what_was_acknowledged_is_kept(outage: Outage, kind: str) -> None:
    load, service = outage.loads[kind], outage.world.service
    writes = [visit for visit in load.visits if visit.key]
    acknowledged = {visit.key for visit in writes if visit.status == 200}
    with Backend(service.port, service.key) as backend:
        data = backend.open(str(load.ada.token))["session"]["data"]
    count = data.pop("count")
    assert acknowledged <= set(data)
    assert len(acknowledged) <= count <= len(writes)
    assert count == len(data)


def test_no_worker_hangs_and_no_connection_is_left(outage: Outage, kind: str) -> None:
    # A worker that hangs would be missing each time; on a busy machine an answer may come too late.
    wait_until(lambda: set(outage.world.crowd(kind)) == {200}, f"{kind} answers all of a crowd", 60)
    site, most = outage.world.sites[kind], outage.world.sockets[kind] + KEPT[kind] + SPARE
    wait_until(lambda: site.sockets() <= most, f"no more than {most} connections of {kind}", 30)


def test_a_service_that_was_silent_has_heard_of_a_logout(on_redis: World) -> None:
    """It keeps sessions in a cache, and hears of nothing while it is paused."""
    visitors = {kind: site.visitor() for kind, site in on_redis.sites.items()}
    for kind, visitor in visitors.items():
        visitor.do(["login", f"eve-{kind}"])
        assert visitor.do(["facts"]).results[0]["user_id"] == f"eve-{kind}"
    assert isinstance(on_redis.store, RedisServer)
    on_redis.service.process.pause()
    paused = time.monotonic()
    try:
        with closing(RedisStore(on_redis.store.url)) as store, ThreadPoolExecutor(len(visitors)) as pool:
            assert [SessionManager(store).revoke_all(f"eve-{kind}") for kind in visitors] == [1] * len(visitors)
            wait_until(lambda: time.monotonic() > paused + MAX_STALENESS, "a cache that is too old")
            on_redis.relay.forget()
            asked = {kind: pool.submit(visitor.do, ["facts"]) for kind, visitor in visitors.items()}
            wait_until(lambda: len(on_redis.relay.paths) == len(visitors), "requests that wait for it")
            on_redis.service.process.resume()
            for kind, answer in asked.items():
                facts = answer.result().results[0]
                assert (kind, facts["user_id"], facts["end_reason"]) == (kind, None, "revoked")
    finally:
        on_redis.service.process.resume()
