"""The most sessions that a user may have is never passed, however many log in at once (ASVS 7.1.2)."""

from __future__ import annotations

import asyncio

import pytest

from sojourn import ConfigurationError, Policy
from sojourn.core.events import Ended
from tests.security.conftest import MakeSite
from tests.security.site import log_in, user_of


@pytest.mark.parametrize("on_limit", ["end_oldest", "refuse"])
async def test_20_log_ins_at_once_leave_no_more_than_3_sessions(make_site: MakeSite, on_limit: str) -> None:
    site = make_site(policy=Policy(max_sessions=3, on_limit=on_limit))  # type: ignore[arg-type]

    answers = await asyncio.gather(*[site.browser().post("/login", json={"user": "ada"}) for _ in range(20)])

    assert len(await site.manager.list("ada")) == 3
    if on_limit == "refuse":
        assert sorted(answer.status_code for answer in answers) == [200] * 3 + [409] * 17
        problems = [answer for answer in answers if answer.status_code == 409]
        assert {answer.json()["type"] for answer in problems} == {"urn:sojourn:problem:session-limit"}
        assert not any("set-cookie" in answer.headers for answer in problems)
        assert await site.rows() == 3
    else:
        assert {answer.status_code for answer in answers} == {200}
        assert [event.reason for event in site.events if isinstance(event, Ended)] == ["limit"] * 17


async def test_the_oldest_goes_and_one_users_cap_is_not_anothers(make_site: MakeSite) -> None:
    site = make_site(policy=Policy(max_sessions=2))
    tokens = []
    for _ in range(3):
        tokens.append(await log_in(site.browser(), "ada"))
        site.clock.pass_seconds(1)
    others = [await log_in(site.browser(), "bob") for _ in range(2)]

    assert [await user_of(site, token) for token in tokens] == [None, "ada", "ada"]
    assert [await user_of(site, token) for token in others] == ["bob", "bob"]


async def test_logging_in_again_in_the_same_browser_takes_no_second_place(make_site: MakeSite) -> None:
    site = make_site(policy=Policy(max_sessions=1, on_limit="refuse"))
    browser = site.browser()
    await log_in(browser)
    await log_in(browser)

    assert len(await site.manager.list("ada")) == 1


async def test_a_session_that_ended_or_ran_out_takes_no_place(make_site: MakeSite) -> None:
    site = make_site(policy=Policy(max_sessions=1, on_limit="refuse"))
    browser = site.browser()
    await log_in(browser)
    assert (await site.browser().post("/login", json={"user": "ada"})).status_code == 409
    await browser.post("/logout")
    await log_in(site.browser())
    site.clock.pass_seconds(1800)
    await log_in(site.browser())

    assert len(await site.manager.list("ada")) == 1


@pytest.mark.parametrize(
    "settings",
    [
        {"idle_timeout": float("inf")},
        {"absolute_timeout": float("inf")},
        {"absolute_timeout": None},
        {"idle_timeout": 0},
        {"idle_timeout": float("nan")},
        {"idle_timeout": 7200, "absolute_timeout": 3600},
        {"max_sessions": 0},
        {"max_sessions": True},
        {"max_bytes": 1 << 30},
        {"rotate_grace": 1e9},
        {"on_limit": "ignore"},
    ],
)
def test_a_policy_without_limits_is_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        Policy(**settings)  # type: ignore[arg-type]
