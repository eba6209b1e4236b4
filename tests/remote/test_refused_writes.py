"""A service whose store takes no writes, or that goes away after an open: a page that only reads is no error."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from sojourn.core.commit import NO_REPLY
from sojourn.core.errors import StoreUnavailable
from sojourn.remote import RemoteSessionManager
from tests.server import Server, run_server
from tests.servers.redis import RedisServer, find_redis, start_redis

from .service import KINDS, begin, command, make_key, manager_of

# Everything is due at once: each commit has activity to write, and a new secret.
DUE = "touch_interval = 0\nrotate_interval = 0"


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with start_redis(tmp_path / "redis", find_redis()) as server:
        yield server


@pytest.fixture
def key(tmp_path: Path) -> str:
    return make_key(tmp_path / "keys.json")


@pytest.fixture
def service(redis: RedisServer, key: str, tmp_path: Path) -> Iterator[Server]:
    start = command(tmp_path, tmp_path / "keys.json", DUE, "--port", "{port}", "--store", redis.url)
    with run_server(start, tmp_path / "log", path="/health") as server:
        yield server


@pytest.fixture(params=KINDS)
def manager(request: pytest.FixtureRequest, service: Server, key: str) -> Iterator[RemoteSessionManager]:
    with manager_of(request.param, service.url, key, timeout=5.0) as made:
        yield made


def test_a_service_whose_store_takes_no_writes_still_serves_who_only_reads(
    manager: RemoteSessionManager, redis: RedisServer
) -> None:
    token = begin(manager, "ada")
    redis.ask("REPLICAOF", "127.0.0.1", 1)
    for _ in range(3):
        session = manager.open(token)
        assert session.user_id == "ada"
        assert manager.commit(session) == NO_REPLY
    session = manager.open(token)
    session["a"] = 1
    with pytest.raises(StoreUnavailable):
        manager.commit(session)
    redis.ask("REPLICAOF", "NO", "ONE")

    manager.commit(session)
    assert dict(manager.open(token)) == {"a": 1}


def test_a_service_that_goes_after_an_open_is_missed_only_by_what_was_changed(
    manager: RemoteSessionManager, service: Server, caplog: pytest.LogCaptureFixture
) -> None:
    token = begin(manager, "ada")
    reads, writes = manager.open(token), manager.open(token)
    service.process.kill()
    service.process.wait()
    with caplog.at_level(logging.WARNING, "sojourn"):
        assert manager.commit(reads) == NO_REPLY
    writes["a"] = 1

    assert "activity goes unnoted" in caplog.text
    with pytest.raises(StoreUnavailable):
        manager.commit(writes)
