"""Both timeouts hold, judged by the server at each request (R4, R5; ASVS 7.2.1, 7.3.1, 7.3.2). No clean-up runs."""

from __future__ import annotations

import pytest

from sojourn import Policy
from sojourn.core.events import Ended
from tests.security.conftest import MakeSite
from tests.security.site import Site, cookie, log_in, token_of, user_of

POLICY = Policy(idle_timeout=600, absolute_timeout=3600, touch_interval=0, rotate_interval=300)


@pytest.fixture
def site(make_site: MakeSite) -> Site:
    return make_site(policy=POLICY)


async def test_a_session_opens_until_the_last_second_of_its_idle_timeout_and_not_after(site: Site) -> None:
    early, late = await log_in(site.browser()), await log_in(site.browser())

    site.clock.pass_seconds(599)
    assert await user_of(site, early) == "ada"
    site.clock.pass_seconds(1)
    assert await user_of(site, late) is None

    assert [event.reason for event in site.events if isinstance(event, Ended)] == ["idle_timeout"]


async def test_activity_never_moves_the_absolute_timeout(site: Site) -> None:
    browser = site.browser()
    await log_in(browser)
    dies_at = site.clock.now + 3600_000

    while site.clock.now < dies_at - 60_000:
        site.clock.pass_seconds(60)
        assert (await browser.post("/session/touch")).json()["absolute_expires_at"] == dies_at
        assert (await browser.get("/session/")).json()["expires_at"] <= dies_at

    site.clock.pass_seconds(60)
    state = (await browser.get("/session/")).json()
    assert (state["status"], state["end_reason"]) == ("ended", "absolute_timeout")


async def test_neither_rotation_nor_regenerating_moves_the_absolute_timeout(site: Site) -> None:
    browser = site.browser()
    tokens = {await log_in(browser)}
    dies_at = site.clock.now + 3600_000

    for _ in range(10):
        site.clock.pass_seconds(301)
        await browser.get("/me")
        await browser.post("/regenerate")
        tokens.add(token_of(browser))
        assert (await browser.get("/session/")).json()["absolute_expires_at"] == dies_at
    assert len(tokens) == 11

    site.clock.pass_seconds(591)
    assert (await browser.get("/session/")).json()["end_reason"] == "absolute_timeout"


@pytest.mark.parametrize("path", ["/poll", "/session/", "/session/sessions"])
async def test_passive_polling_does_not_keep_a_session_alive(site: Site, path: str) -> None:
    browser = site.browser()
    await log_in(browser)

    for _ in range(59):
        site.clock.pass_seconds(10)
        assert (await browser.get(path)).status_code == 200
    assert (await browser.get("/session/")).json()["status"] == "active"
    site.clock.pass_seconds(10)

    assert (await browser.get("/session/")).json()["end_reason"] == "idle_timeout"


async def test_requests_of_others_with_the_public_id_do_not_keep_a_session_alive(site: Site) -> None:
    token = await log_in(site.browser())
    for _ in range(60):
        site.clock.pass_seconds(10)
        await user_of(site, token[:37] + "0" * 64)

    assert await user_of(site, token) is None


async def test_a_session_that_ran_out_gives_no_data_and_takes_none(site: Site) -> None:
    browser = site.browser()
    token = await log_in(browser, cart=["book"])
    site.clock.pass_seconds(600)

    state = (await browser.get("/session/")).json()
    assert (state["user_id"], state["data"]) == (None, {})
    refused = await browser.patch("/session/", json={"set": {"theme": "dark"}})
    assert (refused.status_code, refused.json()["end_reason"]) == (401, "idle_timeout")
    assert (await browser.get("/private")).status_code == 401
    record = await site.store.get(token[4:36])
    assert record is not None
    assert dict(record.data) == {}


async def test_a_session_that_ran_out_does_not_come_back_when_the_clock_is_set_back(site: Site) -> None:
    browser = site.browser()
    token = await log_in(browser)
    site.clock.pass_seconds(600)
    assert await user_of(site, token) is None

    site.clock.pass_seconds(-600)

    assert await user_of(site, token) is None


async def test_what_the_browser_says_of_the_time_changes_nothing(site: Site) -> None:
    token = await log_in(site.browser())
    site.clock.pass_seconds(600)

    headers = [*cookie(token), (b"date", b"Thu, 01 Jan 1970 00:00:00 GMT"), (b"if-modified-since", b"0")]
    body = {"expires_at": 9e15, "absolute_expires_at": 9e15, "seen_at": 9e15, "now": 0}
    answer = await site.browser().post("/session/touch", headers=headers, json=body)

    assert answer.status_code == 401


async def test_a_stolen_token_that_is_used_after_its_rotation_ends_the_session_and_tells(site: Site) -> None:
    browser = site.browser()
    stolen = await log_in(browser)
    site.clock.pass_seconds(301)
    await browser.get("/me")
    await browser.get("/me")
    assert token_of(browser) != stolen
    site.clock.pass_seconds(61)

    assert await user_of(site, stolen) is None

    assert (await browser.get("/session/")).json()["end_reason"] == "token_reuse"
    assert [type(event).__name__ for event in site.events[-2:]] == ["TokenReused", "Ended"]


async def test_a_session_that_ran_out_sends_nobody_to_where_the_request_says_it_came_from(site: Site) -> None:
    browser = site.browser(referer="https://evil.test/", host="evil.test")
    await log_in(browser)
    site.clock.pass_seconds(600)

    for path in ("/private", "/session/", "/session/sessions", "/me"):
        answer = await browser.get(path)
        assert answer.status_code in (200, 401)
        assert "location" not in answer.headers
        assert "evil" not in answer.text
