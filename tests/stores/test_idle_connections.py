"""Connections that nobody used for a while, over a network that forgot them: no request loses its answer by it."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from psycopg_pool import ConnectionPool

from sojourn.core.errors import StoreUnavailable
from sojourn.core.store import Applied, Store
from sojourn.stores.postgres import AsyncPostgresStore, PostgresStore
from sojourn.stores.postgres.connections import complete
from sojourn.stores.redis import AsyncRedisStore, RedisStore
from sojourn.stores.redis.connections import async_connect, connect
from sojourn.stores.redis.idle import PROBE_SHARE, TRUSTED, Idle, condemned
from sojourn.stores.redis.url import parse
from sojourn.testing import blocking
from sojourn.testing.records import commit, put
from tests.servers.apart import environment, with_network
from tests.servers.postgres import PostgresServer
from tests.servers.proxy import Proxy
from tests.servers.redis import RedisServer

TIMEOUT = 10.0
POOLED = 4
KINDS = ["redis", "async redis", "postgres", "async postgres"]

Open = Callable[[int], Store]
"""Opens a store whose server is at this port of 127.0.0.1."""


@pytest.fixture(params=KINDS)
def server(request: pytest.FixtureRequest) -> tuple[int, Open]:
    """A server's port, and how to open a store there, of each kind."""
    kind: str = request.param
    if kind.endswith("redis"):
        redis: RedisServer = request.getfixturevalue("redis_server")

        def open_redis(port: int) -> Store:
            url = f"redis://127.0.0.1:{port}"
            return (
                blocking(AsyncRedisStore(url, timeout=TIMEOUT)) if "async" in kind else RedisStore(url, timeout=TIMEOUT)
            )

        return redis.port, open_redis
    postgres: PostgresServer = request.getfixturevalue("postgres")
    database: str = request.getfixturevalue("database")

    def open_postgres(port: int) -> Store:
        conninfo = database.replace(f":{postgres.port}/", f":{port}/")
        if "async" in kind:
            return blocking(AsyncPostgresStore(conninfo, timeout=TIMEOUT))
        return PostgresStore(conninfo, timeout=TIMEOUT)

    return postgres.port, open_postgres


@pytest.fixture
def network(server: tuple[int, Open]) -> Iterator[Proxy]:
    with Proxy(server[0]) as proxy:
        yield proxy


def make_connections(store: Store, network: Proxy, id: str, several: int) -> None:
    """Have the store hold several, each used just now: reads that begin one after the other, over a slow network."""
    network.delay = 0.02
    with ThreadPoolExecutor(2 * POOLED) as pool:
        while network.connections < several:
            reads = []
            for _ in range(2 * POOLED):
                reads.append(pool.submit(store.get, id))
                time.sleep(0.005)
            assert all(read.result() for read in reads)
    network.delay = 0.0


def test_connections_that_the_network_forgot_cost_no_answer_and_little_time(
    server: tuple[int, Open], network: Proxy, request: pytest.FixtureRequest
) -> None:
    """Neither a read nor a write, and the time once, not for each of them."""
    shares_one = "async redis" in request.node.name
    store = server[1](network.port)
    record = put(store)
    make_connections(store, network, record.id, 1 if shares_one else POOLED)
    time.sleep(TRUSTED * 1.1)
    network.forget()
    began = time.monotonic()
    answers = [store.commit(commit(record, increments={"n": 1})) for _ in range(POOLED * 2)]
    took = time.monotonic() - began

    assert answers == [Applied(version) for version in range(2, 2 + POOLED * 2)]
    assert store.get(record.id) is not None
    # A probe takes a tenth of the timeout; without one it had been all of it, and an error.
    assert took < TIMEOUT / 2
    store.close()


def test_a_connection_that_is_forgotten_while_it_is_in_use_is_left_to_those_who_wait(redis_server: RedisServer) -> None:
    """All calls of an event loop share one."""

    async def main(network: Proxy, id: str) -> None:
        store = AsyncRedisStore(f"redis://127.0.0.1:{network.port}", timeout=2.0)
        assert await store.get(id) is not None
        network.forget()
        waits = asyncio.create_task(store.get(id))
        await asyncio.sleep(2.0 / PROBE_SHARE * 1.1)
        assert await store.get(id) is not None
        assert not waits.done()
        assert await store.get(id) is not None
        assert network.connections == 1
        with pytest.raises(StoreUnavailable, match="did not answer within 2 s"):
            await waits
        await store.close()

    with closing(RedisStore(redis_server.url)) as store, Proxy(redis_server.port) as network:
        asyncio.run(main(network, put(store).id))


