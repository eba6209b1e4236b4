"""RedisStore where Redis is not as it should be: scripts forgotten, slots moved, connections cut, replicas missing."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from sojourn import ConfigurationError, StoreUnavailable
from sojourn.core.async_store import AsyncStore
from sojourn.core.record import Client, Record
from sojourn.core.store import Applied, Create, End, Ends, Limit, Refused
from sojourn.stores.redis import AsyncRedisStore, RedisStore
from sojourn.stores.redis.blob import decode_record, encode_record
from sojourn.stores.redis.key_names import id_of, index_key, session_key
from sojourn.testing.records import HOUR, MINUTE, NOW, change, commit, live, make_record, put
from tests.servers.cluster import RedisCluster
from tests.servers.port import find_port
from tests.servers.proxy import Proxy
from tests.servers.redis import RedisServer, find_redis, start_redis
from tests.servers.sentinel import SentinelSetup
from tests.servers.waiting import wait_until


@pytest.fixture
def store(redis_server: RedisServer) -> Iterator[RedisStore]:
    redis_server.clear()
    opened = RedisStore(redis_server.url)
    yield opened
    opened.close()


def increment(store: RedisStore, record: Record) -> Applied | Refused:
    return store.commit(commit(record, increments={"n": 1}))


# How it is kept


def test_a_session_of_four_hundred_bytes_stays_small(store: RedisStore, redis_server: RedisServer) -> None:
    """The client's name takes a few bytes, not a hundred, and one key holds it all."""
    agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
    data = {f"key{number}": b'"%s"' % (b"v" * 24) for number in range(12)}
    record = make_record(client=Client("203.0.113.7", agent), data=data)
    store.create(Create(record=record, now=NOW, began_at=NOW))

    assert len(encode_record(record)) < 600
    assert decode_record(record.id, encode_record(record)) == record
    assert redis_server.ask("DBSIZE") == 1


def test_names_of_keys_hold_the_id_and_nothing_else() -> None:
    record = make_record("ada")

    assert id_of(session_key(record.id).encode()) == record.id
    assert id_of(index_key("", "ada").encode()) is None
    assert id_of(b"somebody else's") is None


def test_redis_forgets_by_itself_what_is_over(store: RedisStore, redis_server: RedisServer) -> None:
    """The TTL cleans up, later than the timeouts; a touch moves it, and the index lives as long."""
    record = put(store, "ada")
    kept = {key: int(redis_server.ask("PTTL", key)) for key in (session_key(record.id), index_key("", "ada"))}
    store.commit(commit(record, now=NOW + 20 * MINUTE, seen_at=NOW + 20 * MINUTE))
    touched = {key: int(redis_server.ask("PTTL", key)) for key in kept}

    assert all(24 * HOUR < ttl <= 24.5 * HOUR for ttl in kept.values())
    assert touched == pytest.approx(kept, abs=10_000)
    longer = put(store, "ada", idle_timeout=2 * HOUR, absolute_expires_at=NOW + 99 * HOUR)
    assert 25 * HOUR < int(redis_server.ask("PTTL", index_key("", "ada"))) <= 26 * HOUR
    store.end(End(longer.id, "logout", NOW + 20 * MINUTE))
    store.end(End(record.id, "logout", NOW + 21 * MINUTE))
    assert 23 * HOUR < int(redis_server.ask("PTTL", session_key(record.id))) <= 24 * HOUR
    assert redis_server.ask("EXISTS", index_key("", "ada")) == 0


def test_a_list_leaves_out_sessions_that_are_gone(store: RedisStore, redis_server: RedisServer) -> None:
    stays, goes = put(store, "ada"), put(store, "ada")
    redis_server.ask("DEL", session_key(goes.id))

    assert [record.id for record in store.list("ada", NOW)] == [stays.id]


def test_what_is_not_ours_under_a_key_is_an_outage_and_is_not_repeated(
    store: RedisStore, redis_server: RedisServer
) -> None:
    record = put(store)
    redis_server.ask("SET", session_key(record.id), "sj1-secret")

    with pytest.raises(StoreUnavailable, match="not what was written there") as raised:
        store.get(record.id)
    assert "secret" not in str(raised.value)


# Log-ins across slots


def test_a_log_in_that_lost_its_race_leaves_nothing_behind(store: RedisStore, redis_server: RedisServer) -> None:
    """Its session was made in the user's slot before the anonymous one, in another, was found changed."""
    before, winner, loser = put(store), make_record("ada"), make_record("ada")
    store.create(Create(record=winner, now=NOW, began_at=NOW, ends=Ends(before.id, "replaced", 1)))
    answer = store.create(Create(record=loser, now=NOW, began_at=NOW, ends=Ends(before.id, "replaced", 1)))

    assert isinstance(answer, Refused)
    assert store.get(loser.id) is None
    assert redis_server.ask("ZCARD", index_key("", "ada")) == 1


