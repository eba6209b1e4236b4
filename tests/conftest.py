"""Fixtures for all tests."""

from __future__ import annotations

import gc
import importlib
import pkgutil
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.server import Server, run_server
from tests.servers.cluster import RedisCluster, start_cluster
from tests.servers.postgres import PostgresServer, start_postgres
from tests.servers.redis import RedisServer, find_redis, find_valkey, start_redis
from tests.servers.sentinel import SentinelSetup, start_sentinel

StartServer = Callable[..., Server]

TESTS = Path(__file__).parent
# Where the core and the managers are covered to the last branch. To trace the other tests too took a third of their
# time, and of those that drive other programs as much again.
TRACED = [
    *(TESTS / name for name in ("flask", "live", "unit", "wsgi")),
    *(TESTS / "asgi" / f"test_{name}.py" for name in ("bound", "guests", "middleware", "websocket")),
    TESTS / "adopt" / "test_adoption.py",
    TESTS / "races" / "test_turns.py",
    *(TESTS / "service" / f"test_{name}.py" for name in ("plain_change", "replay")),
    TESTS / "stores" / "test_refused_writes.py",
    TESTS / "stores" / "test_unreadable_rows.py",
]


# What a shell starts in its background is deaf to an interrupt, and so are the programs that tests start there.
signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def untraced(config: pytest.Config) -> Iterator[None]:
    plugin = config.pluginmanager.getplugin("_cov")
    coverage = plugin and plugin.cov_controller
    if coverage is None:
        yield
        return
    coverage.pause()
    try:
        yield
    finally:
        coverage.resume()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """In a worker of xdist's, pytest-cov has first started what is the controller's. It is never saved, and would trace
    whatever the worker's own does not, for twice to four times the processor of the tests."""
    plugin = session.config.pluginmanager.getplugin("_cov")
    if hasattr(session.config, "workerinput") and plugin and plugin.cov_controller:
        plugin.cov_controller.cov.stop()


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Iterator[None]:
    """Untraced, but for the import of what is judged: to trace it took as long as the collection.

    What is collected stays until the end. The garbage collector looks at it neither now nor later: that took a third
    of the collection, and of the tests in this process."""
    for package in map(importlib.import_module, ("sojourn.core", "sojourn.manager")):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    gc.disable()
    with untraced(session.config):
        result = yield
    gc.freeze()
    gc.enable()
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    if any(item.path.is_relative_to(path) for path in TRACED):
        return (yield)
    with untraced(item.config):
        return (yield)


@pytest.fixture(scope="session")
def start_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartServer]:
    """Starts a command as in `run_server`; it runs until the end of the session."""
    with ExitStack() as running:

        def start(command: Sequence[str], *, path: str = "/", env: Mapping[str, str] | None = None) -> Server:
            log = tmp_path_factory.mktemp("server") / "output.log"
            return running.enter_context(run_server(command, log, path=path, env=env))

        yield start


# Real servers, each started when the first test asks for it. A test that kills or pauses one starts its own instead:
# from tests.servers, with start_redis, start_cluster, start_sentinel or start_postgres.


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    with start_postgres(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with start_redis(tmp_path_factory.mktemp("redis"), find_redis()) as server:
        yield server


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with start_redis(tmp_path_factory.mktemp("valkey"), find_valkey()) as server:
        yield server


# Their nodes ask one another how they are, ten times a second: idle, they took a tenth of all the tests' processor.


@pytest.fixture(scope="module")
def redis_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    with start_cluster(tmp_path_factory.mktemp("redis-cluster"), find_redis()) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def valkey_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    with start_cluster(tmp_path_factory.mktemp("valkey-cluster"), find_valkey()) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def redis_sentinel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SentinelSetup]:
    with start_sentinel(tmp_path_factory.mktemp("redis-sentinel"), find_redis()) as setup:
        yield setup


@pytest.fixture(scope="module")
def valkey_sentinel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SentinelSetup]:
    with start_sentinel(tmp_path_factory.mktemp("valkey-sentinel"), find_valkey()) as setup:
        yield setup
