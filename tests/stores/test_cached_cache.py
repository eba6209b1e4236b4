"""Cache: what is served, what is not, and what is kept. Driven by hand, with clocks that stand still until told."""

from __future__ import annotations

import gc
import math
import tracemalloc
from collections.abc import Callable, Mapping

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule
from msgspec.structs import replace

from sojourn import ConfigurationError, StoreUnavailable
from sojourn.core.codec import EncodedObject, join
from sojourn.core.errors import SessionExists, SessionLimitReached
from sojourn.core.record import Client, Dated, Record, Secrets
from sojourn.core.store import Applied, Create, Ends, Refused
from sojourn.stores.cached.cache import Cache
from sojourn.stores.redis.blob import decode_record, encode_record
from sojourn.testing import NOW, make_record

MIB = 1024 * 1024


class Clocks:
    """A wall clock and a monotonic one."""

    def __init__(self) -> None:
        self.now = NOW
        self.monotonic = 1000.0


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
def cache(clocks: Clocks) -> Cache:
    """Of a store that tells of writes, and just did."""
    cache = make_cache(clocks)
    cache.lost()
    cache.sound(clocks.monotonic)
    return cache


def make_cache(clocks: Clocks, max_bytes: int = MIB) -> Cache:
    return Cache(max_bytes, 1.0, lambda: clocks.now, lambda: clocks.monotonic)


def fill(cache: Cache, record: Record) -> Record:
    """A miss, and the store's answer."""
    cache.finish_fill(cache.start_fill(record.id), record)
    return record


# What is served


def test_what_was_read_is_served(cache: Cache) -> None:
    record = fill(cache, make_record("ada", data={"n": b"1"}))

    assert cache.get(record.id) is record
    assert cache.get("0" * 32) is None


def test_nothing_is_served_before_the_channel_is_there(clocks: Clocks) -> None:
    cache = make_cache(clocks)
    record = fill(cache, make_record())

    assert cache.get(record.id) is None


def test_nothing_is_served_when_the_channel_was_silent_for_too_long(cache: Cache, clocks: Clocks) -> None:
    """To the millisecond; and all of it again after the next beat."""
    record = fill(cache, make_record())
    clocks.monotonic += 1.0
    assert cache.get(record.id) is record
    clocks.monotonic += 0.001
    assert cache.get(record.id) is None
    cache.sound(clocks.monotonic - 0.5)

    assert cache.get(record.id) is record


def test_what_has_run_out_by_the_clock_is_asked_of_the_store(cache: Cache, clocks: Clocks) -> None:
    """Another node may have seen it since; idle or absolute."""
    idle = fill(cache, make_record())
    brief = fill(cache, make_record(absolute_expires_at=NOW + 1000))
    clocks.now = NOW + 1000

    assert cache.get(brief.id) is None
    assert cache.get(idle.id) is idle
    clocks.now = idle.expires_at
    assert cache.get(idle.id) is None


@pytest.mark.parametrize(
    "record",
    [
        make_record(ended_at=NOW, end_reason="logout"),
        make_record(ended_at=NOW + 1000, end_reason="logout"),
        make_record(seen_at=NOW - 3_600_000),
        None,
    ],
    ids=["ended", "ended by a clock ahead of ours", "run out", "none"],
)
def test_what_is_not_live_is_not_kept(cache: Cache, record: Record | None) -> None:
    cache.finish_fill(cache.start_fill("0" * 32 if record is None else record.id), record)

    assert len(cache) == cache.bytes == 0


def test_the_stores_answer_takes_the_place_of_what_was_kept(cache: Cache, clocks: Clocks) -> None:
    record = fill(cache, make_record())
    seen = fill(cache, replace(record, seen_at=NOW + 60_000))
    assert cache.get(record.id) is seen
    cache.finish_fill(cache.start_fill(record.id), None)

    assert cache.get(record.id) is None
    assert len(cache) == cache.bytes == 0


# What is told


def test_what_was_written_is_dropped(cache: Cache) -> None:
    record, other = fill(cache, make_record()), fill(cache, make_record())
    cache.changed([record.id, "f" * 32])

    assert cache.get(record.id) is None
    assert cache.get(other.id) is other