def test_a_log_in_that_lost_its_race_ends_nobody_for_the_cap(store: RedisStore) -> None:
    before, other = put(store), put(store, "ada")
    create = Create(
        record=make_record("ada"), now=NOW, began_at=NOW, ends=Ends(before.id, "replaced", 9), limit=Limit(1, True)
    )

    assert isinstance(store.create(create), Refused)
    assert [record.id for record in store.list("ada", NOW)] == [other.id]
    answer = store.create(replace(create, ends=Ends(before.id, "replaced", 1)))
    assert answer == Applied(1, (other.id,))
    assert [record.id for record in store.list("ada", NOW)] == [create.record.id]


def test_an_id_that_was_minted_for_another_user_is_refused(store: RedisStore) -> None:
    with pytest.raises(ConfigurationError, match="not minted for this user"):
        store.create(Create(record=replace(make_record("ada"), user_id="eve"), now=NOW, began_at=NOW))


# Scripts and slots


def test_scripts_that_redis_forgot_are_sent_again(store: RedisStore, redis_server: RedisServer) -> None:
    record = put(store)
    assert increment(store, record) == Applied(2)
    redis_server.ask("SCRIPT", "FLUSH")

    assert increment(store, record) == Applied(3)


def test_a_slot_that_moves_is_followed(redis_cluster: RedisCluster) -> None:
    """ASK while it moves, MOVED when it has, each call made once."""
    redis_cluster.clear()
    store = RedisStore(redis_cluster.url)
    record = put(store)
    key = session_key(record.id)
    increment(store, record)
    source = redis_cluster.primary_of(key)
    target = next(node for node in redis_cluster.primaries if node is not source)
    slot = source.ask("CLUSTER", "KEYSLOT", key)
    ids = {node: node.ask("CLUSTER", "MYID") for node in (source, target)}
    target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[source])
    source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[target])
    try:
        source.ask("MIGRATE", "127.0.0.1", target.port, key, 0, 5000)
        assert increment(store, record) == Applied(3)
        assert live(store, record.id).data == {"n": b"2"}
    finally:
        for node in redis_cluster.primaries:
            node.ask("CLUSTER", "SETSLOT", slot, "NODE", ids[target])
    assert increment(store, record) == Applied(4)
    assert live(store, record.id).data == {"n": b"3"}
    store.close()
    _move_back(redis_cluster, int(slot), source, target)


def _move_back(cluster: RedisCluster, slot: int, source: RedisServer, target: RedisServer) -> None:
    cluster.clear()
    for node in (source, target, *cluster.primaries):
        node.ask("CLUSTER", "SETSLOT", slot, "NODE", source.ask("CLUSTER", "MYID"))
    cluster.wait_until_whole()


def test_one_server_of_a_cluster_says_that_the_url_should_name_the_cluster(redis_cluster: RedisCluster) -> None:
    store = RedisStore(f"redis://127.0.0.1:{redis_cluster.nodes[0].port}")
    ids = [make_record().id for _ in range(20)]

    with pytest.raises(StoreUnavailable, match="redis\\+cluster://"):
        [store.get(id) for id in ids]
    store.close()


# Refusals and outages


@pytest.mark.parametrize(
    ("setting", "value", "told"),
    [("maxmemory", "1", "out of memory"), ("min-replicas-to-write", "1", "fewer replicas")],
)
def test_a_refusal_of_redis_is_an_outage_that_says_why(
    store: RedisStore, redis_server: RedisServer, setting: str, value: str, told: str
) -> None:
    record = put(store)
    redis_server.ask("CONFIG", "SET", setting, value)
    try:
        with pytest.raises(StoreUnavailable, match=told):
            increment(store, record)
        assert live(store, record.id).data == {}
    finally:
        redis_server.ask("CONFIG", "SET", setting, "0")
    assert increment(store, record) == Applied(2)


def test_a_replica_takes_no_writes_and_what_was_refused_was_not_made(redis_sentinel: SentinelSetup) -> None:
    redis_sentinel.clear()
    store = RedisStore(f"{redis_sentinel.replica.url}", timeout=0.3)

    with pytest.raises(StoreUnavailable, match="nothing was written"):
        put(store, "ada")
    store.close()


