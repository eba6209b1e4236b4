"""Log-in, log-out, and a new id at a change of rights. Over a store in memory."""

from __future__ import annotations

import os

import pytest
from msgspec.structs import replace

from sojourn import (
    Lifetime,
    Policy,
    SessionEnded,
    SessionLimitReached,
)
from sojourn.core.commit import NO_REPLY, Reply
from sojourn.core.events import Ended, LoggedIn
from sojourn.core.token import mint
from sojourn.testing.records import HOUR, MINUTE, NOW
from tests.unit.site import Site, id_of

SECOND = 1000


# Log-in


def test_a_log_in_makes_a_new_id_and_token_and_the_old_one_is_worth_nothing_at_once() -> None:
    site = Site()
    token = site.begin(cart=[1])
    session = site.visit(token)
    session.login("ada")
    fresh = site.commit(session)

    assert fresh is not None
    assert id_of(fresh) != id_of(token)
    assert site.visit(token).end_reason == "replaced"
    again = site.visit(fresh)
    assert (again.user_id, again.authenticated_at, dict(again)) == ("ada", NOW, {"cart": [1]})
    assert site.told() == ["Ended", "SessionCreated", "LoggedIn"]


def test_a_log_in_names_what_it_replaced() -> None:
    site = Site()
    token = site.begin()
    session = site.visit(token)
    session.login("ada")
    fresh = site.commit(session)
    assert fresh is not None

    assert site.events[0] == Ended(at=NOW, id=id_of(token), reason="replaced", by="user")
    assert site.events[-1] == LoggedIn(at=NOW, id=id_of(fresh), user_id="ada", replaced=id_of(token), by="user")


def test_a_log_in_without_a_session_replaces_none() -> None:
    site = Site()
    session = site.manager.anonymous()
    session.login("ada")
    site.commit(session)

    assert site.told() == ["SessionCreated", "LoggedIn"]


def test_a_log_in_is_given_the_timeouts_anew_and_a_remembered_one_the_longer_ones() -> None:
    site = Site()
    session = site.visit(site.begin())
    site.clock.forward(20 * MINUTE)
    session.login("ada", remember=True)
    reply = site.manager.commit(session)

    assert reply.token is not None
    assert reply.max_age == 30 * 86400
    record = site.record(reply.token.reveal())
    assert record.remember
    assert record.created_at == NOW + 20 * MINUTE
    assert record.idle_timeout == 14 * 24 * HOUR
    assert record.absolute_expires_at == NOW + 20 * MINUTE + 30 * 24 * HOUR


def test_a_log_in_of_another_user_takes_nothing_along_even_when_others_wrote_meanwhile() -> None:
    site = Site()
    token = site.begin("ada", secret=1)
    slow, other = site.visit(token), site.visit(token)
    other["secret"] = 2
    site.commit(other)
    slow.login("eve")
    slow["own"] = 1
    fresh = site.commit(slow)

    assert fresh is not None
    assert dict(site.visit(fresh)) == {"own": 1}
    assert site.visit(token).end_reason == "replaced"


def test_a_log_in_takes_along_what_others_wrote_meanwhile() -> None:
    site = Site()
    token = site.begin(cart=["x"])
    slow, other = site.visit(token), site.visit(token)
    other["cart"].append("y")
    site.commit(other)
    slow.login("ada")
    slow["cart"].append("z")
    fresh = site.commit(slow)

    assert fresh is not None
    assert site.visit(fresh)["cart"] == ["x", "y", "z"]


def test_of_two_log_ins_at_once_both_succeed_and_both_keep_the_data() -> None:
    site = Site()
    token = site.begin(cart=["x"])
    one, other = site.visit(token), site.visit(token)
    one.login("ada")
    other.login("ada")
    first, second = site.commit(one), site.commit(other)

    assert first is not None
    assert second is not None
    assert site.visit(first)["cart"] == site.visit(second)["cart"] == ["x"]
    assert len(site.manager.list("ada")) == 2


def test_a_log_in_after_the_session_was_revoked_succeeds_without_its_data() -> None:
    site = Site()
    token = site.begin("ada", secret=1, n=5)
    slow = site.visit(token)
    site.manager.revoke(id_of(token))
    slow.login("ada")
    slow["own"] = 1
    slow.increment("n")
    fresh = site.commit(slow)

    assert fresh is not None
    assert dict(site.visit(fresh)) == {"own": 1, "n": 1}
    assert site.visit(token).end_reason == "revoked"


def test_a_log_in_after_the_session_timed_out_while_the_password_was_checked_succeeds() -> None:
    site = Site()
    token = site.begin()
    site.clock.forward(30 * MINUTE - 1)
    slow = site.visit(token)
    site.clock.forward(SECOND)
    slow.login("ada")
    fresh = site.commit(slow)

    assert fresh is not None
    assert site.visit(fresh).user_id == "ada"


def test_the_oldest_session_goes_for_one_more_than_the_policy_allows() -> None:
    site = Site(Policy(max_sessions=2))
    tokens = []
    for _ in range(3):
        tokens.append(site.begin("ada"))
        site.clock.forward(SECOND)

    assert [site.visit(token).end_reason for token in tokens] == ["limit", None, None]


def test_the_session_that_is_replaced_does_not_count() -> None:
    site = Site(Policy(max_sessions=1, on_limit="refuse"))
    token = site.begin("ada")
    session = site.visit(token)
    session.login("ada")

    assert site.commit(session) is not None


def test_a_session_that_went_for_the_limit_is_told() -> None:
    site = Site(Policy(max_sessions=1))
    token = site.begin("ada")
    session = site.manager.anonymous()
    session.login("ada")
    site.commit(session)

    assert Ended(at=NOW, id=id_of(token), user_id="ada", reason="limit", by="policy") in site.events


