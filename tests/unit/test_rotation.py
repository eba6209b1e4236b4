"""Rotation: which secret was shown, and what follows."""

from __future__ import annotations

import pytest

from sojourn import Policy
from sojourn.core.record import Dated, Secrets
from sojourn.core.rotation import ISSUE_PAUSE_MS, MAX_NEXT, MAX_RETIRED, issue, issue_is_due, promote, which
from sojourn.testing.records import HOUR, NOW

CURRENT, NEXT, LATER, OLD, OLDER = (letter * 32 for letter in (b"c", b"n", b"l", b"o", b"p"))
SECRETS = Secrets(CURRENT, NOW, (Dated(NEXT, NOW), Dated(LATER, NOW)), (Dated(OLDER, NOW - HOUR), Dated(OLD, NOW)))
GRACE = 60.0


@pytest.mark.parametrize(
    ("shown", "after", "what"),
    [
        (CURRENT, 0, "current"),
        (CURRENT, 400 * 24 * HOUR, "current"),
        (NEXT, 0, "next"),
        (LATER, 400 * 24 * HOUR, "next"),
        (OLD, 0, "retired"),
        (OLD, 59_999, "retired"),
        (OLD, 60_000, "reused"),
        (OLDER, 0, "reused"),
        (b"x" * 32, 0, "unknown"),
        (b"", 0, "unknown"),
        (CURRENT[:-1], 0, "unknown"),
    ],
)
def test_what_a_secret_is_to_its_session(shown: bytes, after: int, what: str) -> None:
    assert which(SECRETS, shown, GRACE, NOW + after) == what


def test_without_a_grace_a_retired_secret_is_reused_at_once() -> None:
    assert which(SECRETS, OLD, 0, NOW) == "reused"


def test_a_next_secret_that_is_shown_becomes_current_and_the_one_before_is_retired() -> None:
    after = promote(SECRETS, NEXT, NOW + 5)

    assert (after.current, after.rotated_at) == (NEXT, NOW + 5)
    assert after.next == (Dated(LATER, NOW),)
    assert after.retired == (*SECRETS.retired, Dated(CURRENT, NOW + 5))


def test_only_the_last_few_retired_secrets_are_known() -> None:
    secrets = SECRETS
    for number in range(MAX_RETIRED + 2):
        secrets = promote(issue(secrets, b"%032d" % number, NOW + number), b"%032d" % number, NOW + number)

    assert len(secrets.retired) == MAX_RETIRED
    assert secrets.retired[-1] == Dated(b"%032d" % (MAX_RETIRED), NOW + MAX_RETIRED + 1)
    assert which(secrets, OLD, GRACE, NOW) == "unknown"


def test_an_issued_secret_is_the_last_of_the_next_and_changes_nothing_else() -> None:
    after = issue(SECRETS, b"f" * 32, NOW + 5)

    assert after.next == (*SECRETS.next, Dated(b"f" * 32, NOW + 5))
    assert (after.current, after.rotated_at, after.retired) == (CURRENT, NOW, SECRETS.retired)


def test_the_oldest_of_too_many_next_secrets_is_forgotten() -> None:
    secrets = SECRETS
    for number in range(MAX_NEXT):
        secrets = issue(secrets, b"%032d" % number, NOW)

    assert len(secrets.next) == MAX_NEXT
    assert which(secrets, NEXT, GRACE, NOW) == "unknown"
    assert which(secrets, b"%032d" % 0, GRACE, NOW) == "next"


@pytest.mark.parametrize(
    ("secrets", "policy", "after", "due"),
    [
        (Secrets(CURRENT, NOW), Policy(), HOUR - 1, False),
        (Secrets(CURRENT, NOW), Policy(), HOUR, True),
        (Secrets(CURRENT, NOW), Policy(rotate_interval=0), 0, True),
        (Secrets(CURRENT, NOW), Policy(rotate_interval=None), 400 * 24 * HOUR, False),
        (Secrets(CURRENT, NOW, (Dated(NEXT, NOW + HOUR),)), Policy(), HOUR + ISSUE_PAUSE_MS - 1, False),
        (Secrets(CURRENT, NOW, (Dated(NEXT, NOW + HOUR),)), Policy(), HOUR + ISSUE_PAUSE_MS, True),
        (Secrets(CURRENT, NOW, (Dated(NEXT, NOW), Dated(LATER, NOW + HOUR))), Policy(), HOUR + 1, False),
    ],
)
def test_a_new_secret_is_due_at_the_interval_and_not_twice_in_ten_seconds(
    secrets: Secrets, policy: Policy, after: int, due: bool
) -> None:
    assert issue_is_due(secrets, policy, NOW + after) is due
