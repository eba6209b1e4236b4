"""Where a policy departs from NIST SP 800-63B-4: at each limit exactly, and not a second before."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sojourn import Lifetime, Policy
from sojourn.admin.nist import AALS, LIMITS, Departure, NistLimit, departures

HOUR, DAY = 3600, 86400
WITHOUT_REMEMBER = Policy(remember=None)


def test_the_limits_are_those_of_the_standard() -> None:
    said = {(limit.aal, limit.timeout): (limit.seconds, limit.word, limit.section) for limit in LIMITS}
    assert said == {
        (1, "absolute_timeout"): (30 * DAY, "SHOULD", "2.1.3"),
        (2, "absolute_timeout"): (24 * HOUR, "SHOULD", "2.2.3"),
        (2, "idle_timeout"): (HOUR, "SHOULD", "2.2.3"),
        (3, "absolute_timeout"): (12 * HOUR, "SHALL", "2.3.3"),
        (3, "idle_timeout"): (15 * 60, "SHOULD", "2.3.3"),
    }


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: f"AAL{limit.aal}-{limit.timeout}")
def test_a_policy_at_the_limit_is_within_and_a_second_more_departs(limit: NistLimit) -> None:
    strict = replace(WITHOUT_REMEMBER, idle_timeout=60, absolute_timeout=120)
    if limit.timeout == "idle_timeout":
        at = replace(strict, idle_timeout=limit.seconds, absolute_timeout=limit.seconds)
        over = replace(strict, idle_timeout=limit.seconds + 1, absolute_timeout=limit.seconds + 1)
    else:
        at = replace(strict, absolute_timeout=limit.seconds)
        over = replace(strict, absolute_timeout=limit.seconds + 1)
    assert departures(at, limit.aal) == []
    expected = Departure(limit.aal, limit.timeout, limit.seconds + 1, limit.seconds, limit.word, limit.section)
    assert departures(over, limit.aal) == [expected]


def test_aal1_asks_for_no_inactivity_timeout() -> None:
    assert departures(Policy(remember=None, idle_timeout=30 * DAY, absolute_timeout=30 * DAY), 1) == []


def test_the_default_without_remember_is_within_aal2_and_idles_too_long_for_aal3() -> None:
    assert departures(WITHOUT_REMEMBER, 1) == departures(WITHOUT_REMEMBER, 2) == []
    assert [found.setting for found in departures(WITHOUT_REMEMBER, 3)] == ["idle_timeout"]


def test_a_remembered_log_in_departs_everywhere_as_its_secret_outlives_the_browser() -> None:
    short = Policy(remember=Lifetime(idle_timeout=60, absolute_timeout=120), idle_timeout=60)
    for aal in AALS:
        assert departures(short, aal) == [Departure(aal, "remember", None, None, "SHOULD NOT", "5.1")]
    assert [found.setting for found in departures(Policy(), 2)] == [
        "remember.absolute_timeout",
        "remember.idle_timeout",
        "remember",
    ]
