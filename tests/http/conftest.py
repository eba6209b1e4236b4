"""A site of each kind: one over a file that its processes share, one over a Redis that a test may take away."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.http.browser import Browser
from tests.http.kinds import KINDS, Kind
from tests.http.site import Site, serve
from tests.servers.redis import RedisServer, find_redis, start_redis


@dataclass
class RedisSite:
    """A site with tokens in Authorization allowed, and the server that its store is on."""

    site: Site
    redis: RedisServer

    def browser(self, **headers: str) -> Browser:
        return self.site.browser(**headers)


# Of scope "session" and parametrized, so that pytest puts all tests of a kind together: one server runs at a time.


@pytest.fixture(scope="session", params=KINDS, ids=str)
def kind(request: pytest.FixtureRequest) -> Kind:
    assert isinstance(request.param, Kind)
    return request.param


@pytest.fixture(scope="session")
def running_site(kind: Kind, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp(str(kind).replace(" ", "-"))
    with serve(kind, folder, f"sqlite:///{folder}/sessions.sqlite3", processes=True) as site:
        yield site


@pytest.fixture(scope="session")
def running_redis_site(kind: Kind, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisSite]:
    folder = tmp_path_factory.mktemp(str(kind).replace(" ", "-"))
    with (
        start_redis(folder / "redis", find_redis()) as redis,
        serve(kind, folder, redis.url, processes=False, bearer=True) as site,
    ):
        yield RedisSite(site, redis)


@pytest.fixture(scope="session")
def running_bound_site(kind: Kind, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp(str(kind).replace(" ", "-"))
    store = f"sqlite:///{folder}/sessions.sqlite3"
    with serve(kind, folder, store, processes=True, bearer=True, binding="prefer") as site:
        yield site


@pytest.fixture
def bound_site(running_bound_site: Site, request: pytest.FixtureRequest) -> Iterator[Site]:
    """The site with sessions bound to keys where a client has one; its processes share one file."""
    _skip_what_differs(running_bound_site.kind, request)
    yield running_bound_site
    running_bound_site.close_browsers()


@pytest.fixture
def site(running_site: Site, request: pytest.FixtureRequest) -> Iterator[Site]:
    """The site as anybody gets it, but with a trusted origin; its processes and threads share one file."""
    _skip_what_differs(running_site.kind, request)
    yield running_site
    running_site.close_browsers()


@pytest.fixture
def redis_site(running_redis_site: RedisSite, request: pytest.FixtureRequest) -> Iterator[RedisSite]:
    """One process whose store is a Redis of its own, which answers at the beginning of each test."""
    _skip_what_differs(running_redis_site.site.kind, request)
    if not running_redis_site.redis.process.running:
        running_redis_site.redis.restart()
    yield running_redis_site
    running_redis_site.site.close_browsers()


def _skip_what_differs(kind: Kind, request: pytest.FixtureRequest) -> None:
    name = request.function.__name__
    if name in kind.differs:
        pytest.skip(f"{kind}: {kind.differs[name]}")
