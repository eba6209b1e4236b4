"""Writes that replicas must have: none is acknowledged that they did not confirm, the first time or the second."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import hiredis
import pytest

from sojourn import SessionManager, StoreUnavailable
from sojourn.core.store import Applied, End, Store
from sojourn.stores.redis import AsyncRedisStore, RedisStore
from sojourn.stores.redis.blob import decode_record
from sojourn.stores.redis.key_names import session_key
from sojourn.stores.redis.retry import InDoubt, NotMade
from sojourn.testing import blocking
from sojourn.testing.records import NOW, change, commit, live, make_record, put
from tests.servers.redis import RedisServer, find_redis, find_valkey, start_redis
from tests.servers.sentinel import SentinelSetup, start_sentinel
from tests.servers.waiting import wait_until

both = pytest.mark.parametrize("kind", ["", "async"])


class Pair:
    """A primary and its replica."""

    def __init__(self, primary: RedisServer, replica: RedisServer) -> None:
        self.primary, self.replica = primary, replica


@pytest.fixture(params=[find_redis, find_valkey], ids=["redis", "valkey"])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pair]:
    find: Callable[[], str] = request.param
    undelayed = ["--repl-diskless-sync-delay", "0"]
    with start_redis(tmp_path / "primary", find(), *undelayed) as primary:
        following = ["--replicaof", f"127.0.0.1 {primary.port}"]
        with start_redis(tmp_path / "replica", find(), *undelayed, *following) as replica:
            up = "a replica in step"
            wait_until(lambda: replica.info("replication").get("master_link_status") == "up", up)
            # From its first word on it counts.
            wait_until(lambda: primary.ask("WAIT", 1, 100) == 1, up)
            yield Pair(primary, replica)


def opened(kind: str, url: str, timeout: float = 5.0) -> Store:
    if kind:
        return blocking(AsyncRedisStore(url, min_replicas=1, timeout=timeout))
    return RedisStore(url, min_replicas=1, timeout=timeout)


def is_ended_on(server: RedisServer, id: str) -> bool:
    """Whether it says so itself, over a connection of its own."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(str(server.socket))
        connection.sendall(hiredis.pack_command(("GET", session_key(id))))  # type: ignore[arg-type]
        reader = hiredis.Reader()
        while (reply := reader.gets()) is False:
            reader.feed(connection.recv(65536))
    return reply is not None and decode_record(id, reply).ended_at is not None


@both
def test_an_end_that_is_asked_for_again_is_confirmed_then_or_not_at_all(kind: str, pair: Pair) -> None:
    """The first call said that no replica has it; the second, over a connection of its own, finds it made."""
    store = opened(kind, pair.primary.url)
    record = put(store)
    pair.replica.pause()
    for _ in range(2):
        store.close()
        store = opened(kind, pair.primary.url)
        with pytest.raises(StoreUnavailable, match="0 of 1 replicas"):
            store.end(End(record.id, "logout", NOW + 1))
    pair.replica.resume()

    assert store.end(End(record.id, "logout", NOW + 1)) is None
    assert is_ended_on(pair.replica, record.id)
    store.close()


def test_a_log_out_that_is_pressed_again_is_confirmed_then_or_not_at_all(pair: Pair) -> None:
    """The page is loaded anew, and its session is found over."""
    manager = SessionManager(opened("", pair.primary.url))
    session = manager.anonymous()
    session.login("ada")
    reply = manager.commit(session)
    assert reply.token is not None
    token = reply.token
    pair.replica.pause()
    for _ in range(2):
        session = manager.open(token.reveal())
        session.logout()
        with pytest.raises(StoreUnavailable, match="0 of 1 replicas"):
            manager.commit(session)
    pair.replica.resume()
    session = manager.open(token.reveal())
    assert session.status == "ended"
    session.logout()

    assert manager.commit(session).clear
    assert is_ended_on(pair.replica, token.id)
    manager.close()


@both
@pytest.mark.parametrize("write", ["end", "change"])
def test_a_primary_that_dies_before_its_replica_has_a_write_acknowledges_none(
    kind: str, write: str, pair: Pair
) -> None:
    """Its answer to the write had come by then; what was not answered is how many replicas have it."""
    store = opened(kind, pair.primary.url, timeout=2.0)
    record = put(store)
    pair.replica.pause()
    told: list[object] = []

    def write_it() -> None:
        try:
            if write == "end":
                told.append(store.end(End(record.id, "revoked", NOW + 1)))
            else:
                told.append(store.commit(commit(record, changes={"a": change(None, b"1")})))
        except StoreUnavailable as error:
            told.append(error)

    length = pair.primary.ask("STRLEN", session_key(record.id))
    writer = threading.Thread(target=write_it)
    writer.start()
    wait_until(lambda: pair.primary.ask("STRLEN", session_key(record.id)) != length, "a write that was made")
    pair.primary.kill()
    writer.join()
    pair.replica.resume()

    assert isinstance(told[0], StoreUnavailable)
    store.close()