def test_everything_is_dropped_where_something_may_have_been_missed(cache: Cache, clocks: Clocks) -> None:
    record = fill(cache, make_record())
    cache.lost()
    cache.sound(clocks.monotonic)

    assert cache.get(record.id) is None
    assert len(cache) == cache.bytes == 0


def test_after_a_loss_nothing_is_served_until_the_next_beat(cache: Cache, clocks: Clocks) -> None:
    cache.lost()
    record = fill(cache, make_record())
    assert cache.get(record.id) is None
    cache.sound(clocks.monotonic)

    assert cache.get(record.id) is record


# Reads under way


@pytest.mark.parametrize(
    "write", [lambda cache, id: cache.changed([id]), lambda cache, id: cache.lost()], ids=["changed", "lost"]
)
def test_what_was_read_before_a_write_is_not_kept(
    cache: Cache, clocks: Clocks, write: Callable[[Cache, str], None]
) -> None:
    """The window in which a session comes back: asked, ended, then the old answer arrives."""
    record = make_record()
    under_way = cache.start_fill(record.id)
    write(cache, record.id)
    cache.finish_fill(under_way, record)
    cache.sound(clocks.monotonic)

    assert cache.get(record.id) is None


def test_a_read_that_began_after_the_write_is_kept_whichever_answer_comes_last(cache: Cache) -> None:
    before = make_record()
    after = replace(before, version=2)
    early = cache.start_fill(before.id)
    cache.changed([before.id])
    late = cache.start_fill(before.id)
    cache.finish_fill(late, after)
    cache.finish_fill(early, before)

    assert cache.get(before.id) is after


def test_of_reads_under_way_together_each_hears_of_the_write(cache: Cache) -> None:
    """The first one's answer ends nobody else's read."""
    record = make_record()
    first, second = cache.start_fill(record.id), cache.start_fill(record.id)
    cache.finish_fill(first, record)
    assert cache.get(record.id) is record
    cache.changed([record.id])
    cache.finish_fill(second, record)

    assert cache.get(record.id) is None


def test_a_read_that_failed_leaves_nothing_behind(cache: Cache) -> None:
    record = make_record()
    cache.finish_fill(cache.start_fill(record.id), None)
    fill(cache, record)

    assert cache.get(record.id) is record


# Own writes


def test_a_new_session_drops_those_that_it_ended(cache: Cache) -> None:
    replaced, oldest, other = (fill(cache, make_record("ada")) for _ in range(3))
    create = Create(record=make_record("ada"), now=NOW, began_at=NOW, ends=Ends(replaced.id, "replaced", 1))
    cache.created(create, Applied(1, (oldest.id,)))

    assert [cache.get(record.id) for record in (replaced, oldest, other)] == [None, None, other]


def test_a_new_session_that_was_refused_drops_the_one_that_was_not_as_it_thought(cache: Cache) -> None:
    replaced = fill(cache, make_record("ada"))
    cache.created(
        Create(record=make_record("ada"), now=NOW, began_at=NOW, ends=Ends(replaced.id, "replaced", 1)), Refused(None)
    )

    assert cache.get(replaced.id) is None


@pytest.mark.parametrize(
    ("error", "kept"),
    [
        (StoreUnavailable("cut off"), False),
        (TimeoutError(), False),
        (SessionLimitReached(1), True),
        (SessionExists(), True),
    ],
    ids=repr,
)
def test_a_write_that_may_have_been_made_drops_everything_it_could_have_changed(
    cache: Cache, error: Exception, kept: bool
) -> None:
    """But one that was refused by name drops nothing: a user at the limit must not empty the cache."""
    record = fill(cache, make_record("ada"))
    under_way = cache.start_fill("0" * 32)
    cache.failed(error)
    cache.finish_fill(under_way, make_record(id="0" * 32))

    assert (cache.get(record.id) is record) is kept
    assert (cache.get("0" * 32) is not None) is kept


def test_a_clean_up_ahead_of_our_clock_drops_everything(cache: Cache, clocks: Clocks) -> None:
    record = fill(cache, make_record())
    cache.deleted(clocks.now)
    assert cache.get(record.id) is record
    cache.deleted(record.expires_at + 1)

    assert cache.get(record.id) is None