@pytest.mark.parametrize("kind", KINDS)
def test_a_router_that_forgets_idle_connections_is_not_noticed(kind: str, request: pytest.FixtureRequest) -> None:
    """A real one: the kernel's, in a network of its own. See behind_nat.py."""
    server: RedisServer | PostgresServer
    if kind.endswith("redis"):
        server = request.getfixturevalue("redis_server")
        url = "redis://127.0.0.1:PORT"
    else:
        server = request.getfixturevalue("postgres")
        url = request.getfixturevalue("database").replace(f":{server.port}/", ":PORT/")
    done = subprocess.run(
        with_network([sys.executable, "-m", "tests.stores.behind_nat", kind, url, str(server.socket)]),
        cwd=Path(__file__).parents[2],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)

    assert told["dropped"] > 0, "nothing was forgotten"
    assert told["errors"] == []
    assert told["longest"] < 0.8 * 5.0, "a timeout was waited for"


def test_a_busy_connection_is_not_probed(redis_server: RedisServer, database: str) -> None:
    """A read stays one command."""
    with closing(RedisStore(redis_server.url)) as store, closing(PostgresStore(database)) as table:
        record, row = put(store), put(table)
        before = pings(redis_server)
        for _ in range(300):
            assert store.get(record.id) == record
        assert pings(redis_server) - before < 3, "one a second, on a machine that stands still"
        with table._connections.lend(time.monotonic() + 5, time.monotonic() + 5) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        assert table.get(row.id) == row
        assert table._connections._idleness.probe(connection) is None


def pings(server: RedisServer) -> int:
    found = server.info("commandstats").get("cmdstat_ping", "calls=0,")
    return int(found.removeprefix("calls=").partition(",")[0])


def test_one_that_is_dead_condemns_those_that_were_not_used_since() -> None:
    idle: Idle[str] = deque([("oldest", 1.0), ("old", 2.0), ("fresh", 3.0)])

    assert condemned(idle, 2.0) == ["oldest", "old"]
    assert list(idle) == [("fresh", 3.0)]
    assert condemned(idle, 0.0) == []


KEEPALIVE = {socket.SO_KEEPALIVE: (socket.SOL_SOCKET, 1), socket.TCP_KEEPIDLE: (socket.IPPROTO_TCP, 15)}


def keeps_alive(connected: socket.socket) -> bool:
    return all(connected.getsockopt(level, name) == value for name, (level, value) in KEEPALIVE.items())


def test_every_connection_is_kept_alive_by_the_kernel(redis_server: RedisServer, database: str) -> None:
    location = parse(redis_server.url)
    connection = connect(location, location.addresses[0], 5.0)()
    connection.connect()
    assert connection._sock is not None
    assert keeps_alive(connection._sock)
    connection.disconnect()

    async def over_a_loop() -> bool:
        connection = async_connect(location, location.addresses[0], 5.0)()
        await connection.connect()
        assert connection._writer is not None
        kept = keeps_alive(connection._writer.get_extra_info("socket"))
        await connection.disconnect()
        return kept

    assert asyncio.run(over_a_loop())
    with psycopg.connect(complete(database, 5.0)) as other, socket.socket(fileno=os.dup(other.fileno())) as same:
        assert keeps_alive(same)


def test_a_callers_pool_is_looked_after_in_the_same_way(database: str, postgres: PostgresServer) -> None:
    """Its connections may have lain about for an hour."""
    with Proxy(postgres.port) as network:
        conninfo = database.replace(f":{postgres.port}/", f":{network.port}/")
        with ConnectionPool(conninfo, min_size=1, max_size=2) as pool:
            pool.wait()
            store = PostgresStore(pool, timeout=TIMEOUT)
            network.forget()
            began = time.monotonic()
            record = put(store)
            assert store.get(record.id) == record
            assert time.monotonic() - began < TIMEOUT / 2
