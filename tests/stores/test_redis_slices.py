"""All sessions of one user on Redis: in slices, of which none is long, and which lose and spare nothing."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from sojourn import SessionEnded, SessionLimitReached, StoreUnavailable
from sojourn.core.record import Record
from sojourn.core.store import Applied, Create, End, Ends, Limit
from sojourn.stores.redis import RedisStore, operations, user_sessions
from sojourn.stores.redis.blob import encode_record
from sojourn.stores.redis.calls import Call, Steps, pack
from sojourn.stores.redis.key_names import index_key, member, session_key
from sojourn.stores.redis.retry import NotMade
from sojourn.stores.redis.user_sessions import SLICE
from sojourn.testing import StoreContract
from sojourn.testing.records import HOUR, MINUTE, NOW, ids, live, make_record, put
from tests.servers.redis import RedisServer
from tests.store_kinds import open_kind

KEEP = 24 * HOUR
MANY = 20_000


@pytest.fixture
def store(redis_server: RedisServer) -> Iterator[RedisStore]:
    redis_server.clear()
    with closing(RedisStore(redis_server.url)) as opened:
        yield opened


def put_many(store: RedisStore, number: int, **fields: object) -> list[Record]:
    """So many sessions of ada's, without a log-in for each."""
    records = [make_record("ada", **fields) for _ in range(number)]
    for begin in range(0, number, 1000):
        some, index = records[begin : begin + 1000], index_key("", "ada")
        names = [word for one in some for word in (one.created_at, member(one.id))]
        calls = [Call(index, pack("ZADD", index, *names), repeatable=True)]
        for one in some:
            key = session_key(one.id)
            calls.append(Call(key, pack("SET", key, encode_record(one), "PX", KEEP), repeatable=True))
        store._perform(calls)
    return records


def carry_out(store: RedisStore, steps: Steps[Any], between: Callable[[], object]) -> Any:
    """What the steps return; after each of them `between` is called."""
    try:
        calls = next(steps)
        while True:
            answers = store._perform(calls)
            between()
            calls = steps.send(answers)
    except StopIteration as stop:
        return stop.value


@contextmanager
def watched(server: RedisServer) -> Iterator[list[int]]:
    """Of how many sessions each script read or wrote that the server ran meanwhile."""
    told: list[int] = []
    with socket.create_connection(("127.0.0.1", server.port), 30) as connection, connection.makefile("rb") as lines:
        connection.sendall(b"MONITOR\r\n")
        lines.readline()
        yield told
        server.ask("ECHO", "that is all")
        seen: set[bytes] = set()
        for line in lines:
            if b" lua] " in line:
                seen.update(re.findall(rb'^\+\S+ \[\d+ lua\] "[A-Z]+" "(sj:\{...\}[\w-]{20})"', line))
                continue
            told.append(len(seen))
            seen.clear()
            if b'"that is all"' in line:
                break


# No script goes through very many


