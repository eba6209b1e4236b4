"""After an end nothing brings the session back: not a slow request, not an old cookie (R1–R5, R11, R12; ASVS 7.4.1)."""

from __future__ import annotations

import asyncio

import pytest

from sojourn import Policy
from sojourn.core.store import Commit, Refused
from tests.security.application import SLOW
from tests.security.conftest import MakeSite
from tests.security.site import COOKIE, Answer, Browser, Gate, Site, cookie, log_in, token_of, user_of

ROTATING = Policy(rotate_interval=0, touch_interval=0)


async def overtaken(site: Site, browser: Browser, what: str) -> tuple[asyncio.Task[Answer], str]:
    """A request under way that opened the session and will do `what`, and the token that it was sent with."""
    site.gate, token = Gate(), token_of(browser)
    request = asyncio.create_task(site.browser().post(f"/slow/{what}", headers=cookie(token)))
    await site.gate.reached.wait()
    return request, token


@pytest.mark.parametrize("what", SLOW)
async def test_a_slow_request_that_finishes_after_the_logout_does_not_revive_the_session(
    make_site: MakeSite, what: str
) -> None:
    site = make_site(policy=ROTATING)
    browser = site.browser()
    token = await log_in(browser, cart=[])
    request, token = await overtaken(site, browser, what)
    assert (await browser.post("/session/logout")).json()["end_reason"] == "logout"

    site.gate.go.set()
    late = await request

    assert "set-cookie" not in late.headers
    assert late.status_code == (200 if what == "rotate" else 401)
    if what != "rotate":
        assert late.json()["type"] == "urn:sojourn:problem:session-ended"
    assert await user_of(site, token) is None
    assert (await site.manager.stats()).live == 0


@pytest.mark.parametrize("what", SLOW)
async def test_a_slow_request_does_not_revive_a_revoked_session(make_site: MakeSite, what: str) -> None:
    site = make_site(policy=ROTATING)
    browser = site.browser()
    await log_in(browser, cart=[])
    request, token = await overtaken(site, browser, what)
    await site.manager.revoke_all("ada")

    site.gate.go.set()

    assert "set-cookie" not in (await request).headers
    assert await user_of(site, token) is None
    assert (await site.manager.stats()).live == 0


@pytest.mark.parametrize("what", SLOW)
async def test_a_slow_request_does_not_revive_a_session_that_ran_out_meanwhile(make_site: MakeSite, what: str) -> None:
    site = make_site(policy=Policy(idle_timeout=100, absolute_timeout=150, touch_interval=0, rotate_interval=0))
    browser = site.browser()
    await log_in(browser, cart=[])
    request, token = await overtaken(site, browser, what)
    site.clock.pass_seconds(151)

    site.gate.go.set()

    assert "set-cookie" not in (await request).headers
    assert await user_of(site, token) is None
    assert (await site.manager.stats()).live == 0


async def test_a_commit_never_creates_a_row(site: Site) -> None:
    write = Commit(id="0" * 32, now=site.clock(), increments={"n": 1}, seen_at=site.clock(), max_bytes=1000)

    assert await site.store.commit(write) == Refused(None)
    assert await site.rows() == 0


async def test_every_token_of_a_session_is_dead_after_the_logout(make_site: MakeSite) -> None:
    site = make_site(policy=Policy(rotate_interval=100, touch_interval=0))
    browser = site.browser()
    tokens = [await log_in(browser)]
    for _ in range(4):
        site.clock.pass_seconds(101)
        await browser.get("/me")  # the answer holds the next token
        await browser.get("/me")  # which becomes the current one when it is shown
        tokens.append(token_of(browser))
    assert len(set(tokens)) == 5

    await browser.post("/logout")

    assert token_of(browser) == ""
    assert [await user_of(site, token) for token in tokens] == [None] * 5


async def test_an_old_cookie_is_dead_after_its_time_whatever_max_age_the_browser_made_of_it(site: Site) -> None:
    browser = site.browser()
    token = await log_in(browser)
    site.clock.pass_seconds(12 * 3600 + 1)

    answer = await site.browser().get("/session/", headers=cookie(token + "; Max-Age=99999999; Expires=never"))

    assert answer.json()["status"] in ("ended", "none")
    assert await user_of(site, token) is None


async def test_loading_and_saving_keeps_the_instant_of_expiry(site: Site) -> None:
    browser = site.browser()
    await log_in(browser)
    expires_at = (await browser.get("/session/")).json()["absolute_expires_at"]

    for _ in range(5):
        site.clock.pass_seconds(600)
        await browser.post("/put", json={"n": site.clock()})

    assert (await browser.get("/session/")).json()["absolute_expires_at"] == expires_at


async def test_a_cleared_session_is_stored_as_empty_and_a_logout_leaves_no_data(site: Site) -> None:
    browser = site.browser()
    token = await log_in(browser, secret="x")
    await browser.post("/clear")
    assert (await browser.get("/me")).json()["data"] == {}

    await browser.post("/put", json={"secret": "y"})
    id = (await browser.get("/session/")).json()["id"]
    await browser.post("/logout")

    record = await site.store.get(id)
    assert record is not None
    assert dict(record.data) == {}
    assert await user_of(site, token) is None


async def test_only_the_request_that_logs_out_clears_the_cookie(site: Site) -> None:
    browser = site.browser()
    stale = await log_in(browser)
    await log_in(browser)

    for path in ("/me", "/session/", "/public", "/private"):
        assert "set-cookie" not in (await site.browser().get(path, headers=cookie(stale))).headers
    # Without a cookie there is nothing to clear, and a log-in in another tab to spoil.
    assert "set-cookie" not in (await site.browser().post("/session/logout")).headers
    cleared = (await browser.post("/session/logout")).headers["set-cookie"]
    assert cleared == f"{COOKIE}=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax"


async def test_a_get_does_not_log_out(site: Site) -> None:
    browser = site.browser()
    token = await log_in(browser)

    for path in ("/session/logout", "/session/start", "/session/touch"):
        answer = await browser.get(path)
        assert (answer.status_code, answer.json()["type"]) == (405, "urn:sojourn:problem:method-not-allowed")

    assert await user_of(site, token) == "ada"
