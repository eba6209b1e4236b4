"""Log-ins, changes of rights and second users rotate the token (R8–R10, R13, R14, R19, R31, R34, R47; ASVS 7.2.4)."""

from __future__ import annotations

import asyncio

import pytest

from sojourn import Policy
from tests.security.conftest import MakeSite
from tests.security.site import Gate, Site, cookie, log_in, token_of, user_of


async def start(site: Site) -> str:
    """An anonymous session, as anybody can have one; its token."""
    browser = site.browser()
    await browser.post("/session/start", json={"data": {"theme": "planted"}})
    return token_of(browser)


@pytest.mark.parametrize("remember", [False, True])
async def test_a_token_from_before_the_log_in_is_worth_nothing_after_it(site: Site, remember: bool) -> None:
    planted = await start(site)

    answer = await site.browser().post("/login", json={"user": "ada", "remember": remember}, headers=cookie(planted))

    issued = answer.cookies["__Host-session"]
    assert issued[4:36] != planted[4:36]
    assert issued[37:] != planted[37:]
    assert await user_of(site, planted) is None
    assert await user_of(site, issued) == "ada"
    # At once: no grace for the old one.
    state = (await site.browser().get("/session/", headers=cookie(planted))).json()
    assert (state["status"], state["end_reason"], state["user_id"], state["data"]) == ("ended", "replaced", None, {})


async def test_the_same_holds_for_a_bearer_token(make_site: MakeSite) -> None:
    site = make_site(script_readable_tokens=True)
    bearer = {"sojourn-transport": "bearer"}
    planted = (await site.browser().post("/session/start", headers=bearer)).headers["sojourn-token"]
    held = {**bearer, "authorization": f"Bearer {planted}"}

    answer = await site.browser().post("/login", json={"user": "ada"}, headers=held)

    issued = answer.headers["sojourn-token"]
    assert issued[4:36] != planted[4:36]
    assert (await site.browser().get("/me", headers=held)).json()["user"] is None
    assert (await site.browser().get("/me", headers={"authorization": f"Bearer {issued}"})).json()["user"] == "ada"


async def test_a_token_that_an_attacker_made_up_gains_nothing_by_the_victims_log_in(site: Site) -> None:
    chosen = f"sj1-{'e' * 32}-{'f' * 64}"

    answer = await site.browser().post("/login", json={"user": "ada"}, headers=cookie(chosen))

    assert answer.cookies["__Host-session"] != chosen
    assert await user_of(site, chosen) is None


async def test_logging_in_again_rotates_and_ends_the_one_before(site: Site) -> None:
    browser = site.browser()
    first = await log_in(browser, cart=["book"])
    second = await log_in(browser)

    assert second[4:36] != first[4:36]
    assert await user_of(site, first) is None
    assert (await browser.get("/me")).json()["data"] == {"cart": ["book"]}
    assert (await site.manager.stats()).live == 1


async def test_regenerating_rotates_and_ends_the_one_before(site: Site) -> None:
    browser = site.browser()
    first = await log_in(browser)
    await browser.post("/regenerate")

    assert token_of(browser)[4:36] != first[4:36]
    assert await user_of(site, first) is None
    assert await user_of(site, token_of(browser)) == "ada"


async def test_many_log_ins_on_one_planted_token_leave_the_planted_one_dead(site: Site) -> None:
    planted = await start(site)

    answers = await asyncio.gather(
        *[site.browser().post("/login", json={"user": f"u{n}"}, headers=cookie(planted)) for n in range(20)]
    )

    issued = [answer.cookies["__Host-session"] for answer in answers]
    assert len({token[4:36] for token in issued}) == 20
    assert [await user_of(site, token) for token in issued] == [f"u{n}" for n in range(20)]
    assert await user_of(site, planted) is None


async def test_another_user_in_the_same_browser_gets_nothing_of_the_one_before(site: Site) -> None:
    browser = site.browser()
    before = await log_in(browser, "ada", cart=["ada's"], note="private")

    await log_in(browser, "bob", theme="dark")

    assert (await browser.get("/me")).json() == {"user": "bob", "status": "active", "data": {"theme": "dark"}}
    assert await user_of(site, before) is None


async def test_nor_does_a_slow_request_of_the_one_before_write_into_the_new_session(site: Site) -> None:
    browser = site.browser()
    before = await log_in(browser, "ada", cart=["ada's"])
    site.gate = Gate()
    slow = asyncio.create_task(site.browser().post("/slow/append", headers=cookie(before)))
    await site.gate.reached.wait()

    await log_in(browser, "bob")
    site.gate.go.set()

    assert (await slow).status_code == 401
    assert (await browser.get("/me")).json()["data"] == {}


async def test_a_changed_password_ends_the_other_sessions_and_rotates_this_one(site: Site) -> None:
    browser, others = site.browser(), [site.browser() for _ in range(5)]
    mine = await log_in(browser)
    theirs = [await log_in(other) for other in others]
    stranger = await log_in(site.browser(), "bob")

    assert (await browser.post("/password")).json() == {"ended": 5}

    assert [await user_of(site, token) for token in (mine, *theirs)] == [None] * 6
    assert await user_of(site, token_of(browser)) == "ada"
    assert await user_of(site, stranger) == "bob"
    assert (await others[0].get("/session/")).json()["end_reason"] == "revoked"


async def test_a_user_who_loses_a_right_or_the_account_is_out_everywhere_with_the_next_request(site: Site) -> None:
    tokens = [await log_in(site.browser(), "ada") for _ in range(50)]
    kept = await log_in(site.browser(), "bob")

    assert await site.manager.revoke_all("ada") == 50

    assert [await user_of(site, token) for token in tokens] == [None] * 50
    assert await user_of(site, kept) == "bob"


async def test_a_session_before_the_second_factor_is_nobodys(site: Site) -> None:
    browser = site.browser()
    await browser.post("/put", json={"password_was_right_for": "ada"})

    answer = await browser.get("/private")

    assert (answer.status_code, answer.json()["type"]) == (401, "urn:sojourn:problem:login-required")


async def test_a_user_named_in_a_request_is_not_logged_in_by_it(site: Site) -> None:
    browser = site.browser()

    for body in ({"user_id": "ada"}, {"data": {}, "user_id": "ada", "authenticated_at": 1}):
        assert (await browser.post("/session/start", json=body)).json()["user_id"] is None
    for key in ("user_id", "_user"):
        assert (await browser.post("/session/start", json={"data": {key: "ada"}})).status_code == 403
    await browser.patch("/session/", json={"set": {"theme": "x"}, "user_id": "ada"})
    assert (await browser.get("/session/sessions?user_id=ada")).status_code == 401
    assert (await browser.get("/private?user=ada")).status_code == 401


async def test_a_session_alone_never_counts_as_a_fresh_log_in(make_site: MakeSite) -> None:
    site = make_site(policy=Policy(rotate_interval=60, touch_interval=0))
    browser = site.browser()
    await log_in(browser)
    assert (await browser.post("/email")).status_code == 200
    site.clock.pass_seconds(301)

    for method, path in (
        ("GET", "/me"),
        ("POST", "/session/touch"),
        ("POST", "/regenerate"),
        ("POST", "/session/start"),
    ):
        await browser.request(method, path)
        answer = await browser.post("/email")
        assert (answer.status_code, answer.json()["type"]) == (401, "urn:sojourn:problem:reauthentication-required")

    await log_in(browser)
    assert (await browser.post("/email")).status_code == 200