def test_revoke_all_of_very_many_sessions_is_made_in_slices(store: RedisStore, redis_server: RedisServer) -> None:
    """What only ran out is over and is not counted; what is gone leaves the index."""
    mine = put_many(store, MANY)
    over = put_many(store, 1000, idle_timeout=1)
    gone = put_many(store, 1000)
    for begin in range(0, len(gone), 500):
        redis_server.ask("DEL", *[session_key(one.id) for one in gone[begin : begin + 500]])
    kept = mine[MANY // 2]
    with watched(redis_server) as scripts:
        ended = store.end_all("ada", "revoked", NOW + 5, kept.id)

    assert sorted(ended) == sorted(one.id for one in mine if one is not kept)
    assert SLICE <= max(scripts) <= SLICE + 1
    assert ids(store, "ada") == [kept.id]
    assert live(store, kept.id) == kept
    assert {live(store, one.id).end_reason for one in mine[:50]} == {"revoked"}
    assert {live(store, one.id).end_reason for one in over[:50]} == {"idle_timeout"}
    assert redis_server.ask("ZCARD", index_key("", "ada")) == 1
    late = Create(record=make_record("ada"), now=NOW + 9, began_at=NOW + 4)
    with pytest.raises(SessionEnded):
        store.create(late)


def test_a_list_of_very_many_is_read_in_slices_without_the_dead(store: RedisStore, redis_server: RedisServer) -> None:
    put_many(store, 2000, idle_timeout=1)
    mine = sorted(one.id for one in put_many(store, 600))
    first = store.list("ada", NOW + 1, limit=500)
    rest = store.list("ada", NOW + 1, after=first[-1].id, limit=500)

    assert [one.id for one in [*first, *rest]] == mine
    assert redis_server.ask("ZCARD", index_key("", "ada")) == 2600


def test_one_that_a_log_in_found_run_out_is_over_on_every_machine(store: RedisStore) -> None:
    """It has left the index, and must not be live where a clock is behind: nobody would find it to revoke it."""
    record = put(store, "ada", data={"a": b"1"})
    later = make_record("ada", created_at=NOW + HOUR, seen_at=NOW + HOUR)
    store.create(Create(record=later, now=NOW + HOUR, began_at=NOW + HOUR, limit=Limit(1, end_oldest=True)))

    after = live(store, record.id)
    assert (after.end_reason, after.ended_at, after.data) == ("idle_timeout", NOW + 30 * MINUTE, {})


def test_a_server_that_takes_no_writes_lists_all_the_same(store: RedisStore, redis_server: RedisServer) -> None:
    put(store, "ada", idle_timeout=1)
    mine = put(store, "ada")
    redis_server.ask("CONFIG", "SET", "min-replicas-to-write", 1)
    try:
        assert ids(store, "ada") == [mine.id]
    finally:
        redis_server.ask("CONFIG", "SET", "min-replicas-to-write", 0)


def newcomer(limit: Limit | None, **fields: Any) -> Create:
    record = make_record("ada", created_at=NOW + MINUTE, seen_at=NOW + MINUTE)
    return Create(record=record, now=NOW + MINUTE, began_at=NOW + MINUTE, limit=limit, **fields)


@pytest.mark.parametrize("before", ["", "the same user's", "of another slot"])
def test_a_cap_over_very_many_is_kept_in_slices(store: RedisStore, redis_server: RedisServer, before: str) -> None:
    """The dead do not count, and the youngest stay; the one that is replaced is none of them."""
    put_many(store, 3000, idle_timeout=1)
    old = put_many(store, 2000)
    young = [one.id for one in put_many(store, 9, created_at=NOW + 1)]
    ends = None
    if before:
        replaced = old[77] if before == "the same user's" else put(store)
        ends = Ends(replaced.id, "replaced", None)
    more = newcomer(Limit(10, end_oldest=True), ends=ends)
    with watched(redis_server) as scripts:
        answer = store.create(more)

    assert isinstance(answer, Applied)
    assert sorted(answer.ended) == sorted(one.id for one in old if ends is None or one.id != ends.id)
    assert sorted(ids(store, "ada", NOW + MINUTE)) == sorted([*young, more.record.id])
    assert SLICE <= max(scripts) <= SLICE + 3


def test_a_cap_that_very_many_reach_ends_the_oldest_alone(store: RedisStore, redis_server: RedisServer) -> None:
    oldest = put(store, "ada", created_at=NOW - 1)
    put_many(store, 300, idle_timeout=1)
    put_many(store, 399)
    with watched(redis_server) as scripts:
        answer = store.create(newcomer(Limit(400, end_oldest=True)))

    assert answer == Applied(1, (oldest.id,))
    assert redis_server.ask("ZCARD", index_key("", "ada")) == 400
    assert SLICE <= max(scripts) <= SLICE + 3


def test_a_cap_that_refuses_counts_very_many_in_slices(store: RedisStore, redis_server: RedisServer) -> None:
    put_many(store, 3000, idle_timeout=1)
    mine = put_many(store, 1000)
    with watched(redis_server) as scripts:
        with pytest.raises(SessionLimitReached):
            store.create(newcomer(Limit(1000, end_oldest=False)))
        with pytest.raises(SessionLimitReached):
            store.create(newcomer(Limit(10, end_oldest=False)))
        again = newcomer(Limit(1000, end_oldest=False), ends=Ends(mine[0].id, "replaced", None))
        assert store.create(again) == Applied(1)
        assert store.create(newcomer(Limit(1001, end_oldest=False))) == Applied(1)

    assert len(store.list("ada", NOW + MINUTE, limit=2000)) == 1001
    assert SLICE <= max(scripts) <= SLICE + 3


def test_without_a_cap_dead_sessions_do_not_pile_up(store: RedisStore, redis_server: RedisServer) -> None:
    """Each log-in has more of a long index looked at than it adds."""
    put_many(store, 4 * SLICE, idle_timeout=1)
    before = redis_server.ask("ZCARD", index_key("", "ada"))
    with watched(redis_server) as scripts:
        made = [newcomer(None) for _ in range(SLICE)]
        for create in made:
            store.create(create)

    assert redis_server.ask("ZCARD", index_key("", "ada")) < before
    assert 1 <= max(scripts) <= 4
    assert {create.record.id for create in made} == set(ids_of(store))


def ids_of(store: RedisStore) -> Sequence[str]:
    return [one.id for one in store.list("ada", NOW + MINUTE, limit=2 * SLICE)]


# What happens between two slices


@pytest.fixture
def sliced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_sessions, "SLICE", 2)


