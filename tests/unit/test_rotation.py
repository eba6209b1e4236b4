"""Rotation: which secret was shown, and what follows."""

from __future__ import annotations

import os

import pytest

from sojourn import Policy
from sojourn.core.record import Dated, Secrets
from sojourn.core.rotation import FIRST_PAUSE_MS, MAX_RETIRED, STALLED_AFTER, issue, issue_is_due, promote, which
from sojourn.core.token import Token, mint
from sojourn.testing.records import HOUR, MINUTE, NOW

CURRENT = mint("ada", os.urandom)
NEXT, LATER, BESIDE, OLD, OLDER, FORGOTTEN = (CURRENT.renewed(os.urandom) for _ in range(6))
FOREIGN = Token(CURRENT.id, mint(None, os.urandom).reveal()[37:])
SECRETS = Secrets(
    CURRENT.family,
    CURRENT.hash,
    NOW,
    next=(Dated(NEXT.hash, NOW), Dated(LATER.hash, NOW)),
    late=(Dated(BESIDE.hash, NOW - HOUR),),
    retired=(Dated(OLDER.hash, NOW - HOUR), Dated(OLD.hash, NOW)),
)
ALONE = Secrets(CURRENT.family, CURRENT.hash, NOW)
POLICY = Policy()
LONG = 400 * 24 * HOUR


@pytest.mark.parametrize(
    ("shown", "after", "what"),
    [
        (CURRENT, 0, "current"),
        (CURRENT, LONG, "current"),
        (NEXT, 0, "next"),
        (LATER, LONG, "next"),
        (BESIDE, LONG, "next"),
        (OLD, 0, "retired"),
        (OLD, 59_999, "retired"),
        (OLD, 60_000, "reused"),
        (OLDER, 0, "reused"),
        (FORGOTTEN, 0, "reused"),
        (FOREIGN, 0, "unknown"),
        (mint("ada", os.urandom), 0, "unknown"),
    ],
)
def test_what_a_secret_is_to_its_session(shown: Token, after: int, what: str) -> None:
    assert which(SECRETS, shown, POLICY, NOW + after) == what


def test_without_a_grace_a_retired_secret_is_reused_at_once() -> None:
    assert which(SECRETS, OLD, Policy(rotate_grace=0), NOW) == "reused"


# The deadline


def issued(number: int, first: int = NOW + HOUR) -> Secrets:
    """With so many issued for the current one, each as soon as it was due."""
    secrets, at = ALONE, first
    for _ in range(number):
        assert issue_is_due(secrets, POLICY, at)
        secrets = issue(secrets, os.urandom(16), at)
        at += FIRST_PAUSE_MS * 2 ** (len(secrets.next) - 1)
    return secrets


@pytest.mark.parametrize(
    ("number", "since_the_first", "what"),
    [
        (STALLED_AFTER, HOUR - 1, "current"),
        (STALLED_AFTER, HOUR, "stalled"),
        (STALLED_AFTER + 2, HOUR, "stalled"),
        (STALLED_AFTER - 1, LONG, "current"),
    ],
)
def test_the_current_secret_has_an_interval_from_the_first_of_six_new_ones(
    number: int, since_the_first: int, what: str
) -> None:
    assert which(issued(number), CURRENT, POLICY, NOW + HOUR + since_the_first) == what


def test_what_was_issued_beside_the_one_before_does_not_count_for_the_deadline() -> None:
    secrets = issued(STALLED_AFTER)
    late = promote(
        Secrets(secrets.family, secrets.current, NOW, secrets.next, (Dated(BESIDE.hash, NOW),)),
        BESIDE.hash,
        POLICY,
        NOW + 2 * HOUR,
    )

    assert len(late.next) == STALLED_AFTER
    assert which(late, BESIDE, POLICY, NOW + 40 * HOUR) == "current"


def test_without_renewal_there_is_no_deadline() -> None:
    never = Policy(rotate_interval=None)

    assert which(issued(STALLED_AFTER), CURRENT, never, NOW + LONG) == "current"


# Promotion


