"""Sessions stay apart: users, requests, sites, other programs' data (R17, R22, R23, R32; ASVS 7.5.2)."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from sojourn import ConfigurationError, Policy
from sojourn.stores.sqlite import AsyncSQLiteStore
from tests.security.conftest import MakeSite
from tests.security.site import Browser, Site, cookie, log_in, token_of, user_of


async def test_500_concurrent_requests_of_500_users_never_mix(site: Site) -> None:
    browsers = {f"user{n}": site.browser() for n in range(500)}
    await asyncio.gather(*[log_in(browser, user, whose=user) for user, browser in browsers.items()])
    assert len({token_of(browser) for browser in browsers.values()}) == 500

    async def visit(user: str) -> None:
        await browsers[user].post("/put", json={"again": user})
        answer = await browsers[user].get("/me")
        assert answer.json() == {"user": user, "status": "active", "data": {"whose": user, "again": user}}

    await asyncio.gather(*map(visit, browsers))
    assert (await site.manager.stats()).users == 500


async def test_two_users_at_once_never_see_each_other(site: Site) -> None:
    ada, bob = site.browser(), site.browser()
    await log_in(ada, "ada")
    await log_in(bob, "bob")

    async def visit(browser: Browser, user: str) -> None:
        for n in range(50):
            await browser.post("/put", json={"n": n})
            assert (await browser.get("/me")).json() == {"user": user, "status": "active", "data": {"n": n}}

    await asyncio.gather(visit(ada, "ada"), visit(bob, "bob"))


async def test_a_user_can_end_only_sessions_of_their_own(site: Site) -> None:
    ada, eve = site.browser(), site.browser()
    mine, other = await log_in(ada, "ada"), await log_in(site.browser(), "ada")
    await log_in(eve, "eve")

    for id in (mine[4:36], other[4:36], "0" * 32):
        answer = await eve.delete(f"/session/sessions/{id}")
        assert (answer.status_code, answer.json()["type"]) == (404, "urn:sojourn:problem:not-found")
    assert (await eve.delete("/session/sessions")).json() == {"ended": 0}
    assert await user_of(site, mine) == await user_of(site, other) == "ada"

    assert (await ada.delete(f"/session/sessions/{other[4:36]}")).json() == {"ended": 1}
    assert await user_of(site, other) is None
    assert (await ada.delete(f"/session/sessions/{other[4:36]}")).status_code == 404


async def test_ones_other_sessions_are_ended_after_a_recent_log_in_alone_and_ones_own_at_any_time(
    make_site: MakeSite,
) -> None:
    site = make_site(policy=Policy(idle_timeout=2 * 3600))
    mine, other = site.browser(), site.browser()
    await log_in(mine)
    theirs = await log_in(other)
    site.clock.pass_seconds(901)

    for path in ("/session/sessions", f"/session/sessions/{theirs[4:36]}"):
        answer = await mine.delete(path)
        assert (answer.status_code, answer.json()["type"]) == (401, "urn:sojourn:problem:reauthentication-required")
        assert answer.json()["max_age"] == 900
    assert await user_of(site, theirs) == "ada"

    assert (await other.delete(f"/session/sessions/{theirs[4:36]}")).json() == {"ended": 1}
    await log_in(mine)
    await log_in(other)
    assert (await mine.delete("/session/sessions")).json() == {"ended": 1}


async def test_the_answer_to_a_strangers_id_is_the_same_as_to_one_that_never_was(site: Site) -> None:
    eve = site.browser()
    theirs = await log_in(site.browser(), "ada")
    await log_in(eve, "eve")

    first = await eve.delete(f"/session/sessions/{theirs[4:36]}")
    second = await eve.delete(f"/session/sessions/{'0' * 32}")

    assert (first.status_code, first.content) == (second.status_code, second.content)


async def test_the_list_shows_a_users_own_sessions_and_an_anonymous_browser_none(site: Site) -> None:
    ada, eve = site.browser(), site.browser()
    mine = await log_in(ada, "ada")
    await log_in(eve, "eve")
    anonymous = site.browser()
    await anonymous.post("/session/start")

    assert [one["id"] for one in (await ada.get("/session/sessions")).json()["sessions"]] == [mine[4:36]]
    for method, path in (("GET", "/session/sessions"), ("DELETE", "/session/sessions")):
        assert (await anonymous.request(method, path)).status_code == 401
    assert (await anonymous.delete(f"/session/sessions/{mine[4:36]}")).status_code == 401
    assert await user_of(site, mine) == "ada"


async def test_knowing_a_public_id_is_not_enough_to_end_or_read_the_session(site: Site) -> None:
    mine = await log_in(site.browser(), "ada")

    for guess in (mine[4:36], f"sj1-{mine[4:36]}", f"sj1-{mine[4:36]}-{'0' * 64}"):
        answer = await site.browser().post("/session/logout", headers=cookie(guess))
        assert answer.json()["status"] == "none"

    assert await user_of(site, mine) == "ada"


async def test_a_browser_sees_of_its_session_only_what_is_declared(site: Site) -> None:
    browser = site.browser()
    await log_in(browser, role="admin", cart=["book"], theme="dark")

    state = (await browser.get("/session/")).json()

    assert state["data"] == {"cart": ["book"], "theme": "dark"}
    assert (await browser.patch("/session/", json={"set": {"cart": []}})).status_code == 403


async def test_the_token_of_one_site_is_nothing_on_another_with_a_store_of_its_own(make_site: MakeSite) -> None:
    shop, admin = make_site(), make_site()
    token = await log_in(shop.browser())

    assert await user_of(shop, token) == "ada"
    assert await user_of(admin, token) is None


async def test_the_data_of_one_session_cannot_be_made_to_look_like_anothers_record(site: Site) -> None:
    browser = site.browser()
    token = await log_in(browser)
    forged = {"user_id": "admin", "record": '{"user_id":"admin"}', "secrets": {}, "a','b": 1, "\0": 2, "data": {}}

    await browser.post("/put", json=forged)

    assert (await browser.get("/me")).json() == {"user": "ada", "status": "active", "data": forged}
    assert await user_of(site, token) == "ada"


async def test_a_database_of_another_program_is_not_taken_for_a_session_store(tmp_path: Path) -> None:
    path = tmp_path / "app.sqlite3"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE session (id TEXT, data TEXT)")
    other.close()

    with pytest.raises(ConfigurationError, match="another program"):
        AsyncSQLiteStore(path)
