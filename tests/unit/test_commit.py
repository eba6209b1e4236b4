"""What a request's session comes to: nothing, a touch, a change, a merge, a refusal. Over a store in memory."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress

import pytest
from msgspec.structs import replace

from sojourn import (
    Client,
    DataTooLarge,
    InvalidData,
    Policy,
    Session,
    SessionConflict,
    SessionEnded,
    StoreUnavailable,
)
from sojourn.core.codec import size
from sojourn.core.commit import NO_REPLY, NOTHING, Plan, nothing_due, plan_commit, plan_open
from sojourn.core.events import Merged, UnknownToken
from sojourn.core.outcome import carry_on
from sojourn.core.record import Record
from sojourn.core.store import Applied, Commit, Create, End, Refused
from sojourn.core.token import Token, mint
from sojourn.manager import SessionManager
from sojourn.manager.turns import MAX_ATTEMPTS
from sojourn.testing.records import HOUR, MINUTE, NOW, make_record
from tests.unit.rival import Rival
from tests.unit.site import Site, id_of, token_for

SECOND = 1000


# Nothing to do


def test_a_session_that_was_only_read_is_not_written() -> None:
    site = Site()
    token = site.begin(cart=[1])
    before = site.record(token)
    site.clock.forward(MINUTE - 1)
    session = site.visit(token)
    assert session["cart"] == [1]

    assert site.manager.commit(session) == NO_REPLY
    assert site.record(token) is before


def test_a_request_that_did_nothing_without_a_token_makes_nothing() -> None:
    site = Site()

    assert site.manager.commit(site.manager.anonymous()) == NO_REPLY
    assert site.store.stats(NOW).live == 0


def test_an_ended_session_that_was_only_read_stays_as_it_is() -> None:
    site = Site()
    token = site.begin("ada")
    site.manager.revoke(id_of(token))
    session = site.visit(token)

    assert site.manager.commit(session) == NO_REPLY
    assert session.status == "ended"


def test_a_value_that_came_and_went_makes_no_session() -> None:
    site = Site()
    session = site.manager.anonymous()
    session["a"] = 1
    del session["a"]

    assert site.manager.commit(session) == NO_REPLY
    assert site.store.stats(NOW).live == 0


def test_a_second_commit_has_nothing_to_do() -> None:
    site = Site()
    session = site.manager.anonymous()
    session["a"] = [1]
    site.commit(session)

    assert site.manager.commit(session) == NO_REPLY


@pytest.mark.parametrize("passive", [False, True])
def test_what_nothing_due_promises_plan_commit_keeps(passive: bool) -> None:
    """Over a grid of ages, reads and secrets: where nothing is due, nothing is planned, and it writes no more."""
    record, policy = make_record(data={"a": b"[]"}), Policy()
    for age in (0, MINUTE - 1, MINUTE, HOUR - 1, HOUR):
        session = Session(record, NOW + age, Client(), token_for(record), True)
        session.passive = passive
        promised = nothing_due(session, policy)
        planned = plan_commit(session, policy, NOW + age, os.urandom)

        assert promised is (planned == NOTHING)
        assert session["a"] == []
        assert not nothing_due(session, policy)
        assert (plan_commit(session, policy, NOW + age, os.urandom).write is None) is promised


# Activity


def test_activity_is_written_down_once_in_the_touch_interval() -> None:
    site = Site()
    token = site.begin(a=1)
    site.clock.forward(MINUTE)
    session = site.visit(token)
    assert site.commit(session) is None
    record = site.record(token)

    assert (record.seen_at, record.version) == (NOW + MINUTE, 1)
    assert session._record is not None
    assert session._record.seen_at == NOW + MINUTE
    site.clock.forward(MINUTE - 1)
    site.commit(site.visit(token))
    assert site.record(token) is record


def test_a_passive_request_never_keeps_a_session_alive() -> None:
    site = Site()
    token = site.begin(a=1)
    site.clock.forward(29 * MINUTE)
    session = site.visit(token)
    session.passive = True
    session["a"] = 2
    site.commit(session)

    assert site.record(token).seen_at == NOW
    site.clock.forward(MINUTE)
    assert site.visit(token).end_reason == "idle_timeout"


def test_a_session_given_a_shorter_life_than_todays_policy_gives_is_touched_in_time() -> None:
    site = Site(Policy(idle_timeout=60))
    token = site.begin()
    site.manager.policy = Policy(idle_timeout=7200, touch_interval=3600)
    site.clock.forward(30 * SECOND - 1)
    site.commit(site.visit(token))
    assert site.record(token).seen_at == NOW

    site.clock.forward(1)
    site.commit(site.visit(token))
    assert site.record(token).seen_at == NOW + 30 * SECOND


def test_activity_counts_from_when_the_request_came() -> None:
    """Opened in the last second and committed after it: the session was live then, so what it wrote is kept."""
    site = Site()
    token = site.begin(a=1)
    opened = site.clock.forward(30 * MINUTE - SECOND)
    session = site.visit(token)
    site.clock.forward(5 * SECOND)
    session["a"] = 2
    site.commit(session)

    assert site.record(token).seen_at == opened
    assert site.visit(token)["a"] == 2


def test_activity_does_not_pass_the_absolute_limit() -> None:
    site = Site(Policy(rotate_interval=None))
    token = site.begin()
    for _ in range(24):
        site.clock.forward(29 * MINUTE)
        site.commit(site.visit(token))
    site.clock.forward(12 * HOUR - 24 * 29 * MINUTE)

    assert site.visit(token).end_reason == "absolute_timeout"


# Changes


def test_what_was_changed_is_there_for_the_next_request() -> None:
    site = Site()
    token = site.begin(cart=[1], gone=1)
    session = site.visit(token)
    session["cart"].append(2)
    session["theme"] = "dark"
    del session["gone"]
    session.increment("n", 2)

    assert site.commit(session) is None
    assert dict(site.visit(token)) == {"cart": [1, 2], "theme": "dark", "n": 2}
    assert site.record(token).version == 2
    assert session._record is not None
    assert session._record.version == 2


@pytest.mark.parametrize("count", [False, True], ids=["set", "increment"])
def test_each_commit_of_data_is_a_version_that_the_session_knows(count: bool) -> None:
    site = Site()
    session = site.visit(site.begin(n=1))
    for version in (2, 3):
        if count:
            session.increment("n")
        else:
            session["n"] += 1
        site.commit(session)

        assert session._record is not None
        assert session._record.version == site.manager.get(session._record.id).version == version  # type: ignore[union-attr]  # it is there


def test_an_anonymous_session_begins_with_the_first_value() -> None:
    site = Site()
    session = site.manager.anonymous(Client("192.0.2.7", "curl/8"))
    session["a"] = 1
    reply = site.manager.commit(session)

    assert reply.token is not None
    assert (reply.max_age, reply.clear) == (None, False)
    assert site.told() == ["SessionCreated"]
    record = site.record(reply.token.reveal())
    assert (record.user_id, record.authenticated_at, record.remember) == (None, None, False)
    assert record.client == Client("192.0.2.7", "curl/8")
    assert record.idle_timeout == 30 * MINUTE
    assert record.absolute_expires_at == NOW + 12 * HOUR
    assert (session.status, session.id) == ("active", record.id)


def test_start_makes_a_session_of_nothing_and_leaves_a_live_one() -> None:
    site = Site()
    token = site.begin()
    session = site.visit(token)
    session.start()

    assert dict(session) == {}
    assert site.manager.commit(session) == NO_REPLY
    fresh = site.manager.anonymous()
    fresh.start()
    assert site.manager.commit(fresh).token is not None
    assert (fresh.status, dict(fresh)) == ("active", {})


def test_a_value_set_after_the_end_begins_a_new_session() -> None:
    site = Site()
    token = site.begin("ada", secret=1)
    site.manager.revoke(id_of(token))
    session = site.visit(token)
    session["a"] = 1
    fresh = site.commit(session)

    assert fresh is not None
    assert dict(site.visit(fresh)) == {"a": 1}
    assert site.visit(fresh).user_id is None
    assert site.visit(token).end_reason == "revoked"
    assert site.record(fresh).follows == "revoked"


def test_a_log_in_after_the_end_follows_nothing() -> None:
    site = Site()
    token = site.begin("ada")
    site.manager.revoke(id_of(token))
    session = site.visit(token)
    session.login("ada")
    fresh = site.commit(session)

    assert fresh is not None
    assert site.record(fresh).follows is None


@pytest.mark.parametrize("logged_in", [False, True])
def test_too_much_data_is_refused_and_nothing_written(logged_in: bool) -> None:
    site = Site(Policy(max_bytes=100))
    session = site.manager.anonymous()
    session["a"] = "x" * 100
    if logged_in:
        session.login("ada")
    with pytest.raises(DataTooLarge):
        site.manager.commit(session)
    assert site.store.stats(NOW).live == 0

    token = site.begin(a=1)
    session = site.visit(token)
    session["a"] = "x" * 100
    with pytest.raises(DataTooLarge):
        site.manager.commit(session)
    assert dict(site.visit(token)) == {"a": 1}


def test_the_last_byte_that_the_policy_allows_can_be_used() -> None:
    site = Site(Policy(max_bytes=100))
    token = site.begin(a="x" * 92)
    assert size(site.record(token).data) == 100

    session = site.manager.anonymous()
    session["a"] = "x" * 93
    with pytest.raises(DataTooLarge):
        site.manager.commit(session)


def test_a_value_that_json_cannot_hold_is_refused_and_nothing_written() -> None:
    site = Site()
    token = site.begin(a=1)
    session = site.visit(token)
    session["a"], session["b"] = 2, {1, 2}

    with pytest.raises(InvalidData):
        site.manager.commit(session)
    assert dict(site.visit(token)) == {"a": 1}


# Two requests at once


def test_changes_of_different_keys_are_both_kept() -> None:
    site = Site()
    token = site.begin(a=1, b=1)
    one, other = site.visit(token), site.visit(token)
    one["a"], other["b"] = 2, 2
    site.commit(one)
    site.commit(other)

    assert dict(site.visit(token)) == {"a": 2, "b": 2}
    assert site.events == []


def test_changes_of_one_key_that_go_together_are_merged_and_told() -> None:
    site = Site()
    token = site.begin("ada", cart={"x": 1})
    one, other = site.visit(token), site.visit(token)
    one["cart"]["y"] = 1
    other["cart"]["z"] = 1
    site.commit(one)
    site.commit(other)

    assert site.visit(token)["cart"] == {"x": 1, "y": 1, "z": 1}
    assert other["cart"] == {"x": 1, "y": 1, "z": 1}
    assert site.events == [Merged(at=NOW, id=id_of(token), user_id="ada", keys=("cart",))]


def test_increments_add_up() -> None:
    site = Site()
    token = site.begin(n=10)
    sessions = [site.visit(token) for _ in range(5)]
    for session in sessions:
        session.increment("n", 2)
        site.commit(session)

    assert site.visit(token)["n"] == 20
    assert site.events == []


def test_of_two_values_the_later_writers_stays_and_that_is_told() -> None:
    site = Site()
    token = site.begin(theme="dark", cart=[])
    one, other = site.visit(token), site.visit(token)
    one["theme"], other["theme"] = "light", "blue"
    one["cart"].append(1)
    other["cart"].append(2)
    site.commit(one)
    site.commit(other)

    assert dict(site.visit(token)) == {"theme": "blue", "cart": [1, 2]}
    assert isinstance(site.events[0], Merged)
    assert set(site.events[0].keys) == {"theme", "cart"}
    assert site.events[0].conflicts == ("theme",)


def test_or_the_policy_forbids_to_choose() -> None:
    site = Site(Policy(on_conflict="raise"))
    token = site.begin(theme="dark", cart=[])
    one, other = site.visit(token), site.visit(token)
    one["theme"], other["theme"] = "light", "blue"
    other["cart"].append(1)
    site.commit(one)

    with pytest.raises(SessionConflict) as caught:
        site.manager.commit(other)
    assert caught.value.keys == ("theme",)
    assert dict(site.visit(token)) == {"theme": "light", "cart": []}


def test_what_can_be_merged_is_no_conflict_for_any_policy() -> None:
    site = Site(Policy(on_conflict="raise"))
    token = site.begin(cart=[])
    one, other = site.visit(token), site.visit(token)
    one["cart"].append(1)
    other["cart"].append(2)
    site.commit(one)
    site.commit(other)

    assert site.visit(token)["cart"] == [1, 2]


def test_a_change_with_an_old_view_of_the_rest_does_not_take_the_new_version_for_its_own() -> None:
    """Others wrote since the load: a log-in afterwards must not carry the stale rest along."""
    site = Site()
    token = site.begin(a=1, b=1)
    stale, other = site.visit(token), site.visit(token)
    other["b"] = 2
    site.commit(other)
    stale["a"] = 2
    site.commit(stale)
    stale.login("ada")
    fresh = site.commit(stale)

    assert fresh is not None
    assert dict(site.visit(fresh)) == {"a": 2, "b": 2}


# Ended meanwhile


@pytest.mark.parametrize("count", [False, True], ids=["set", "increment"])
def test_a_change_that_comes_after_the_end_is_refused(count: bool) -> None:
    site = Site()
    token = site.begin("ada", n=1)
    slow = site.visit(token)
    leaving = site.visit(token)
    leaving.logout()
    site.commit(leaving)
    before = site.record(token)
    if count:
        slow.increment("n")
    else:
        slow["n"] = 2

    with pytest.raises(SessionEnded) as caught:
        site.manager.commit(slow)
    assert caught.value.reason == "logout"
    assert site.record(token) is before
    assert (slow.status, slow.end_reason, dict(slow)) == ("ended", "logout", {})


def test_a_touch_that_comes_after_the_end_is_no_error() -> None:
    site = Site()
    token = site.begin("ada")
    site.clock.forward(MINUTE)
    slow = site.visit(token)
    site.manager.revoke(id_of(token))
    before = site.record(token)

    assert site.manager.commit(slow) == NO_REPLY
    assert slow.status == "ended"
    assert site.record(token) is before


def test_a_change_to_a_session_that_the_store_lost_is_refused() -> None:
    site = Site()
    token = site.begin("ada", a=1)
    slow = site.visit(token)
    site.store.delete_expired(NOW + 99 * HOUR, 10)
    slow["a"] = 2

    with pytest.raises(SessionEnded) as caught:
        site.manager.commit(slow)
    assert caught.value.reason is None
    assert slow.status == "none"


@pytest.mark.parametrize("reason", ["logout", "revoked", "token_reuse"])
def test_nothing_brings_an_ended_session_back(reason: str) -> None:
    """Every write that a slow request can think of."""
    wishes: dict[str, Callable[[Session], object]] = {
        "set": lambda session: session.update(a=2),
        "regenerate": lambda session: session.regenerate(),
        "login": lambda session: session.login("ada"),
        "logout": lambda session: session.logout(),
        "start": lambda session: session.start(),
    }
    for wish in wishes.values():
        site = Site()
        token = site.begin("ada", a=1)
        site.clock.forward(24 * MINUTE)
        slow = site.visit(token)
        site.manager.revoke(id_of(token), reason)  # type: ignore[arg-type]  # each of them
        before = site.record(token)
        wish(slow)
        with suppress(SessionEnded):
            site.manager.commit(slow)

        assert site.record(token) is before
        assert site.visit(token).status == "ended"


# The plan itself


def opened(record: Record, now: int = NOW) -> Session:
    """The session of `record`, as its current secret opens it."""
    return Session(record, now, Client(), token_for(record), True)


def test_opening_is_decided_without_a_clock_or_a_store() -> None:
    token = mint("ada", os.urandom)
    unknown, end, events = plan_open(None, token, Policy(), NOW, Client())

    assert (unknown.status, end) == ("none", None)
    assert events == (UnknownToken(at=NOW, id=token.id, cause="unknown"),)


def test_a_commit_carries_only_what_changed_and_what_was_loaded() -> None:
    record = make_record(data={"a": b"1", "b": b"2", "n": b"3"})
    session = opened(record, NOW + 1)
    session["a"] = 5
    session.increment("n")
    write = plan_commit(session, Policy(max_bytes=99), NOW + 2, os.urandom).write

    assert isinstance(write, Commit)
    assert list(write.changes) == ["a"]
    assert (write.changes["a"].base, write.changes["a"].value) == (b"1", b"5")
    assert write.increments == {"n": 1}
    assert (write.id, write.now, write.seen_at, write.secrets, write.max_bytes) == (record.id, NOW + 2, None, None, 99)


def test_a_log_in_is_one_write_that_ends_the_old_session() -> None:
    record = make_record(version=7)
    session = opened(record)
    session.login("ada")
    plan = plan_commit(session, Policy(max_sessions=3, on_limit="refuse"), NOW, os.urandom)

    assert isinstance(plan.write, Create)
    assert isinstance(plan.token, Token)
    assert plan.write.ends is not None
    assert (plan.write.ends.id, plan.write.ends.reason, plan.write.ends.version) == (record.id, "replaced", 7)
    assert plan.write.limit is not None
    assert (plan.write.limit.most, plan.write.limit.end_oldest) == (3, False)
    assert plan.write.record.secrets.current == plan.token.hash
    assert plan.token.reveal() not in repr(plan)


def test_a_log_out_is_one_end() -> None:
    record = make_record("ada")
    session = opened(record)
    session.logout()

    assert plan_commit(session, Policy(), NOW, os.urandom) == Plan(End(record.id, "logout", NOW))


def test_a_refusal_by_a_store_that_has_the_session_live_asks_for_another_plan() -> None:
    record = make_record(data={"a": b"1"})
    session = opened(record)
    session["a"] = 2
    plan = plan_commit(session, Policy(), NOW, os.urandom)
    newer = replace(record, data={"a": b"3"}, version=2)

    assert carry_on(session, plan, Refused(newer), Policy(), NOW) is None
    assert carry_on(session, plan_commit(session, Policy(), NOW, os.urandom), Applied(3), Policy(), NOW) is not None


def test_a_store_that_is_always_overtaken_ends_in_an_error_and_not_in_a_loop() -> None:
    """Which is no conflict: the policy has chosen who wins."""
    store = Rival()
    site = Site(store=store)
    token = site.begin(a=0)
    session = site.visit(token)
    session["a"] = "mine"

    # As short as chance can make its pauses: bytes(2) is nought.
    impatient = SessionManager(store, site.manager.policy, clock=site.clock, random=bytes)
    with pytest.raises(StoreUnavailable, match=r"1,000 times.*nothing of it is written"):
        impatient.commit(session)
    assert store.writes == MAX_ATTEMPTS
