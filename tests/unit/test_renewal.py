"""Rotation as browsers meet it, thieves too: what a token is good for, and for how long. Over a store in memory."""

from __future__ import annotations

from sojourn import (
    Policy,
    Session,
)
from sojourn.core.token import parse
from sojourn.testing.records import HOUR, MINUTE, NOW
from tests.unit.site import Site, id_of

SECOND = 1000


# Rotation


def rotated(site: Site, token: str) -> str:
    """The next token, issued after an hour and shown once."""
    site.clock.forward(HOUR)
    fresh = site.commit(_lively(site, token))
    assert fresh is not None
    site.commit(_lively(site, fresh))
    site.events.clear()
    return fresh


def _lively(site: Site, token: str) -> Session:
    session = site.visit(token)
    assert session.status == "active", session.end_reason
    return session


LONG = Policy(idle_timeout=86400, absolute_timeout=86400)


def test_a_due_rotation_issues_a_token_and_keeps_the_old_one_until_it_is_shown() -> None:
    site = Site(LONG)
    token = site.begin(a=1)
    site.clock.forward(HOUR)
    fresh = site.commit(_lively(site, token))

    assert fresh is not None
    assert id_of(fresh) == id_of(token)
    assert fresh != token
    site.clock.forward(20 * HOUR)
    assert site.visit(token).status == "active"
    assert site.told() == []


def test_a_burst_of_requests_is_issued_one_token() -> None:
    site = Site(LONG)
    token = site.begin()
    site.clock.forward(HOUR)
    burst = [_lively(site, token) for _ in range(5)]
    issued = [site.commit(session) for session in burst]

    assert sum(fresh is not None for fresh in issued) == 1
    assert len(site.record(token).secrets.next) == 1


def test_a_lost_answer_costs_ten_seconds_and_another_token() -> None:
    site = Site(LONG)
    token = site.begin()
    site.clock.forward(HOUR)
    first = site.commit(_lively(site, token))
    site.clock.forward(10 * SECOND - 1)
    assert site.commit(_lively(site, token)) is None
    site.clock.forward(1)
    second = site.commit(_lively(site, token))

    assert first is not None
    assert second is not None
    assert site.visit(first).status == site.visit(second).status == "active"


def test_the_first_show_of_the_next_token_makes_it_the_current_one() -> None:
    site = Site(LONG)
    token = site.begin()
    site.clock.forward(HOUR)
    fresh = site.commit(_lively(site, token))
    assert fresh is not None
    site.commit(_lively(site, fresh))

    shown, old = parse(fresh), parse(token)
    assert shown is not None
    assert old is not None
    secrets = site.record(token).secrets
    assert (secrets.current, secrets.rotated_at, secrets.next) == (shown.hash, NOW + HOUR, ())
    assert [known.hash for known in secrets.retired] == [old.hash]
    assert site.told() == ["Rotated"]


def test_two_first_shows_at_once_are_one_rotation() -> None:
    site = Site(LONG)
    token = site.begin()
    site.clock.forward(HOUR)
    fresh = site.commit(_lively(site, token))
    assert fresh is not None
    one, other = _lively(site, fresh), _lively(site, fresh)
    other["a"] = 1
    site.commit(one)
    site.commit(other)

    assert site.told() == ["Rotated"]
    assert len(site.record(token).secrets.retired) == 1
    assert _lively(site, fresh)["a"] == 1


def test_a_retired_token_is_good_for_the_grace() -> None:
    site = Site(LONG)
    token = site.begin()
    rotated(site, token)
    site.clock.forward(MINUTE - 1)
    late = _lively(site, token)
    late["a"] = 1

    assert site.commit(late) is None
    assert site.told() == []


def test_a_retired_token_shown_after_the_grace_ends_the_session_for_both() -> None:
    site = Site(LONG)
    token = site.begin("ada")
    fresh = rotated(site, token)
    site.clock.forward(MINUTE)
    thief = site.visit(token)

    assert (thief.status, thief.end_reason) == ("ended", "token_reuse")
    assert site.visit(fresh).end_reason == "token_reuse"
    assert site.told() == ["TokenReused", "Ended"]


def test_a_retired_token_of_a_session_that_is_over_ends_nothing_anew() -> None:
    site = Site(LONG)
    token = site.begin("ada")
    fresh = rotated(site, token)
    site.manager.revoke(id_of(fresh))
    site.events.clear()
    site.clock.forward(HOUR)

    assert site.visit(token).end_reason == "revoked"
    assert site.events == []


def test_rotation_changes_no_version_and_goes_with_a_change_in_one_write() -> None:
    site = Site(LONG)
    token = site.begin(a=1)
    site.clock.forward(HOUR)
    session = _lively(site, token)
    session["a"] = 2
    fresh = site.commit(session)

    assert fresh is not None
    record = site.record(token)
    assert (record.version, record.data, len(record.secrets.next)) == (2, {"a": b"2"}, 1)


def test_rotation_goes_on_for_passive_requests_too() -> None:
    site = Site(LONG)
    token = site.begin()
    site.clock.forward(HOUR)
    session = _lively(site, token)
    session.passive = True

    assert site.commit(session) is not None
    assert site.record(token).seen_at == NOW


def test_a_remembered_sessions_renewed_token_lives_as_long_as_the_session() -> None:
    site = Site()
    token = site.begin("ada", remember=True)
    site.clock.forward(HOUR)

    assert site.manager.commit(_lively(site, token)).max_age == 30 * 86400 - 3600


def test_without_an_interval_nothing_is_ever_issued() -> None:
    site = Site(Policy(idle_timeout=86400, absolute_timeout=86400, rotate_interval=None))
    token = site.begin()
    site.clock.forward(23 * HOUR)

    assert site.commit(_lively(site, token)) is None