# A server that answers the write and hangs up, at once and every time


@contextmanager
def hanging_up(answer: bytes) -> Iterator[int]:
    """The port of one that gives `answer` to a script, never says how many replicas have it, and hangs up."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:

        def serve() -> None:
            while True:
                try:
                    caller, _ = listener.accept()
                except OSError:
                    return
                with caller:
                    asked = caller.recv(65536)
                    if b"PING" in asked:  # a loop's, over each new connection
                        caller.sendall(b"+PONG\r\n")
                        asked = caller.recv(65536)
                    if b"EVALSHA" in asked:
                        caller.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


@both
def test_an_answer_that_waits_for_no_replica_is_no_acknowledgement(kind: str) -> None:
    record = make_record()
    with hanging_up(b"*1\r\n:2\r\n") as port:
        store = opened(kind, f"redis://127.0.0.1:{port}?dangerously_allow_eviction=true", timeout=5.0)
        with pytest.raises(StoreUnavailable, match="may be made, or not"):
            store.commit(commit(record, increments={"n": 1}))
        store.close()
    with hanging_up(b"$-1\r\n") as port:
        store = opened(kind, f"redis://127.0.0.1:{port}?dangerously_allow_eviction=true", timeout=5.0)
        with pytest.raises(StoreUnavailable, match="may be made, or not"):
            store.end(End(record.id, "revoked", NOW))
        store.close()


@both
def test_a_touch_needs_no_replica(kind: str) -> None:
    """What it says may be lost, and its answer is enough."""
    with hanging_up(b"*1\r\n:1\r\n") as port:
        store = opened(kind, f"redis://127.0.0.1:{port}?dangerously_allow_eviction=true", timeout=5.0)
        assert store.commit(commit(make_record(), seen_at=NOW)) == Applied(1)
        store.close()


@both
def test_a_user_who_may_not_wait_for_replicas_is_told(kind: str, redis_server: RedisServer) -> None:
    redis_server.clear()
    redis_server.ask("ACL", "SETUSER", "hasty", "on", ">pass", "~*", "+@all", "-wait")
    store = opened(kind, f"redis://hasty:pass@127.0.0.1:{redis_server.port}")
    record = make_record()
    with pytest.raises(StoreUnavailable, match="WAIT was refused"):
        put(store, id=record.id)
    assert live(store, record.id).id == record.id
    redis_server.ask("ACL", "DELUSER", "hasty")
    store.close()


def test_reads_go_on_while_many_writes_wait_for_a_replica_that_is_away(redis_sentinel: SentinelSetup) -> None:
    """The Sentinels are asked for another primary, and it is asked, beside all these, whether it is one."""
    redis_sentinel.clear()
    with closing(RedisStore(redis_sentinel.url)) as sync:
        record = put(sync)
        sync.commit(commit(record, increments={"n": 1}))  # the script is known from here on

    async def main() -> None:
        store = AsyncRedisStore(redis_sentinel.url, min_replicas=1, timeout=2.0)
        writes = [asyncio.create_task(store.commit(commit(record, increments={"n": 1}))) for _ in range(100)]
        done, under_way = await asyncio.wait(writes, return_when=asyncio.FIRST_EXCEPTION)
        assert "0 of 1 replicas" in str(done.pop().exception())
        found = await store.get(record.id)
        assert found is not None
        assert not all(each.done() for each in under_way)
        told = await asyncio.gather(*writes, return_exceptions=True)
        assert {type(each) for each in told} <= {StoreUnavailable, NotMade, InDoubt}
        await store.close()

    redis_sentinel.replica.pause()
    try:
        asyncio.run(main())
    finally:
        redis_sentinel.servers[0].resume()
        redis_sentinel.servers[1].resume()
        redis_sentinel.wait_until_whole()


# A primary that is back from the dead


@both
def test_who_slept_through_a_failover_asks_the_sentinels_and_not_the_primary_of_old(kind: str, tmp_path: Path) -> None:
    """It is back, has nothing, and calls itself a primary until a Sentinel tells it otherwise."""
    with start_sentinel(tmp_path, find_redis()) as setup:
        store = opened(kind, setup.url)
        record = put(store)
        assert live(store, record.id) == record
        for sentinel in setup.sentinels:
            sentinel.ask("SENTINEL", "DEBUG", "PUBLISH-PERIOD", 60_000)  # none of them tells it for a while
        old = setup.primary
        old.kill()
        wait_until(lambda: setup.primary is not old, "another primary")
        old.restart()
        assert old.ask("ROLE")[0] in (b"master", "master")

        assert live(store, record.id) == record
        assert old.ask("ROLE")[0] in (b"master", "master")
        store.close()
