"""Both managers, asked the same things: what they carry, what they tell, and what they cost the store."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any, cast

import pytest

from sojourn import (
    AsyncSessionManager,
    Client,
    ConfigurationError,
    Event,
    Policy,
    Session,
    SessionEnded,
    SessionManager,
    SessionRefused,
    StoreUnavailable,
)
from sojourn.core.commit import NO_REPLY, Reply
from sojourn.core.events import Ended, RevokedAll, UnknownToken
from sojourn.core.store import Stats
from sojourn.manager import milliseconds
from sojourn.manager.context import BATCH
from sojourn.stores.memory import AsyncMemoryStore, MemoryStore
from sojourn.testing.records import HOUR, MINUTE, NOW, put
from tests.unit.blocking import Blocking
from tests.unit.clock import Clock
from tests.unit.meanwhile import Meanwhile
from tests.unit.rival import Rival
from tests.unit.site import id_of


class World:
    """A manager of either kind, its store, its clock and its events."""

    def __init__(self, kind: str, policy: Policy | None = None, store: MemoryStore | None = None) -> None:
        self.kind = kind
        self.store = store or MemoryStore()
        self.clock = Clock()
        self.events: list[Event] = []
        self.manager = self.make(policy)

    def make(self, policy: Policy | None = None, **options: Any) -> SessionManager:
        """A manager over the same store."""
        options = {"on_event": self.events.append, "clock": self.clock, **options}
        if self.kind == "threads":
            return SessionManager(self.store, policy, **options)
        return cast(SessionManager, Blocking(AsyncSessionManager(AsyncMemoryStore(self.store), policy, **options)))

    def begin(self, user_id: str | None = None, **data: Any) -> str:
        """The token of a new session."""
        session = self.manager.anonymous()
        session.update(data)
        session.start()
        if user_id is not None:
            session.login(user_id)
        token = self.manager.commit(session).token
        assert token is not None
        self.events.clear()
        return token.reveal()


@pytest.fixture(params=["threads", "event loop"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """One with threads, one with an event loop."""
    world = World(request.param)
    yield world
    world.manager.close()


def ids(sessions: Sequence[Any]) -> list[str]:
    """Their ids, in their order."""
    return [session.id for session in sessions]


def test_a_session_goes_from_request_to_request(world: World) -> None:
    token = world.begin("ada", cart=[1])
    session = world.manager.open(token, Client("192.0.2.9", "x"))
    session["cart"].append(2)

    assert session.client == Client("192.0.2.9", "x")
    assert world.manager.commit(session) == NO_REPLY
    assert world.manager.open(token)["cart"] == [1, 2]


def test_an_anonymous_session_costs_no_read_and_no_write(world: World) -> None:
    session = world.manager.anonymous(Client("192.0.2.9", "x"))

    assert (session.status, session._presented, session.opened_at) == ("none", False, NOW)
    assert session.client == Client("192.0.2.9", "x")
    assert world.manager.commit(session) == NO_REPLY
    assert world.events == []


def test_a_refused_token_is_told_and_was_presented(world: World) -> None:
    refused = UnknownToken(at=NOW, cause="ambiguous")
    session = world.manager.anonymous(refused=refused)

    assert session._presented
    assert world.events == [refused]


def test_a_malformed_token_is_refused(world: World) -> None:
    assert world.manager.open("x").status == "none"
    assert world.events == [UnknownToken(at=NOW, cause="malformed")]


def test_an_unknown_token_is_told(world: World) -> None:
    token = world.begin()
    world.store.delete_expired(NOW + 99 * HOUR, 10)

    assert world.manager.open(token).status == "none"
    assert world.events == [UnknownToken(at=NOW, id=id_of(token), cause="unknown")]


def test_a_time_out_is_written_down_when_it_is_noticed(world: World) -> None:
    token = world.begin("ada")
    at = world.clock.forward(30 * MINUTE)

    assert world.manager.open(token).end_reason == "idle_timeout"
    assert world.events == [Ended(at=at, id=id_of(token), user_id="ada", reason="idle_timeout", by="policy")]
    world.manager.open(token)
    assert len(world.events) == 1


def test_a_log_out_ends_the_session(world: World) -> None:
    token = world.begin("ada")
    session = world.manager.open(token)
    session.logout()

    assert world.manager.commit(session) == Reply(clear=True)
    assert world.manager.open(token).end_reason == "logout"


def test_a_log_out_without_a_session_writes_nothing(world: World) -> None:
    session = world.manager.open("x")
    session.logout()

    assert world.manager.commit(session) == Reply(clear=True)
    assert world.store.stats(NOW) == Stats(0, 0, 0, 0, 0, 0)


def test_two_writers_of_one_key_are_merged(world: World) -> None:
    token = world.begin(cart=[])
    one, other = world.manager.open(token), world.manager.open(token)
    one["cart"].append(1)
    other["cart"].append(2)
    world.manager.commit(one)
    world.manager.commit(other)

    assert world.manager.open(token)["cart"] == [1, 2]


@pytest.mark.parametrize("kind", ["threads", "event loop"])
def test_what_is_set_while_a_commit_is_under_way_is_written_by_the_next(kind: str) -> None:
    store = Meanwhile()
    world = World(kind, store=store)
    session = world.manager.open(world.begin(a=1, n=1))
    session["b"] = 2
    session.increment("n", 3)

    def meanwhile() -> None:
        session["b"], session["c"] = [2], 3
        session.increment("n", 4)
        del session["a"]

    store.meanwhile = meanwhile
    world.manager.commit(session)
    written = dict(store.data())
    world.manager.commit(session)

    assert written == {"a": b"1", "b": b"2", "n": b"4"}
    assert store.data() == {"b": b"[2]", "c": b"3", "n": b"8"}


@pytest.mark.parametrize("kind", ["threads", "event loop"])
def test_a_store_that_is_always_overtaken_ends_in_an_error_that_is_no_conflict(kind: str) -> None:
    """Its pauses are as short as chance can make them: bytes(2) is nought."""
    world = World(kind, store=Rival())
    manager = world.make(random=bytes)
    session = manager.open(world.begin(a=0))
    session["a"] = "mine"

    with pytest.raises(StoreUnavailable, match="nothing of it is written"):
        manager.commit(session)


@pytest.mark.parametrize("kind", ["threads", "event loop"])
def test_the_last_writer_wins_however_often_others_were_first(kind: str) -> None:
    store = Rival(times=300)
    world = World(kind, store=store)
    manager = world.make(random=bytes)
    session = manager.open(token := world.begin(a=0))
    session["a"] = "mine"
    manager.commit(session)

    assert store.writes == 300
    assert manager.open(token)["a"] == "mine"


@pytest.mark.parametrize("kind", ["threads", "event loop"])
def test_who_is_overtaken_more_than_once_waits_a_little_and_comes_through(kind: str) -> None:
    store = Rival(times=4)
    world = World(kind, store=store)
    manager = world.make(random=b"\x01".__mul__)
    session = manager.open(world.begin(a=0))
    session["a"] = "mine"
    manager.commit(session)

    assert store.writes == 4
    assert session._merged == {}
    assert session["a"] == "mine"


def test_get_finds_a_session_by_its_public_id(world: World) -> None:
    token = world.begin("ada", a=1)
    found = world.manager.get(id_of(token))

    assert found is not None
    assert (found.id, found.user_id, found.data, found.end_reason) == (id_of(token), "ada", {"a": 1}, None)
    assert world.manager.get("0" * 32) is None


def test_list_has_the_users_live_sessions_the_latest_seen_first(world: World) -> None:
    first = world.begin("ada")
    world.clock.forward(MINUTE)
    second, third, other = world.begin("ada"), world.begin("ada"), world.begin("bob")
    world.manager.revoke(id_of(third))

    assert ids(world.manager.list("ada")) == [id_of(second), id_of(first)]
    assert ids(world.manager.list("bob")) == [id_of(other)]
    assert ids(world.manager.list("eve")) == []
    world.clock.forward(29 * MINUTE)
    assert ids(world.manager.list("ada")) == [id_of(second)]


def test_revoke_ends_one_session_and_says_whether_it_did(world: World) -> None:
    token = world.begin("ada")

    assert world.manager.revoke(id_of(token))
    assert world.events == [Ended(at=NOW, id=id_of(token), user_id="ada", reason="revoked", by="application")]
    assert not world.manager.revoke(id_of(token))
    assert not world.manager.revoke("0" * 32)
    assert len(world.events) == 1
    assert world.manager.open(token).end_reason == "revoked"


def test_revoke_of_a_session_that_had_run_out_says_that_it_had(world: World) -> None:
    token = world.begin("ada")
    at = world.clock.forward(HOUR)

    assert not world.manager.revoke(id_of(token))
    assert world.events == [Ended(at=at, id=id_of(token), user_id="ada", reason="idle_timeout", by="policy")]
    assert world.manager.open(token).end_reason == "idle_timeout"


def test_revoke_all_ends_every_session_of_the_user_but_the_one_to_keep(world: World) -> None:
    kept, *others = (world.begin("ada") for _ in range(3))
    bobs = world.begin("bob")

    assert world.manager.revoke_all("ada", keep=id_of(kept)) == 2
    *ends, last = world.events
    assert {event.id for event in ends} == {id_of(token) for token in others}
    assert all(isinstance(event, Ended) and event.user_id == "ada" for event in ends)
    assert last == RevokedAll(at=NOW, user_id="ada", ended=2, kept=id_of(kept), by="application")
    assert [world.manager.open(token).end_reason for token in (kept, bobs)] == [None, None]
    assert world.manager.revoke_all("ada", reason="limit") == 1
    assert world.manager.open(kept).end_reason == "limit"
    assert world.manager.revoke_all("nobody") == 0


def test_a_list_goes_by_pages(world: World) -> None:
    tokens = [world.begin("ada") for _ in range(5)]
    first = world.manager.list("ada", limit=3)
    rest = world.manager.list("ada", after=max(ids(first)), limit=3)

    assert sorted([*ids(first), *ids(rest)]) == sorted(map(id_of, tokens))
    assert (len(first), len(rest)) == (3, 2)


def test_everything_is_revoked_and_what_began_before_comes_too_late(world: World) -> None:
    tokens = [world.begin("ada"), world.begin("bob"), world.begin()]
    slow = world.manager.anonymous()
    slow.login("eve")
    over = world.begin("ada")
    world.manager.revoke(id_of(over))
    world.clock.forward(1)
    counts: list[int] = []

    assert world.manager.revoke_everything(counts.append) == 3
    assert counts == [3]
    assert {world.manager.open(token).end_reason for token in tokens} == {"revoked"}
    with pytest.raises(SessionEnded):
        world.manager.commit(slow)
    assert world.manager.open(world.begin("ada")).user_id == "ada"
    assert world.manager.revoke_everything() == 1


def test_everything_is_what_a_clock_that_runs_ahead_made_too(world: World) -> None:
    world.clock.forward(MINUTE)
    slow = world.manager.anonymous()
    slow.login("ada")
    world.clock.forward(1)
    ahead = world.begin("ada")
    world.clock.forward(-MINUTE - 1)

    assert world.manager.revoke_everything() == 1
    assert world.manager.open(ahead).end_reason == "revoked"
    world.clock.forward(2 * MINUTE)
    with pytest.raises(SessionEnded):
        world.manager.commit(slow)


def test_an_erased_user_leaves_no_row_and_others_all_of_theirs(world: World) -> None:
    tokens = [world.begin("ada"), world.begin("ada")]
    world.manager.revoke(id_of(tokens[0]))
    bobs = world.begin("bob")

    assert world.manager.erase("ada") == 2
    assert [record.user_id for record in world.store.scan("", 9)] == ["bob"]
    assert world.manager.open(tokens[1]).status == "none"
    assert world.manager.open(bobs).user_id == "bob"


@pytest.mark.parametrize("realm", ["Shop", "a b", "x" * 33, "ä"])
def test_a_realm_of_other_characters_is_refused(world: World, realm: str) -> None:
    with pytest.raises(ConfigurationError, match="realm="):
        world.make(realm=realm)


def test_managers_of_two_realms_see_nothing_of_each_other_in_one_store(world: World) -> None:
    blog = world.make(realm="blog")
    theirs = world.begin("ada")
    session = blog.anonymous()
    session.login("ada")
    token = blog.commit(session).token
    assert token is not None
    ours = token.reveal()

    assert (blog.open(theirs).status, world.manager.open(ours).status) == ("none", "none")
    assert (blog.get(id_of(theirs)), world.manager.get(id_of(ours))) == (None, None)
    assert (ids(blog.list("ada")), ids(world.manager.list("ada"))) == ([id_of(ours)], [id_of(theirs)])
    assert (blog.revoke(id_of(theirs)), world.manager.revoke(id_of(ours))) == (False, False)
    assert blog.revoke_all("ada") == 1
    assert blog.revoke_everything() == 0
    assert blog.erase("ada") == 1
    assert world.manager.open(theirs).user_id == "ada"


def test_before_a_session_is_made_the_application_is_asked_and_may_refuse(world: World) -> None:
    asked: list[tuple[str, str | None]] = []

    def limit(client: Client, user_id: str | None) -> None:
        asked.append((client.ip, user_id))
        if len(asked) > 2:
            raise SessionRefused(30)

    async def limit_async(client: Client, user_id: str | None) -> None:
        limit(client, user_id)

    manager = world.make(before_create=limit if world.kind == "threads" else limit_async)
    for user_id in (None, "ada"):
        session = manager.anonymous(Client("192.0.2.7"))
        session.login(user_id) if user_id else session.start()
        token = manager.commit(session).token
        assert token is not None
        again = manager.open(token.reveal(), Client("192.0.2.7"))
        again["a"] = 1
        manager.commit(again)
    refused = manager.anonymous(Client("192.0.2.7"))
    refused.start()

    with pytest.raises(SessionRefused) as raised:
        manager.commit(refused)
    assert raised.value.retry_after == 30
    assert asked == [("192.0.2.7", None), ("192.0.2.7", "ada"), ("192.0.2.7", None)]
    assert len(world.store.scan("", 9)) == 2


def test_a_session_that_ran_out_loses_its_data_at_the_next_clean_up(world: World) -> None:
    for _ in range(BATCH + 1):
        put(world.store, data={"a": b"1"})
    world.clock.forward(HOUR)

    assert world.manager.delete_expired() == 0
    kept = world.store.scan("", 2 * BATCH)
    assert {(record.end_reason, len(record.data)) for record in kept} == {("idle_timeout", 0)}
    assert len(kept) == BATCH + 1


def test_delete_expired_waits_for_as_long_as_ended_sessions_are_kept(world: World) -> None:
    token = world.begin("ada")
    world.manager.revoke(id_of(token))
    world.clock.forward(24 * HOUR)
    assert world.manager.delete_expired() == 0

    world.clock.forward(1)
    assert world.manager.delete_expired() == 1
    assert world.manager.get(id_of(token)) is None


def test_of_all_processes_one_cleans_up_in_each_stretch_of_time(world: World) -> None:
    others = [world.make(Policy(keep_ended=0)) for _ in range(3)]
    deleted = []
    for _ in range(3):
        world.manager.revoke(id_of(world.begin()))
        world.clock.forward(600_000)
        deleted.append([manager.delete_expired(once_in=600) for manager in others])

    assert deleted == [[1, 0, 0]] * 3
    assert len(world.store.marks("", 9)) <= 2


def test_delete_expired_goes_by_batches_and_says_how_far_it_is(world: World) -> None:
    for _ in range(BATCH + 1):
        put(world.store)
    world.clock.forward(99 * HOUR)
    counts: list[int] = []

    assert world.manager.delete_expired(counts.append) == BATCH + 1
    assert counts == [BATCH, BATCH + 1]


def test_scan_goes_through_all_sessions_page_by_page(world: World) -> None:
    tokens = [world.begin() for _ in range(5)]
    world.manager.revoke(id_of(tokens[0]))
    first = world.manager.scan(limit=3)
    rest = world.manager.scan(first[-1].id)

    assert ids(first) + ids(rest) == sorted(map(id_of, tokens))
    assert sum(session.end_reason == "revoked" for session in [*first, *rest]) == 1


def test_stats_are_counted_at_the_managers_time(world: World) -> None:
    world.begin("ada")
    world.manager.revoke(id_of(world.begin("ada")))
    world.clock.forward(HOUR)
    world.begin("bob")

    assert world.manager.stats() == Stats(live=1, ended=1, expired=1, users=1, bound=0, bytes=0)


def test_a_listener_that_fails_harms_nobody_else(world: World, caplog: pytest.LogCaptureFixture) -> None:
    told: list[Event] = []

    def listen(event: Event) -> None:
        told.append(event)
        raise RuntimeError("a bug of the listener's")

    manager = world.make(on_event=listen)
    session = manager.anonymous()
    session.login("ada")
    with caplog.at_level(logging.ERROR, "sojourn"):
        reply = manager.commit(session)

    assert reply.token is not None
    assert [type(event).__name__ for event in told] == ["SessionCreated", "LoggedIn"]
    assert [record.getMessage() for record in caplog.records] == [
        "on_event failed for SessionCreated",
        "on_event failed for LoggedIn",
    ]
    assert reply.token.reveal() not in caplog.text


def test_without_a_listener_a_theft_is_told_to_the_log_and_nothing_else_is(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    manager = world.make(on_event=None)
    token = world.begin("ada")
    manager.open("sj1-nonsense")
    id, secret = token.removeprefix("sj1-").split("-", 1)
    forged = f"sj1-{id}-{secret[:32]}{'0' * 32}"

    assert manager.open(forged).end_reason == "token_reuse"
    assert [(each.levelname, each.getMessage()) for each in caplog.records] == [
        ("WARNING", f"TokenReused: session {id} is held by two, and was ended")
    ]


def test_without_a_listener_nothing_is_told(world: World) -> None:
    manager = world.make(on_event=None)

    assert manager.open("x").status == "none"
    assert world.events == []


def test_without_a_policy_it_has_the_default_one(world: World) -> None:
    assert world.manager.policy == Policy()


def test_the_random_source_is_asked_for_what_a_token_needs(world: World) -> None:
    asked: list[int] = []

    def count(number: int) -> bytes:
        asked.append(number)
        return bytes(range(number))

    manager = world.make(random=count)
    session = manager.anonymous()
    session.start()
    reply = manager.commit(session)

    assert asked == [48]
    assert reply.token is not None
    assert reply.token.reveal() == f"sj1-{bytes(range(16)).hex()}-{bytes(range(16, 48)).hex()}"


def test_the_clock_is_unix_time_in_milliseconds() -> None:
    assert milliseconds() > 1_700_000_000_000
    assert isinstance(milliseconds(), int)
    assert isinstance(Session(None, milliseconds(), Client()).opened_at, int)


@pytest.mark.parametrize("store", [MemoryStore(), cast(Any, object())])
def test_a_store_for_threads_is_refused_when_an_async_manager_is_made_of_it(store: Any) -> None:
    """Not at the first request."""
    with pytest.raises(ConfigurationError, match=r"for an event loop, and .* for threads.*open_async_store\(\)"):
        AsyncSessionManager(store)


def test_a_store_for_an_event_loop_is_refused_when_a_manager_for_threads_is_made_of_it() -> None:
    with pytest.raises(ConfigurationError, match=r"AsyncMemoryStore for an event loop.*open_store\(\)"):
        SessionManager(cast(Any, AsyncMemoryStore()))


def test_who_counts_opens_is_told_what_each_came_to_but_for_a_token_of_no_shape(world: World) -> None:
    seen: list[str] = []
    manager: Any = getattr(world.manager, "_manager", world.manager)
    manager._on_open = lambda session: seen.append(session.status)
    token = world.begin("ada")
    world.manager.open(token)
    world.manager.revoke(id_of(token))
    for shown in (token, f"sj1-{'0' * 32}-{'0' * 64}", "nonsense"):
        world.manager.open(shown)

    assert seen == ["active", "ended", "none"]
