"""Redis and Valkey tell of writes: by whomever, over every kind of connection, and again after every kind of fault."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import hiredis
import pytest

from sojourn.core.record import Record
from sojourn.core.store import End
from sojourn.stores.redis import AsyncRedisStore, RedisStore
from sojourn.stores.redis.key_names import session_key
from sojourn.testing import NOW
from sojourn.testing.records import change, commit, put
from tests.servers.cluster import RedisCluster, start_cluster
from tests.servers.port import BUS_OFFSET, find_port
from tests.servers.proxy import Proxy
from tests.servers.redis import RedisServer, find_redis, find_valkey, start_redis
from tests.servers.sentinel import start_sentinel
from tests.servers.waiting import wait_until
from tests.stores.recording_watcher import RecordingWatcher

INTERVAL = 0.05


Watch = Callable[[str], AbstractContextManager[RecordingWatcher]]


@contextmanager
def watching(store: RedisStore | AsyncRedisStore) -> Iterator[RecordingWatcher]:
    watcher = RecordingWatcher()
    thread = threading.Thread(target=store.watch, args=(watcher, INTERVAL))
    thread.start()
    try:
        yield watcher
    finally:
        watcher.closed = True
        thread.join(10)
    assert not thread.is_alive()


def for_threads(url: str) -> AbstractContextManager[RecordingWatcher]:
    return watching(RedisStore(url))


def for_a_loop(url: str) -> AbstractContextManager[RecordingWatcher]:
    return watching(AsyncRedisStore(url))


@pytest.fixture(params=[for_threads, for_a_loop])
def watch(request: pytest.FixtureRequest) -> Watch:
    """Watches the Redis at a URL."""
    kind: Watch = request.param
    return kind


@pytest.fixture(params=["redis_server", "valkey_server"])
def server(request: pytest.FixtureRequest) -> RedisServer:
    server: RedisServer = request.getfixturevalue(request.param)
    return server


@contextmanager
def both_ways(url: str) -> Iterator[tuple[RecordingWatcher, RecordingWatcher]]:
    """Where the fault is dear to make."""
    with for_threads(url) as one, for_a_loop(url) as other:
        wait_until_sound(one, other)
        yield one, other


def wait_until_sound(*watchers: RecordingWatcher) -> None:
    for watcher in watchers:
        watcher.wait_until_sound()


def wait_until_lost(*watchers: RecordingWatcher) -> None:
    """The first loss is the channel's beginning."""
    wait_until(lambda: all(watcher.losses >= 2 for watcher in watchers), "the loss")


def wait_for(watchers: tuple[RecordingWatcher, ...], *records: Record) -> None:
    for watcher in watchers:
        watcher.wait_for(*records)


either_binary = pytest.mark.parametrize("find", [find_redis, find_valkey])


@contextmanager
def store_at(url: str) -> Iterator[RedisStore]:
    store = RedisStore(url)
    yield store
    store.close()


# What is told


def test_every_write_is_told(server: RedisServer, watch: Watch) -> None:
    """A new session, a change, a touch, an end, an end of all, and what runs out."""
    with watch(server.url) as watcher, store_at(server.url) as store:
        watcher.wait_until_sound()
        record, other = put(store, "ada"), put(store, "ada")
        watcher.wait_for(record, other)
        store.commit(commit(record, changes={"a": change(None, b"1")}))
        watcher.wait_for(record)
        store.commit(commit(record, seen_at=NOW + 1))
        watcher.wait_for(record)
        store.end(End(record.id, "logout", NOW))
        watcher.wait_for(record)
        store.end_all("ada", "revoked", NOW)
        watcher.wait_for(other)
        server.ask("PEXPIRE", session_key(other.id), 1)
        watcher.wait_for(other)


def test_only_sessions_are_told_of(server: RedisServer, watch: Watch) -> None:
    server.ask("FLUSHALL")  # what another test let expire may only go now
    with watch(server.url) as watcher, store_at(server.url) as store:
        watcher.wait_until_sound()
        server.ask("SET", "theirs", "1")
        server.ask("SET", "sj:", "1")
        record = put(store, "ada")
        watcher.wait_until_sound()

        assert set(watcher.ids) == {record.id}


def test_all_is_lost_where_all_keys_are_deleted(server: RedisServer, watch: Watch) -> None:
    with watch(server.url) as watcher:
        watcher.wait_until_sound()
        assert watcher.losses == 1
        server.clear()
        wait_until(lambda: watcher.losses == 2, "word of the loss")
        watcher.wait_until_sound()


def test_a_beat_comes_after_what_was_written_before_it(server: RedisServer, watch: Watch) -> None:
    """However many writes, and whatever turn of the server's loop they fall in."""
    with watch(server.url) as watcher, store_at(server.url) as store:
        watcher.wait_until_sound()
        deadline = time.monotonic() + 1.5
        while time.monotonic() < deadline:
            records = [put(store) for _ in range(20)]
            watcher.wait_until_sound()
            assert {record.id for record in records} <= set(watcher.ids)
            watcher.ids.clear()