def renewed(old: Record, at: int) -> Create:
    """A new id for a session, asked for by what began at `at`."""
    ends = Ends(old.id, "replaced", None)
    return Create(record=make_record("ada", created_at=at, seen_at=at), now=at, began_at=at, ends=ends)


@pytest.mark.usefixtures("sliced")
def test_no_session_gets_away_between_two_slices(store: RedisStore) -> None:
    """Not by a new id, not by a log-in that began before, however often it is tried."""
    mine = [put(store, "ada", created_at=NOW + number) for number in range(9)]
    tried: list[str] = []

    def get_away() -> None:
        found = [one for one in mine if live(store, one.id).ended_at is None]
        if found:
            create = renewed(found[-1], NOW + 20)
            assert store.create(create) == Applied(1)
            tried.append(create.record.id)
        with pytest.raises(SessionEnded):
            store.create(Create(record=make_record("ada"), now=NOW + 20, began_at=NOW + 9))

    ended = carry_out(store, user_sessions.end_all("ada", "revoked", NOW + 10, None, "", KEEP), get_away)

    assert len(tried) >= 3
    assert len(ended) == len(mine)
    assert ids(store, "ada", NOW + 30) == []
    assert {live(store, id).end_reason for id in tried} == {"revoked"}


@pytest.mark.usefixtures("sliced")
def test_what_takes_the_place_of_the_kept_one_between_two_slices_is_kept(store: RedisStore) -> None:
    mine = [put(store, "ada", created_at=NOW + number) for number in range(9)]
    kept = [mine[4]]

    def renew() -> None:
        create = renewed(kept[-1], NOW + 20)
        assert store.create(create) == Applied(1)
        kept.append(create.record)

    ended = carry_out(store, user_sessions.end_all("ada", "revoked", NOW + 10, mine[4].id, "", KEEP), renew)

    assert sorted(ended) == sorted(one.id for one in mine if one is not mine[4])
    assert ids(store, "ada", NOW + 30) == [kept[-1].id]
    assert len(kept) > 3


@pytest.mark.usefixtures("sliced")
def test_what_took_the_place_of_the_kept_one_before_is_not_kept(store: RedisStore) -> None:
    """It may be a thief's: whoever names an old id knows nothing of it."""
    mine = [put(store, "ada") for _ in range(5)]
    create = renewed(mine[2], NOW + 1)
    store.create(create)
    ended = store.end_all("ada", "revoked", NOW + 10, mine[2].id)

    assert sorted(ended) == sorted([*[one.id for one in mine if one is not mine[2]], create.record.id])
    assert ids(store, "ada", NOW + 20) == []


