"""The servers that tests run against do what those tests take for granted."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import hiredis
import psycopg
import pytest

from tests.servers.cluster import RedisCluster, start_cluster
from tests.servers.postgres import PostgresServer, start_postgres
from tests.servers.process import is_alive
from tests.servers.proxy import Proxy
from tests.servers.redis import RedisServer, find_redis, find_valkey, start_redis
from tests.servers.sentinel import SentinelSetup, start_sentinel
from tests.servers.waiting import wait_until


@pytest.mark.parametrize("find", [find_redis, find_valkey])
def test_a_durable_redis_remembers_after_a_kill(tmp_path: Path, find: Callable[[], str]) -> None:
    with start_redis(tmp_path, find(), durable=True) as server:
        server.ask("SET", "word", "kept")
        server.kill()
        server.restart()
        assert server.ask("GET", "word") == "kept"


def test_a_paused_redis_keeps_its_connections_and_answers_none(redis_server: RedisServer) -> None:
    with socket.create_connection(("127.0.0.1", redis_server.port)) as connection:
        connection.settimeout(0.2)
        redis_server.pause()
        try:
            connection.sendall(b"PING\r\n")
            with pytest.raises(TimeoutError):
                connection.recv(100)
        finally:
            redis_server.resume()
        connection.settimeout(5)
        assert connection.recv(100) == b"+PONG\r\n"


@pytest.mark.parametrize("fixture", ["redis_cluster", "valkey_cluster"])
def test_a_key_is_with_one_primary_of_a_cluster_and_with_its_replica(
    fixture: str, request: pytest.FixtureRequest
) -> None:
    cluster: RedisCluster = request.getfixturevalue(fixture)
    assert len(cluster.primaries) == 3
    primary = cluster.primary_of("word")
    replica = cluster.replica_of(primary)
    assert (primary.role, replica.role) == ("master", "slave")
    primary.ask("SET", "word", "written")
    wait_until(lambda: "word" in replica.ask("KEYS", "*"), "a replica that follows")
    with pytest.raises(hiredis.ReplyError, match="MOVED"):
        next(node for node in cluster.primaries if node is not primary).ask("GET", "word")
    cluster.clear()
    assert primary.ask("EXISTS", "word") == 0


def test_a_cluster_goes_on_without_a_killed_primary_and_takes_it_back(tmp_path: Path) -> None:
    with start_cluster(tmp_path, find_redis()) as cluster:
        primary = cluster.primary_of("word")
        replica = cluster.replica_of(primary)
        primary.ask("SET", "word", "kept")
        assert primary.ask("WAIT", 1, 5000) == 1
        primary.kill()
        with pytest.raises(LookupError):
            cluster.primary_of("word")
        wait_until(lambda: replica in cluster.primaries, "a replica that took over")
        assert cluster.primary_of("word") is replica
        assert replica.ask("GET", "word") == "kept"
        primary.restart()
        cluster.wait_until_whole()
        assert cluster.replica_of(replica) is primary


@pytest.mark.parametrize("fixture", ["redis_sentinel", "valkey_sentinel"])
def test_sentinels_name_a_primary_that_takes_writes(fixture: str, request: pytest.FixtureRequest) -> None:
    setup: SentinelSetup = request.getfixturevalue(fixture)
    assert (setup.primary.role, setup.replica.role) == ("master", "slave")
    setup.primary.ask("SET", "word", "written")
    setup.clear()
    assert setup.primary.ask("EXISTS", "word") == 0


def test_sentinels_promote_the_replica_of_a_killed_primary(tmp_path: Path) -> None:
    with start_sentinel(tmp_path, find_valkey()) as setup:
        primary, replica = setup.primary, setup.replica
        primary.ask("SET", "word", "kept")
        assert primary.ask("WAIT", 1, 5000) == 1
        primary.kill()
        wait_until(lambda: setup.primary is replica and replica.role == "master", "a promoted replica")
        assert replica.ask("GET", "word") == "kept"


def test_databases_of_one_postgres_are_apart(postgres: PostgresServer) -> None:
    with psycopg.connect(postgres.new_database()) as one, psycopg.connect(postgres.new_database()) as other:
        one.execute("CREATE TABLE words (word text)")
        assert other.execute("SELECT to_regclass('words')").fetchone() == (None,)


def test_a_postgres_remembers_after_a_kill(tmp_path: Path) -> None:
    with start_postgres(tmp_path) as server:
        with psycopg.connect(server.conninfo, autocommit=True) as connection:
            connection.execute("CREATE TABLE words AS SELECT 'kept' AS word")
            server.kill()
        server.restart()
        with psycopg.connect(server.conninfo) as connection:
            assert connection.execute("SELECT word FROM words").fetchone() == ("kept",)


def test_a_paused_postgres_answers_no_connection_of_before(tmp_path: Path) -> None:
    with start_postgres(tmp_path, durable=True) as server, psycopg.connect(server.conninfo) as connection:
        assert connection.execute("SHOW fsync").fetchone() == ("on",)
        server.pause()
        answers: list[object] = []
        asking = threading.Thread(target=lambda: answers.append(connection.execute("SELECT 1").fetchone()))
        asking.start()
        asking.join(0.2)
        assert not answers
        server.resume()
        asking.join(5)
        assert answers == [(1,)]


def test_a_proxy_forwards_pauses_and_cuts(redis_server: RedisServer) -> None:
    with Proxy(redis_server.port) as proxy:
        with socket.create_connection(("127.0.0.1", proxy.port), 5) as connection:
            connection.sendall(b"PING\r\n")
            assert connection.recv(100) == b"+PONG\r\n"
            proxy.pause()
            connection.sendall(b"PING\r\n")
            connection.settimeout(0.2)
            with pytest.raises(TimeoutError):
                connection.recv(100)
            proxy.resume()
            connection.settimeout(5)
            assert connection.recv(100) == b"+PONG\r\n"
            proxy.cut()
            assert connection.recv(100) == b""
        with socket.create_connection(("127.0.0.1", proxy.port), 5) as again:
            again.sendall(b"PING\r\n")
            assert again.recv(100) == b"+PONG\r\n"


def test_a_mute_proxy_asks_the_server_and_keeps_its_answers(redis_server: RedisServer) -> None:
    with Proxy(redis_server.port) as proxy, socket.create_connection(("127.0.0.1", proxy.port), 5) as connection:
        connection.sendall(b"SET mute 0\r\n")
        assert connection.recv(100) == b"+OK\r\n"
        proxy.mute()
        connection.sendall(b"SET mute 1\r\n")
        wait_until(lambda: redis_server.ask("GET", "mute") == "1", "a write that was asked for")
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(100)
        proxy.resume()
        connection.settimeout(5)
        assert connection.recv(100) == b"+OK\r\n"


_KILLED_RUN = """
import sys, time
from pathlib import Path
from tests.servers.postgres import start_postgres
from tests.servers.redis import find_redis, start_redis

folder = Path(sys.argv[1])
servers = [start_redis(folder, find_redis()), start_postgres(folder)]
servers[0].pause()
print(*(server.process.pid for server in servers), servers[1].process.folder, flush=True)
time.sleep(60)
"""


def test_servers_end_with_a_test_run_that_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", _KILLED_RUN, str(tmp_path)], stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout
        *pids, home = run.stdout.readline().split()
        run.kill()
    wait_until(lambda: not any(is_alive(int(pid)) for pid in pids), "the end of the servers")
    shutil.rmtree(home)