# Ways to connect


def test_over_a_unix_socket(server: RedisServer, watch: Watch) -> None:
    with watch(server.unix_url) as watcher, store_at(server.unix_url) as store:
        watcher.wait_until_sound()
        watcher.wait_for(put(store))


@either_binary
def test_as_a_user_who_may_do_little(tmp_path: Path, find: Callable[[], str], watch: Watch) -> None:
    rights = ["on", ">sekret", "~sj:*", "-@all", "+client|tracking", "+wait"]
    with start_redis(tmp_path, find(), "--user", "sessions", *rights) as server:
        url = server.url.replace("redis://", "redis://sessions:sekret@")
        with watch(url) as watcher:
            watcher.wait_until_sound()
            server.ask("SET", session_key("a" * 32), "1")
            wait_until(lambda: watcher.ids == ["a" * 32], "word of the write")


@either_binary
def test_a_user_who_may_not_is_told_of_once(
    tmp_path: Path, find: Callable[[], str], watch: Watch, caplog: pytest.LogCaptureFixture
) -> None:
    rights = ["on", ">sekret", "~sj:*", "+@all", "-client|tracking"]
    with start_redis(tmp_path, find(), "--user", "sessions", *rights) as server:
        with watch(server.url.replace("redis://", "redis://sessions:sekret@")) as watcher:
            wait_until(lambda: watcher.losses >= 3, "trials")
        assert watcher.until == 0.0
    assert caplog.text.count("Redis tells of no writes") == 1
    assert "client|tracking" in caplog.text
    assert "sekret" not in caplog.text


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1, with its key in the same file."""
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    key = path.with_name("key.pem")
    request = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1"
    )
    subprocess.run([*request.split(), "-keyout", str(key), "-out", str(path)], check=True, capture_output=True)
    path.write_text(path.read_text() + key.read_text())
    return path


def test_over_tls(tmp_path: Path, certificate: Path, watch: Watch) -> None:
    port, file = find_port(), str(certificate)
    files = ["--tls-cert-file", file, "--tls-key-file", file, "--tls-ca-cert-file", file, "--tls-auth-clients", "no"]
    with start_redis(tmp_path, find_redis(), "--tls-port", str(port), *files):
        url = f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={file}"
        with watch(url) as watcher, store_at(url) as store:
            watcher.wait_until_sound()
            watcher.wait_for(put(store))


# Faults


@either_binary
def test_a_server_that_was_killed_and_started_again(tmp_path: Path, find: Callable[[], str]) -> None:
    with start_redis(tmp_path, find()) as server, both_ways(server.url) as watchers:
        server.kill()
        wait_until_lost(*watchers)
        assert [each.until for each in watchers] == [0.0, 0.0]
        server.restart()
        wait_until_sound(*watchers)
        with store_at(server.url) as store:
            wait_for(watchers, put(store))


def test_a_channel_that_is_cut_is_made_again(server: RedisServer, watch: Watch) -> None:
    with Proxy(server.port) as proxy, watch(f"redis://127.0.0.1:{proxy.port}/0") as watcher:
        watcher.wait_until_sound()
        proxy.cut()
        wait_until_lost(watcher)
        watcher.wait_until_sound()


def test_a_channel_that_is_silent_is_sound_no_longer(server: RedisServer, watch: Watch) -> None:
    with (
        Proxy(server.port) as proxy,
        watch(f"redis://127.0.0.1:{proxy.port}/0") as watcher,
        store_at(server.url) as store,
    ):
        watcher.wait_until_sound()
        proxy.pause()
        silent = time.monotonic()
        record = put(store)
        time.sleep(0.5)
        assert watcher.until < silent
        assert watcher.ids == []
        proxy.resume()
        watcher.wait_for(record)
        watcher.wait_until_sound()


def is_busy(server: RedisServer) -> bool:
    try:
        server.ask("PING")
    except hiredis.ReplyError as error:
        return str(error).startswith("BUSY")
    return False


@either_binary
def test_a_server_that_is_busy_with_a_script_confirms_nothing(tmp_path: Path, find: Callable[[], str]) -> None:
    """It answers some commands amid what it has still to tell."""

    def run_a_script() -> None:
        with suppress(OSError):  # killed
            one.ask("EVAL", "while true do end", "0")

    with start_redis(tmp_path, find(), "--busy-reply-threshold", "50") as one, both_ways(one.url) as watchers:
        script = threading.Thread(target=run_a_script)
        script.start()
        wait_until(lambda: is_busy(one), "a server that is busy")
        busy = time.monotonic()
        time.sleep(0.5)
        assert all(each.until < busy for each in watchers)
        one.kill()
        script.join()


# Who is the primary


@either_binary
def test_a_replica_tells_nothing(tmp_path: Path, find: Callable[[], str]) -> None:
    """What it holds is older than what the primary holds, by as much as it lags."""
    with (
        start_redis(tmp_path / "a", find()) as primary,
        start_redis(tmp_path / "b", find()) as server,
        both_ways(server.url) as watchers,
    ):
        server.ask("REPLICAOF", "127.0.0.1", primary.port)
        wait_until_lost(*watchers)
        time.sleep(0.2)
        assert [each.until for each in watchers] == [0.0, 0.0]


@either_binary
def test_after_a_failover_of_sentinel_the_new_primary_tells(tmp_path: Path, find: Callable[[], str]) -> None:
    with start_sentinel(tmp_path, find()) as setup, both_ways(setup.url) as watchers:
        killed = setup.primary
        killed.kill()
        wait_until(lambda: setup.primary is not killed and setup.primary.role == "master", "a new primary")
        wait_until_sound(*watchers)
        with store_at(setup.url) as store:
            wait_for(watchers, put(store))


@either_binary
def test_a_primary_that_lives_on_after_a_failover_is_left(tmp_path: Path, find: Callable[[], str]) -> None:
    """It takes itself for one for seconds, while others write to the new one."""
    with start_sentinel(tmp_path, find()) as setup, both_ways(setup.url) as watchers:
        before, after = setup.primary, setup.replica
        after.ask("REPLICAOF", "NO", "ONE")
        for sentinel in setup.sentinels:
            sentinel.ask("SENTINEL", "REMOVE", "sojourn")
            sentinel.ask("SENTINEL", "MONITOR", "sojourn", "127.0.0.1", after.port, 2)
        wait_until_lost(*watchers)
        wait_until_sound(*watchers)
        assert before.role == "master"
        with store_at(setup.url) as store:
            wait_for(watchers, put(store))


# Cluster


@pytest.mark.parametrize("fixture", ["redis_cluster", "valkey_cluster"])
def test_every_primary_of_a_cluster_tells(fixture: str, request: pytest.FixtureRequest) -> None:
    cluster: RedisCluster = request.getfixturevalue(fixture)
    with both_ways(cluster.url) as watchers, store_at(cluster.url) as store:
        records = [put(store) for _ in range(30)]
        assert len({cluster.primary_of(session_key(record.id)).port for record in records}) == 3
        wait_for(watchers, *records)


@pytest.mark.parametrize("fixture", ["redis_cluster", "valkey_cluster"])
def test_a_user_of_a_cluster_who_may_do_little(fixture: str, request: pytest.FixtureRequest) -> None:
    cluster: RedisCluster = request.getfixturevalue(fixture)
    rights = ["on", ">sekret", "~sj:*", "-@all", "+client|tracking", "+wait", "+cluster|slots"]
    for node in cluster.nodes:
        node.ask("ACL", "SETUSER", "sessions", *rights, "+cluster|info", "+cluster|shards")
    with both_ways(cluster.url.replace("://", "://sessions:sekret@")) as watchers, store_at(cluster.url) as store:
        wait_for(watchers, *[put(store) for _ in range(10)])
    for node in cluster.nodes:
        node.ask("ACL", "DELUSER", "sessions")


@either_binary
def test_after_a_failover_of_a_cluster_all_primaries_tell(tmp_path: Path, find: Callable[[], str]) -> None:
    with start_cluster(tmp_path, find()) as cluster, both_ways(cluster.url) as watchers:
        primary = cluster.primaries[0]
        replica = cluster.replica_of(primary)
        primary.kill()
        wait_until_lost(*watchers)
        wait_until(lambda: replica.role == "master", "a new primary")
        wait_until_sound(*watchers)
        with store_at(cluster.url) as store:
            wait_for(watchers, *[put(store) for _ in range(30)])


@either_binary
def test_a_new_primary_is_listened_to_before_it_has_a_slot(tmp_path: Path, find: Callable[[], str]) -> None:
    """While a slot moves there, its keys are written there one by one, and the Cluster's epoch does not say so."""
    options = ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000"]
    with (
        start_cluster(tmp_path / "cluster", find()) as cluster,
        start_redis(tmp_path / "new", find(), *options) as new,
        both_ways(cluster.url) as watchers,
        store_at(cluster.url) as store,
    ):
        record = put(store)
        wait_for(watchers, record)
        key = session_key(record.id)
        old = cluster.primary_of(key)
        new.ask("CLUSTER", "MEET", "127.0.0.1", old.port, old.port + BUS_OFFSET)
        nodes = [*cluster.nodes, new]
        wait_until(lambda: {node.info("cluster")["cluster_known_nodes"] for node in nodes} == {"7"}, "seven nodes")
        wait_until_sound(*watchers)
        slot = old.ask("CLUSTER", "KEYSLOT", key)
        new.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", old.ask("CLUSTER", "MYID"))
        old.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", new.ask("CLUSTER", "MYID"))
        old.ask("MIGRATE", "127.0.0.1", new.port, key, 0, 5000)
        wait_for(watchers, record)
        store.commit(commit(record, changes={"a": change(None, b"1")}))
        wait_for(watchers, record)