def test_a_password_is_asked_for_and_never_repeated(tmp_path: Path) -> None:
    with start_redis(tmp_path, find_redis()) as server:
        server.ask("CONFIG", "SET", "requirepass", "opensesame")
        at = f"127.0.0.1:{server.port}"
        for login, code in ((":wrongpass@", "WRONGPASS"), ("", "NOAUTH")):
            store = RedisStore(f"redis://{login}{at}")
            with pytest.raises(StoreUnavailable, match=code) as raised:
                store.get("0" * 32)
            assert "wrongpass" not in str(raised.value)
            store.close()
        store = RedisStore(f"redis://:opensesame@{at}/3")
        assert increment(store, put(store)) == Applied(2)
        store.close()


def test_a_connection_can_be_encrypted(tmp_path: Path) -> None:
    key, certificate, port = tmp_path / "key.pem", tmp_path / "certificate.pem", find_port()
    making = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    about = ["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*making, *about, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    files = ["--tls-cert-file", str(certificate), "--tls-key-file", str(key), "--tls-ca-cert-file", str(certificate)]
    with start_redis(tmp_path, find_redis(), "--tls-port", str(port), "--tls-auth-clients", "no", *files):
        store = RedisStore(f"rediss://localhost:{port}?ssl_ca_certs={certificate}")
        assert increment(store, put(store)) == Applied(2)
        store.close()
        distrustful = RedisStore(f"rediss://localhost:{port}", timeout=0.2)
        with pytest.raises(StoreUnavailable, match="did not answer"):
            put(distrustful)
        distrustful.close()


def test_the_permissions_in_the_documentation_are_enough(tmp_path: Path) -> None:
    page = Path(__file__).parents[2] / "docs/stores/redis.md"
    rules = page.read_text().partition("ACL SETUSER sojourn ")[2].partition("```")[0].split()
    with start_redis(tmp_path, find_redis()) as server:
        server.ask("ACL", "SETUSER", "sojourn", *rules)
        server.ask("ACL", "SETUSER", "guest", "on", ">pass", "~other:*", "+@all")
        store = RedisStore(f"redis://sojourn:password@127.0.0.1:{server.port}")
        anonymous, other = put(store), put(store, "ada")
        create = Create(
            record=make_record("ada"),
            now=NOW,
            began_at=NOW,
            ends=Ends(anonymous.id, "replaced", 1),
            limit=Limit(1, True),
        )
        assert store.create(create) == Applied(1, (other.id,))
        assert increment(store, create.record) == Applied(2)
        assert store.stats(NOW).live == 1
        assert list(store.end_all("ada", "revoked", NOW)) == [create.record.id]
        assert store.delete_expired(NOW + HOUR, 9) == 3
        store.close()
        store = RedisStore(f"redis://guest:pass@127.0.0.1:{server.port}")
        with pytest.raises(StoreUnavailable, match="NOPERM"):
            put(store)
        store.close()


def test_too_few_replicas_are_told_and_the_write_is_there(redis_server: RedisServer, store: RedisStore) -> None:
    careful = RedisStore(redis_server.url + "?min_replicas=1")
    record = put(store)

    with pytest.raises(StoreUnavailable, match="0 of 1 replicas"):
        increment(careful, record)
    assert live(store, record.id).data == {"n": b"1"}
    assert live(careful, record.id).data == {"n": b"1"}
    careful.close()


def test_a_write_that_replicas_have_is_confirmed(redis_sentinel: SentinelSetup) -> None:
    redis_sentinel.clear()
    store = RedisStore(redis_sentinel.url, min_replicas=1)
    record = put(store, "ada")
    assert increment(store, record) == Applied(2)
    assert store.end(End(record.id, "logout", NOW)) is not None
    on_replica = RedisStore(redis_sentinel.replica.url)
    assert live(on_replica, record.id).end_reason == "logout"
    on_replica.close()
    store.close()


def test_a_connection_that_died_while_idle_costs_no_write(store: RedisStore, redis_server: RedisServer) -> None:
    """A connection that died while it was idle is seen before a write is trusted to it."""
    record = put(store)
    redis_server.ask("CLIENT", "KILL", "TYPE", "normal")

    assert increment(store, record) == Applied(2)


def test_silence_is_an_outage_and_what_may_have_been_made_is_said(redis_server: RedisServer, store: RedisStore) -> None:
    record = put(store)
    with Proxy(redis_server.port) as proxy:
        slow = RedisStore(f"redis://127.0.0.1:{proxy.port}", timeout=1)
        assert slow.get(record.id) == record
        proxy.pause()
        with pytest.raises(StoreUnavailable, match="may be made, or not"):
            increment(slow, record)
        with pytest.raises(StoreUnavailable, match=r"did not answer within 1 s; nothing was written"):
            slow.get(record.id)
        proxy.resume()
        wait_until(lambda: slow.get(record.id) is not None, "a store that is back by itself")
        slow.close()


def test_a_server_that_is_away_for_a_moment_is_waited_for(tmp_path: Path) -> None:
    with start_redis(tmp_path, find_redis(), durable=True) as server:
        store = RedisStore(server.url)
        record = put(store)
        server.kill()
        with pytest.raises(StoreUnavailable, match=r"within 0\.2 s; nothing was written") as raised:
            increment(RedisStore(server.url, timeout=0.2), record)
        assert raised.value.__cause__ is not None
        restart = subprocess.Popen(["sleep", "0.2"])
        restart.wait()
        server.restart()
        assert increment(store, record) == Applied(2)
        store.close()


def test_a_forked_child_has_connections_of_its_own(store: RedisStore) -> None:
    record = put(store)
    pid = os.fork()
    if pid == 0:
        try:
            for _ in range(50):
                assert store.get(record.id) == record
        except BaseException:  # noqa: BLE001  # pytest must not go on in the child
            os._exit(1)
        os._exit(0)
    for _ in range(50):
        assert store.get(record.id) == record
    assert os.waitpid(pid, 0)[1] == 0


# Travelling together


def test_reads_of_one_tick_travel_together(redis_server: RedisServer, store: RedisStore) -> None:
    records = [put(store) for _ in range(50)]

    async def main() -> list[Record | None]:
        together = AsyncRedisStore(redis_server.url)
        await together.get(records[0].id)
        found = await asyncio.gather(*[together.get(record.id) for record in records])
        await together.close()
        return found

    before = redis_server.info("stats")
    assert asyncio.run(main()) == records
    after = redis_server.info("stats")
    # All share one; and one is this test's own question.
    assert int(after["total_connections_received"]) - int(before["total_connections_received"]) == 2
    # In few writes: what came with one is read at once.
    assert int(after["total_reads_processed"]) - int(before["total_reads_processed"]) < 10


def test_many_at_once_share_one_connection(redis_server: RedisServer, store: RedisStore) -> None:
    record = put(store)

    async def one(together: AsyncStore, number: int) -> None:
        for _ in range(number % 7):
            await asyncio.sleep(0)
        await together.commit(commit(record, increments={"n": 1}))

    async def main() -> None:
        together = AsyncRedisStore(redis_server.url)
        await asyncio.gather(*[one(together, number) for number in range(500)])
        await together.close()

    before = redis_server.info("stats")
    asyncio.run(main())
    after = redis_server.info("stats")
    assert live(store, record.id).data == {"n": b"500"}
    assert int(after["total_connections_received"]) - int(before["total_connections_received"]) == 2


def test_a_request_that_is_cancelled_takes_nobody_with_it(redis_server: RedisServer, store: RedisStore) -> None:
    """They share a connection, and it leaves its question behind there."""
    record = put(store)

    async def main() -> None:
        together = AsyncRedisStore(redis_server.url)
        for ticks in range(6):
            gets = [asyncio.create_task(together.get(record.id)) for _ in range(5)]
            for _ in range(ticks):
                await asyncio.sleep(0)
            gets[0].cancel()
            found = await asyncio.gather(*gets, return_exceptions=True)
            assert found[1:] == [record] * 4
            assert found[0] == record or isinstance(found[0], asyncio.CancelledError)
        await together.close()

    asyncio.run(main())


def test_an_event_loop_is_not_held_up_by_a_silent_server(redis_server: RedisServer, store: RedisStore) -> None:
    record = put(store)

    async def main(proxy: Proxy) -> float:
        slow = AsyncRedisStore(f"redis://127.0.0.1:{proxy.port}", timeout=1)
        assert await slow.get(record.id) == record
        proxy.pause()
        began = time.monotonic()
        with pytest.raises(StoreUnavailable, match="may be made, or not"):
            await slow.commit(commit(record, changes={"k": change(None, b"1")}))
        took = time.monotonic() - began
        proxy.resume()
        await slow.close()
        return took

    with Proxy(redis_server.port) as proxy:
        assert asyncio.run(main(proxy)) < 10


def test_activity_writes_its_own_field_and_not_the_whole_session(tmp_path: Path) -> None:
    """A replica and the file are told of what changed: of 32 KiB, some hundred bytes."""
    with start_redis(tmp_path, find_redis(), durable=True) as server:
        store = RedisStore(server.url)
        record = put(store, "ada", data={"text": b'"' + b"x" * 32_000 + b'"'})
        seen = record.created_at + 100_000
        for at in (seen, seen + 1000, seen + 60_000):
            before = int(server.info("persistence")["aof_current_size"])
            assert store.commit(commit(record, now=at, seen_at=at)) == Applied(record.version)
            written = int(server.info("persistence")["aof_current_size"]) - before
            assert store.get(record.id) == replace(record, seen_at=at)
            # The first time takes more room in the record than the 0 before: all is written.
            assert written < 300 or at == seen
        store.close()