# Room


def test_what_was_used_least_lately_goes_first(clocks: Clocks) -> None:
    cache = make_cache(clocks, max_bytes=20_000)
    cache.sound(clocks.monotonic)
    records = [fill(cache, make_record()) for _ in range(8)]
    for _ in range(20):
        cache.get(records[0].id)
        fill(cache, make_record())

    assert cache.get(records[0].id) is records[0]
    assert [cache.get(record.id) for record in records[1:]] == [None] * 7
    assert 0 < cache.bytes <= 20_000


def test_the_bytes_are_counted_down_to_nothing(cache: Cache) -> None:
    records = [fill(cache, make_record(data={"k": b'"' + b"x" * n + b'"'})) for n in range(50)]
    fill(cache, records[0])
    assert cache.bytes > 50 * 1000
    cache.changed([record.id for record in records])

    assert len(cache) == cache.bytes == 0


def test_a_record_that_would_take_an_eighth_of_the_room_is_not_kept(clocks: Clocks) -> None:
    cache = make_cache(clocks, max_bytes=100_000)
    cache.sound(clocks.monotonic)
    small = fill(cache, make_record(data={"k": b'"' + b"x" * 5_000 + b'"'}))
    large = fill(cache, make_record(data={"k": b'"' + b"x" * 6_000 + b'"'}))

    assert cache.get(small.id) is small
    assert cache.get(large.id) is None


def test_data_that_cannot_be_read_is_handed_out_and_not_kept(cache: Cache) -> None:
    record = fill(cache, make_record(data=EncodedObject("not JSON")))

    assert cache.get(record.id) is None


def test_data_is_taken_apart_once_before_requests_share_it(cache: Cache) -> None:
    data = EncodedObject('{"a":1}')
    fill(cache, make_record(data=data))

    assert not data.untouched


def from_json(record: Record) -> Record:
    """As it comes out of a store that keeps JSON."""
    raw, data = msgspec.json.encode(replace(record, data={})), join(record.data)
    return replace(msgspec.json.decode(raw, type=Record), data=EncodedObject(data.encode().decode()))


def from_redis(record: Record) -> Record:
    return decode_record(record.id.encode().decode(), bytes(bytearray(encode_record(record))))


def in_parts(record: Record) -> Record:
    """With data that is taken apart already."""
    data = {key.encode().decode(): bytes(bytearray(value)) for key, value in record.data.items()}
    return replace(from_json(record), data=data)


@pytest.mark.parametrize("read", [from_json, from_redis, in_parts])
@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"data": {f"key{n}": b"[%d]" % n for n in range(10)}},
        {"data": {"text": b'"' + b"x" * 2000 + b'"', "n": b"1"}},
        {"client": Client("192.0.2.1", "Mozilla/5.0 " * 20), "user_id": "ada" * 20},
        {
            "secrets": Secrets(
                b"f" * 16, b"c" * 16, 1, (Dated(b"n" * 16, 1),) * 2, (Dated(b"l" * 16, 1),), (Dated(b"r" * 16, 2),) * 4
            )
        },
    ],
    ids=["bare", "ten keys", "a text", "long names", "many secrets"],
)
def test_no_record_takes_more_memory_than_is_counted(
    clocks: Clocks, parts: Mapping[str, object], read: Callable[[Record], Record]
) -> None:
    """Nor much less: 40 % of it, where data has no second copy."""
    records = [replace(make_record(), **parts) for _ in range(500)]
    cache = make_cache(clocks, max_bytes=100 * MIB)
    for warm in records[:5]:
        read(warm)
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for record in records:
            fill(cache, read(record))
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()

    assert len(cache) == 500
    assert 0.4 * cache.bytes < taken <= cache.bytes


@pytest.mark.parametrize(("max_bytes", "max_staleness"), [(0, 1.0), (-1, 1.0), (1, 0.0), (1, -1.0), (1, math.inf)])
def test_a_cache_without_room_or_without_time_is_refused(max_bytes: int, max_staleness: float) -> None:
    with pytest.raises(ConfigurationError, match="must be over 0"):
        Cache(max_bytes, max_staleness)