def test_or_one_more_is_refused_and_nothing_changed() -> None:
    site = Site(Policy(max_sessions=1, on_limit="refuse"))
    token = site.begin("ada")
    anonymous = site.begin(cart=[1])
    session = site.visit(anonymous)
    session.login("ada")

    with pytest.raises(SessionLimitReached):
        site.manager.commit(session)
    assert site.visit(token).status == site.visit(anonymous).status == "active"


def test_the_limit_is_for_users_and_not_for_the_anonymous() -> None:
    site = Site(Policy(max_sessions=1, on_limit="refuse"))

    assert site.visit(site.begin(a=1)).status == site.visit(site.begin(a=1)).status == "active"


# A new id at a change of rights


def test_regenerate_gives_the_same_session_a_new_id_and_token() -> None:
    site = Site()
    token = site.begin("ada", cart=[1])
    before = site.record(token)
    site.clock.forward(MINUTE)
    session = site.visit(token)
    session.regenerate()
    session["role"] = "admin"
    fresh = site.commit(session)

    assert fresh is not None
    record = site.record(fresh)
    assert record.id != before.id
    assert replace(record, id=before.id, secrets=before.secrets, seen_at=before.seen_at, data=before.data) == before
    assert (record.seen_at, record.secrets.rotated_at) == (NOW + MINUTE, NOW + MINUTE)
    assert dict(site.visit(fresh)) == {"cart": [1], "role": "admin"}
    assert site.visit(token).end_reason == "replaced"
    assert site.told() == ["Ended", "SessionCreated"]


def test_regenerate_keeps_what_is_left_of_a_remembered_sessions_time() -> None:
    site = Site(Policy(remember=Lifetime(idle_timeout=3600, absolute_timeout=7200)))
    session = site.visit(site.begin("ada", remember=True))
    site.clock.forward(30 * MINUTE)
    session.regenerate()

    assert site.manager.commit(session).max_age == 90 * 60


def test_regenerate_of_a_session_that_ended_meanwhile_is_refused() -> None:
    site = Site()
    token = site.begin("ada")
    slow = site.visit(token)
    site.manager.revoke(id_of(token))
    slow.regenerate()

    with pytest.raises(SessionEnded) as caught:
        site.manager.commit(slow)
    assert caught.value.reason == "revoked"
    assert site.store.stats(NOW).live == 0


# Log-out


def test_a_log_out_ends_the_session_and_clears_the_cookie() -> None:
    site = Site()
    token = site.begin("ada", a=1)
    session = site.visit(token)
    session.logout()

    assert site.manager.commit(session) == Reply(clear=True)
    assert (session.status, session.end_reason, session.id) == ("ended", "logout", id_of(token))
    assert site.visit(token).end_reason == "logout"
    assert site.record(token).data == {}
    assert site.events == [Ended(at=NOW, id=id_of(token), user_id="ada", reason="logout", by="user")]


def test_of_two_log_outs_at_once_one_is_told_and_both_clear_the_cookie() -> None:
    site = Site()
    token = site.begin("ada")
    one, other = site.visit(token), site.visit(token)
    one.logout()
    other.logout()

    assert site.manager.commit(one).clear
    assert site.manager.commit(other).clear
    assert site.told() == ["Ended"]


def test_a_log_out_without_a_session_clears_only_a_cookie_that_was_sent() -> None:
    site = Site()
    none, unknown = site.manager.anonymous(), site.visit("nonsense")
    none.logout()
    unknown.logout()

    assert site.manager.commit(none) == NO_REPLY
    assert site.manager.commit(unknown) == Reply(clear=True)
    assert (none.status, unknown.status) == ("none", "none")


def test_a_log_out_of_an_ended_session_clears_the_cookie() -> None:
    site = Site()
    token = site.begin("ada")
    site.manager.revoke(id_of(token))
    session = site.visit(token)
    session.logout()

    assert site.manager.commit(session) == Reply(clear=True)
    assert site.visit(token).end_reason == "revoked"


def test_nobody_but_who_logs_out_clears_the_cookie() -> None:
    site = Site()
    token = site.begin("ada")
    site.manager.revoke(id_of(token))

    for session in (site.visit(token), site.visit("nonsense"), site.visit(mint(None, os.urandom).reveal())):
        assert not site.manager.commit(session).clear


def test_what_is_set_after_a_log_out_is_a_new_session() -> None:
    site = Site()
    token = site.begin("ada", secret=1)
    session = site.visit(token)
    session.logout()
    session["notice"] = "Bye"
    reply = site.manager.commit(session)

    assert reply.token is not None
    assert not reply.clear
    again = site.visit(reply.token.reveal())
    assert (again.user_id, dict(again)) == (None, {"notice": "Bye"})
    assert site.visit(token).end_reason == "logout"
    assert [type(event).__name__ for event in site.events] == ["Ended", "SessionCreated"]


def test_what_is_set_after_a_log_out_is_kept_though_the_session_had_ended_meanwhile() -> None:
    site = Site()
    token = site.begin("ada", secret=1)
    session = site.visit(token)
    site.manager.revoke(id_of(token))
    session.logout()
    session["notice"] = "Bye"
    fresh = site.commit(session)

    assert fresh is not None
    assert dict(site.visit(fresh)) == {"notice": "Bye"}
    assert site.visit(token).end_reason == "revoked"


def test_a_log_out_and_a_log_in_are_a_new_session_of_the_other() -> None:
    site = Site()
    token = site.begin("ada", secret=1)
    session = site.visit(token)
    session.logout()
    session.login("eve")
    fresh = site.commit(session)

    assert fresh is not None
    assert (site.visit(fresh).user_id, dict(site.visit(fresh))) == ("eve", {})
    assert site.visit(token).end_reason == "logout"
