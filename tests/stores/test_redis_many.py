"""Redis with many sessions, many threads, and answers that are lost on the way."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from sojourn import AsyncSessionManager, SessionExists, SessionManager, StoreUnavailable
from sojourn.asgi import SessionMiddleware
from sojourn.core.store import Applied, Bar, Create, Ends, Limit, Mark, Store
from sojourn.core.token import hash_user
from sojourn.stores.redis import AsyncRedisStore, RedisStore, scan, scripts
from sojourn.stores.redis.batch import MAX_CONNECTIONS
from sojourn.testing import blocking
from sojourn.testing.records import HOUR, NOW, ids, live, make_record, put, raises
from sojourn.wsgi import SessionMiddleware as WSGISessionMiddleware
from tests.servers.proxy import Proxy
from tests.servers.redis import RedisServer, find_redis, start_redis

both = pytest.mark.parametrize("kind", ["", "async"])


def calls(server: RedisServer, command: str) -> int:
    """How often it was asked that since it was last counted."""
    line = server.info("commandstats").get(f"cmdstat_{command}", "calls=0")
    server.ask("CONFIG", "RESETSTAT")
    return int(line.partition("calls=")[2].partition(",")[0])


def test_pages_of_every_session_cost_one_look_at_the_keys(redis_server: RedisServer) -> None:
    """And not one a page, which made a list take the square of what there is."""
    redis_server.clear()
    with closing(RedisStore(redis_server.url)) as store:
        ids = sorted(put(store, f"user{number % 50}").id for number in range(2500))
        calls(redis_server, "scan")
        seen: list[str] = []
        while page := store.scan(seen[-1] if seen else "", 100):
            seen += [record.id for record in page]

        assert seen == ids
        # One look is three or four; at the end another sees that nothing came behind.
        assert calls(redis_server, "scan") <= 10


def test_two_who_read_all_at_once_look_no_more_often_than_one_after_the_other(redis_server: RedisServer) -> None:
    redis_server.clear()
    with closing(RedisStore(redis_server.url)) as store:
        ids = sorted(put(store, f"user{number % 50}").id for number in range(300))
        calls(redis_server, "scan")
        alone: list[str] = []
        while read_on(store, alone, 20):
            pass
        cost = calls(redis_server, "scan")
        seen: dict[int, list[str]] = {20: [], 30: []}
        reading = [*seen]
        while reading:
            reading = [limit for limit in reading if read_on(store, seen[limit], limit)]

        assert [alone, *seen.values()] == [ids, ids, ids]
        assert calls(redis_server, "scan") == 2 * cost


def read_on(store: RedisStore, seen: list[str], limit: int) -> bool:
    page = store.scan(seen[-1] if seen else "", limit)
    seen += [record.id for record in page]
    return bool(page)


def test_no_session_is_left_out_where_one_look_is_not_enough(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "AHEAD", 70)
    redis_server.clear()
    with closing(RedisStore(redis_server.url)) as store:
        ids = sorted(put(store).id for _ in range(500))
        seen: list[str] = []
        while page := store.scan(seen[-1] if seen else "", 30):
            seen += [record.id for record in page]

    assert seen == ids


def in_pages(read: Callable[[str, int], Sequence[Bar | Mark]], limit: int) -> list[Bar | Mark]:
    found: list[Bar | Mark] = []
    while page := read(found[-1].id if found else "", limit):
        found += page
    return found


@both
@pytest.mark.parametrize("ahead", [100_000, 300])
def test_pages_of_marks_and_instants_cost_one_look_at_the_keys_and_keep_few_names(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch, kind: str, ahead: int
) -> None:
    """Whoever copies all to another store asks for all of them."""
    monkeypatch.setattr(scan, "AHEAD", ahead)
    redis_server.clear()
    store: Store = blocking(AsyncRedisStore(redis_server.url)) if kind else RedisStore(redis_server.url)
    with closing(store):
        marks = [Mark(f"{n:032x}", "b" * 32, NOW + 10_000 * HOUR) for n in range(700)]
        realms = ("", "shop")
        bars = [Bar(realms[n % 2], hash_user(f"user{n}"), NOW + n) for n in range(700)] + [Bar("shop", "", NOW)]
        for mark in marks:
            store.put_mark(mark)
        for bar in bars:
            store.put_bar(bar)
        # Somebody else's, which looks like one.
        redis_server.ask("SET", "sj:{000}!Not ours", "1")
        redis_server.ask("SET", "sj:{0}=x", "1")
        calls(redis_server, "scan")

        assert in_pages(store.marks, 20) == marks
        assert in_pages(store.bars, 20) == sorted(bars, key=lambda bar: bar.id)
        # Some 6,000 keys: a look at them is six or seven, and at the end of each another finds nothing more.
        assert calls(redis_server, "scan") <= 2 * 8 * (700 // ahead + 2)


def test_who_begins_anew_sees_what_was_made_meanwhile(redis_server: RedisServer) -> None:
    redis_server.clear()
    with closing(RedisStore(redis_server.url)) as store:
        first = put(store)
        assert [record.id for record in store.scan("", 1)] == [first.id]
        second = put(store)

        assert {record.id for record in store.scan("", 10)} == {first.id, second.id}


def test_traffic_makes_no_clean_up_of_a_store_that_expires_by_itself(redis_server: RedisServer) -> None:
    """It would read every session in every process."""

    async def page(request: object) -> PlainTextResponse:
        return PlainTextResponse("x")

    calls(redis_server, "scan")
    asynchronous = AsyncSessionManager(AsyncRedisStore(redis_server.url))
    middleware = Middleware(SessionMiddleware, manager=asynchronous, cleanup_interval=0.001)
    with TestClient(Starlette(routes=[Route("/", page)], middleware=[middleware])) as client:
        for _ in range(50):
            assert client.get("/").text == "x"

    def app(environ: object, start_response: object) -> list[bytes]:
        start_response("200 OK", [])  # type: ignore[operator]
        return [b"x"]

    manager = SessionManager(RedisStore(redis_server.url))
    wsgi = WSGISessionMiddleware(app, manager=manager, cleanup_interval=0.001)
    for _ in range(50):
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "wsgi.url_scheme": "http", "HTTP_HOST": "x"}
        list(wsgi(environ, lambda *_: None))  # type: ignore[arg-type]

    assert calls(redis_server, "scan") == 0


def test_threads_share_a_bounded_number_of_connections_and_wait_for_their_turn(tmp_path: Path) -> None:
    """Also of a server that allows hardly more."""
    with start_redis(tmp_path, find_redis(), "--maxclients", str(MAX_CONNECTIONS + 4)) as server:
        store = RedisStore(server.url)
        record = put(store)
        begin = threading.Barrier(100)

        def read(_: int) -> bool:
            begin.wait()
            return all(store.get(record.id) == record for _ in range(20))

        with ThreadPoolExecutor(100) as threads:
            assert all(threads.map(read, range(100)))
        assert int(server.info("clients")["connected_clients"]) <= MAX_CONNECTIONS + 1
        store.close()


@contextmanager
def losing_one_answer(server: RedisServer, to: str) -> Iterator[int]:
    """A port in front of `server`, which hangs up once where it has answered what has `to` in it."""
    lost = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve(client: socket.socket) -> None:
            with client, socket.create_connection(("127.0.0.1", server.port)) as behind:
                while asked := client.recv(65536):
                    behind.sendall(asked)
                    answer = behind.recv(65536)
                    if to.encode() in asked and b"NOSCRIPT" not in answer and not lost.is_set():
                        lost.set()
                        return
                    client.sendall(answer)

        def accept() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=serve, args=(client,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    assert lost.is_set()


@contextmanager
def losing(server: RedisServer, to: str, kind: str) -> Iterator[tuple[Store, Store]]:
    """A store that is not told once what the script `to` did, and one that is told everything."""
    with losing_one_answer(server, to) as port:
        url = server.url.replace(str(server.port), str(port))
        store: Store = blocking(AsyncRedisStore(url)) if kind else RedisStore(url)
        with closing(store), closing(RedisStore(server.url)) as other:
            server.clear()
            # So that names are known, and the answer that is lost is that of the write.
            warm, old = put(other), put(other, "eve")
            limit, ends = Limit(1, end_oldest=True), Ends(warm.id, "replaced", None)
            create = Create(record=make_record("eve"), now=NOW, began_at=NOW, ends=ends, limit=limit)
            assert other.create(create) == Applied(1, (old.id,))
            other.end_all("eve", "revoked", NOW)
            yield store, other


@both
@pytest.mark.parametrize("step", ["CREATE", "REPLACE", "CAP"])
def test_a_log_in_whose_step_was_made_and_not_answered_is_completed(
    redis_server: RedisServer, kind: str, step: str
) -> None:
    """The anonymous session lies in another slot: it ended, and the new one, which has its data, must not go too."""
    cart = {"cart": b'["tea"]'}
    with losing(redis_server, getattr(scripts, step).sha, kind) as (store, other):
        before, after, oldest = put(other, data=cart), make_record("ada", data=cart), put(other, "ada")
        ends, limit = Ends(before.id, "replaced", None), Limit(1, end_oldest=True)
        answer = store.create(Create(record=after, now=NOW, began_at=NOW, ends=ends, limit=limit))

        assert isinstance(answer, Applied)
        assert live(other, before.id).end_reason == "replaced"
        assert live(other, after.id).data == cart
        assert live(other, oldest.id).end_reason == "limit"
        assert ids(other, "ada") == [after.id]


@both
@pytest.mark.parametrize("limit", [None, Limit(2, end_oldest=True), Limit(2, end_oldest=False)])
def test_a_new_id_whose_answer_was_lost_is_acknowledged_once_it_is_found(
    redis_server: RedisServer, kind: str, limit: Limit | None
) -> None:
    """Its session before lies in the same slot, and has ended in the same step."""
    with losing(redis_server, scripts.CREATE.sha, kind) as (store, other):
        before, after, third = put(other, "ada"), make_record("ada"), put(other, "ada")
        ends = Ends(before.id, "replaced", None)
        create = Create(record=after, now=NOW, began_at=NOW, ends=ends, limit=limit)

        assert store.create(create) == Applied(1)
        assert live(other, before.id).end_reason == "replaced"
        assert sorted(ids(other, "ada")) == sorted([after.id, third.id])
        raises(SessionExists, lambda: store.create(replace(create, ends=None, limit=None)))


@both
def test_an_id_that_is_somebody_elses_is_never_taken_for_one_that_was_made(
    redis_server: RedisServer, kind: str
) -> None:
    """Also where the answer that said so was lost."""
    with losing(redis_server, scripts.CREATE.sha, kind) as (store, other):
        there = put(other, "ada")
        create = Create(record=make_record("ada", id=there.id), now=NOW, began_at=NOW)

        raises(SessionExists, lambda: store.create(create))
        assert live(other, there.id) == there


@both
def test_a_revoke_all_whose_answer_was_lost_is_completed(redis_server: RedisServer, kind: str) -> None:
    with losing(redis_server, scripts.END_ALL.sha, kind) as (store, other):
        mine = [put(other, "ada") for _ in range(3)]
        store.end_all("ada", "revoked", NOW + 1, mine[0].id)

        assert ids(other, "ada") == [mine[0].id]


@both
def test_a_create_that_nobody_answers_is_given_up_in_time_and_said_to_be_in_doubt(
    redis_server: RedisServer, kind: str
) -> None:
    with Proxy(redis_server.port) as proxy:
        url = f"redis://127.0.0.1:{proxy.port}"
        store: Store = blocking(AsyncRedisStore(url, timeout=0.5)) if kind else RedisStore(url, timeout=0.5)
        with closing(store):
            put(store)
            proxy.pause()
            with pytest.raises(StoreUnavailable, match="may be made, or not"):
                put(store)