# Any order of events


class Interleavings(RuleBasedStateMachine):
    """A store, others who write to it, a channel that is late, silent or cut, requests at every stage, and time.

    What is served was never overtaken by a write that is older than max_staleness, nor by any of our own.
    """

    fills = Bundle("fills")
    ids = st.sampled_from(["a" * 32, "b" * 32])

    def __init__(self) -> None:
        super().__init__()
        self.clocks = Clocks()
        self.cache = make_cache(self.clocks, max_bytes=20_000)
        self.now: dict[str, Record] = {}
        # When each version was overtaken, and the oldest that our own writes leave.
        self.overtaken: dict[tuple[str, int], float] = {}
        self.ours: dict[str, int] = {}
        self.channel: list[str | float] | None = None
        for id in ("a" * 32, "b" * 32):
            self.now[id] = make_record(id=id)

    def change(self, id: str, *, end: bool = False) -> None:
        record = self.now[id]
        self.overtaken[id, record.version] = self.clocks.monotonic
        ended = {"ended_at": NOW, "end_reason": "revoked"} if end else {"ended_at": None, "end_reason": None}
        self.now[id] = replace(record, version=record.version + 1, **ended)
        if self.channel is not None:
            self.channel.append(id)

    @rule(seconds=st.sampled_from([0.001, 0.1, 0.4, 0.9, 2.0]))
    def time_passes(self, seconds: float) -> None:
        self.clocks.monotonic += seconds

    @rule(id=ids, end=st.booleans())
    def another_process_writes(self, id: str, end: bool) -> None:
        self.change(id, end=end)

    @rule(id=ids, end=st.booleans(), told=st.booleans())
    def we_write(self, id: str, end: bool, told: bool) -> None:
        """The answer may overtake the channel, or come after it."""
        self.change(id, end=end)
        if told:
            self.what_was_said_arrives(10)
        self.cache.changed([id])
        self.ours[id] = self.now[id].version

    @precondition(lambda self: self.channel is None)
    @rule()
    def the_channel_is_made(self) -> None:
        self.channel = []
        self.cache.lost()
        self.cache.sound(self.clocks.monotonic)

    @precondition(lambda self: self.channel is not None)
    @rule(noticed=st.booleans())
    def the_channel_is_cut(self, noticed: bool) -> None:
        self.channel = None
        if noticed:
            self.cache.lost()

    @precondition(lambda self: self.channel is not None)
    @rule()
    def the_channel_beats(self) -> None:
        assert self.channel is not None
        self.channel.append(self.clocks.monotonic)

    @precondition(lambda self: self.channel)
    @rule(count=st.integers(1, 5))
    def what_was_said_arrives(self, count: int) -> None:
        for said in (self.channel or [])[:count]:
            if isinstance(said, str):
                self.cache.changed([said])
            else:
                self.cache.sound(said)
        del (self.channel or [])[:count]

    @rule(target=fills, id=ids)
    def a_request_asks(self, id: str) -> tuple[object, ...]:
        return (self.cache.start_fill(id), id, None)

    @rule(target=fills, under_way=consumes(fills))
    def the_store_reads(self, under_way: tuple[object, ...]) -> tuple[object, ...]:
        fill, id, _ = under_way
        assert isinstance(id, str)
        return (fill, id, self.now[id])

    @rule(under_way=consumes(fills))
    def the_answer_arrives(self, under_way: tuple[object, ...]) -> None:
        fill, _, record = under_way
        self.cache.finish_fill(fill, record)  # type: ignore[arg-type]

    @rule(id=ids)
    def a_request_is_served(self, id: str) -> None:
        """All of it in one step."""
        fill(self.cache, self.now[id])

    @invariant()
    def what_is_served_is_not_stale(self) -> None:
        for id in self.now:
            record = self.cache.get(id)
            if record is None:
                continue
            assert record.ended_at is None
            assert record.version >= self.ours.get(id, 0), "older than our own write"
            age = self.clocks.monotonic - self.overtaken.get((id, record.version), math.inf)
            assert age <= 1.0, f"overtaken {age} s ago"


TestInterleavings = Interleavings.TestCase
TestInterleavings.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