@pytest.mark.usefixtures("sliced")
def test_a_kept_one_that_logs_out_between_two_slices_spares_nobody(store: RedisStore) -> None:
    mine = [put(store, "ada") for _ in range(6)]
    log_out = End(mine[0].id, "logout", NOW + 11)
    carry_out(
        store, user_sessions.end_all("ada", "revoked", NOW + 10, mine[0].id, "", KEEP), lambda: store.end(log_out)
    )

    assert ids(store, "ada", NOW + 20) == []
    assert live(store, mine[0].id).end_reason == "logout"


@pytest.mark.usefixtures("sliced")
def test_a_revoke_all_that_is_broken_off_says_so_and_the_next_call_ends_the_rest(store: RedisStore) -> None:
    """Whatever was ended stays so, and no log-in that began before gets in meanwhile."""
    mine = [put(store, "ada") for _ in range(7)]
    steps = user_sessions.end_all("ada", "revoked", NOW + 10, None, "", KEEP)
    answers = store._perform(next(steps))
    following = steps.send(answers)
    with pytest.raises(
        StoreUnavailable, match="ended 2 sessions of the user, and not yet all: call it again"
    ) as raised:
        steps.throw(NotMade("Redis is away; nothing was written."))

    assert not isinstance(raised.value, NotMade)
    assert len(ids(store, "ada", NOW + 20)) == 5
    with pytest.raises(SessionEnded):
        store.create(Create(record=make_record("ada"), now=NOW + 20, began_at=NOW + 9))
    assert len(following) == 1
    assert len(store.end_all("ada", "revoked", NOW + 10)) == 5
    assert {live(store, one.id).end_reason for one in mine} == {"revoked"}


@pytest.mark.usefixtures("sliced")
def test_a_cap_is_not_exceeded_between_two_slices(store: RedisStore) -> None:
    """However many others log in meanwhile, and whoever of those that were looked at logs out."""
    put_many(store, 5, idle_timeout=1)
    mine = [put(store, "ada", created_at=NOW + number) for number in range(5)]
    limit, others = Limit(5, end_oldest=True), 0

    def log_in() -> None:
        nonlocal others
        assert len(ids(store, "ada", NOW + 20)) == 5
        other = Create(record=make_record("ada", created_at=NOW + 10), now=NOW + 20, began_at=NOW + 10, limit=limit)
        answer = store.create(other)
        assert isinstance(answer, Applied)
        assert len(answer.ended) == 1
        store.end(End(mine[-1].id, "logout", NOW + 20))
        if len(ids(store, "ada", NOW + 20)) == 4:
            put(store, "ada", created_at=NOW + 10)
        others += 1

    create = Create(record=make_record("ada", created_at=NOW + 15), now=NOW + 20, began_at=NOW + 15, limit=limit)
    answer = carry_out(store, operations.create(create, KEEP), log_in)

    assert others > 4
    assert len(answer.ended) == 1
    assert len(ids(store, "ada", NOW + 20)) == 5


@pytest.mark.usefixtures("sliced")
def test_a_log_in_stands_whose_cap_could_not_be_kept_and_the_next_one_keeps_it(
    store: RedisStore, caplog: pytest.LogCaptureFixture
) -> None:
    """The session before has ended by then: with an error its data would be in neither."""
    mine = [put(store, "ada") for _ in range(5)]
    record = make_record("ada", created_at=NOW + 1)
    store.create(Create(record=record, now=NOW + 1, began_at=NOW + 1))
    steps = user_sessions.cap(record, 1, NOW + 1, KEEP)
    next(steps)
    with pytest.raises(StopIteration) as stop:
        steps.throw(StoreUnavailable("Redis is away."))

    assert stop.value.value == []
    assert "until the next log-in: Redis is away" in caplog.text
    more = newcomer(Limit(1, end_oldest=True))
    answer = store.create(more)
    assert isinstance(answer, Applied)
    assert sorted(answer.ended) == sorted([*[one.id for one in mine], record.id])


class TestStoreInSlices(StoreContract):
    """The whole contract, its races too, where two sessions are many."""

    @pytest.fixture(params=["redis", "async redis", "valkey cluster"], autouse=True)
    def _open(self, request: pytest.FixtureRequest, tmp_path: Path, sliced: None) -> None:
        self.store = open_kind(request.param, request, tmp_path)

    def setup_method(self) -> None:
        """The fixture opens it."""