def test_a_next_secret_that_is_shown_becomes_current_and_the_one_before_is_retired() -> None:
    after = promote(SECRETS, NEXT.hash, POLICY, NOW + 5)

    assert (after.family, after.current, after.rotated_at) == (CURRENT.family, NEXT.hash, NOW + 5)
    assert after.next == ()
    assert after.late == (Dated(LATER.hash, NOW),)
    assert after.retired == (Dated(OLD.hash, NOW), Dated(CURRENT.hash, NOW + 5))


def test_those_of_the_generation_before_are_gone_with_a_promotion() -> None:
    after = promote(SECRETS, NEXT.hash, POLICY, NOW + 5)

    assert which(after, BESIDE, POLICY, NOW + 5) == "reused"
    assert which(after, LATER, POLICY, NOW + LONG) == "next"


def test_one_of_a_late_answer_becomes_current_and_leaves_those_that_were_issued_since() -> None:
    after = promote(SECRETS, BESIDE.hash, POLICY, NOW + 5)

    assert (after.current, after.next, after.late) == (BESIDE.hash, SECRETS.next, ())
    assert which(after, NEXT, POLICY, NOW + LONG) == "next"
    assert which(after, CURRENT, POLICY, NOW + 5) == "retired"


def test_a_secret_that_was_retired_longer_ago_than_the_grace_is_forgotten_and_still_known_for_reused() -> None:
    after = promote(SECRETS, NEXT.hash, POLICY, NOW + 2 * MINUTE)

    assert [known.hash for known in after.retired] == [CURRENT.hash]
    assert which(after, OLDER, POLICY, NOW + 2 * MINUTE) == "reused"


# Issuing


def test_an_issued_secret_is_the_last_of_the_next_and_changes_nothing_else() -> None:
    after = issue(SECRETS, b"f" * 16, NOW + 5)

    assert after.next == (*SECRETS.next, Dated(b"f" * 16, NOW + 5))
    assert (after.family, after.current, after.rotated_at) == (CURRENT.family, CURRENT.hash, NOW)
    assert (after.late, after.retired) == (SECRETS.late, SECRETS.retired)


@pytest.mark.parametrize(
    ("secrets", "policy", "after", "due"),
    [
        (ALONE, POLICY, HOUR - 1, False),
        (ALONE, POLICY, HOUR, True),
        (ALONE, Policy(rotate_interval=0), 0, True),
        (ALONE, Policy(rotate_interval=None), LONG, False),
        (issue(ALONE, NEXT.hash, NOW + HOUR), POLICY, HOUR + FIRST_PAUSE_MS - 1, False),
        (issue(ALONE, NEXT.hash, NOW + HOUR), POLICY, HOUR + FIRST_PAUSE_MS, True),
        (issued(2), POLICY, HOUR + 3 * FIRST_PAUSE_MS - 1, False),
        (issued(2), POLICY, HOUR + 3 * FIRST_PAUSE_MS, True),
        (Secrets(CURRENT.family, CURRENT.hash, 0), POLICY, 0, True),
    ],
)
def test_a_new_secret_is_due_at_the_interval_and_then_after_pauses_that_double(
    secrets: Secrets, policy: Policy, after: int, due: bool
) -> None:
    assert issue_is_due(secrets, policy, NOW + after) is due


def test_however_often_somebody_asks_few_secrets_are_kept_for_thirty_days() -> None:
    secrets = ALONE
    for minute in range(30 * 24 * 60):
        now = NOW + HOUR + minute * MINUTE
        if issue_is_due(secrets, POLICY, now):
            secrets = issue(secrets, os.urandom(16), now)

    assert len(secrets.next) == 18


def test_where_each_request_renews_no_secret_is_forgotten_within_its_grace() -> None:
    """With an interval of 0 a busy browser would retire any number of secrets: renewal waits instead."""
    policy = Policy(rotate_interval=0)
    secrets, shown = ALONE, [CURRENT]
    for second in range(120):
        now = NOW + second * 1000
        if issue_is_due(secrets, policy, now):
            fresh = shown[-1].renewed(os.urandom)
            shown.append(fresh)
            secrets = promote(issue(secrets, fresh.hash, now), fresh.hash, policy, now)
        recent = [known for known in secrets.retired if now < known.at + 60_000]
        assert len(recent) <= MAX_RETIRED
        assert {which(secrets, token, policy, now) for token in shown[-len(recent) - 1 :]} <= {"current", "retired"}
    assert len(shown) > 2 * MAX_RETIRED - 2
