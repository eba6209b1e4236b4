"""A token that we did not issue is never adopted and never makes a row (R6, R7, R15, R16, R18, R35; ASVS 7.2.2)."""

from __future__ import annotations

import asyncio
import os

import pytest

from sojourn.core.events import UnknownToken
from tests.security.conftest import MakeSite
from tests.security.site import COOKIE, Site, cookie, log_in, token_of, user_of

WELL_FORMED = f"sj1-{'a' * 32}-{'b' * 64}".encode()
LONG = 1_000_000

HOSTILE = {
    "empty": b"",
    "a space": b" ",
    "short": b"sj1-1-1",
    "an id alone": b"a" * 32,
    "another version": WELL_FORMED.replace(b"sj1", b"sj2"),
    "upper case": WELL_FORMED.upper(),
    "one digit more": WELL_FORMED + b"0",
    "one digit less": WELL_FORMED[:-1],
    "a letter past f": WELL_FORMED[:-1] + b"g",
    "a full-width digit": WELL_FORMED[:-1] + "\uff11".encode(),
    "an arabic digit": WELL_FORMED[:-1] + "\u0661".encode(),
    "NUL": WELL_FORMED[:-1] + b"\0",
    "NUL after it": WELL_FORMED + b"\0",
    "CRLF": WELL_FORMED + b"\r\nSet-Cookie: x=y",
    "a new line after it": WELL_FORMED[:-1] + b"\n",
    "quoted": b'"' + WELL_FORMED + b'"',
    "percent-encoded": WELL_FORMED.replace(b"-", b"%2D"),
    "a path": b"../../../../etc/passwd",
    "an encoded path": b"..%2f..%2fetc%2fpasswd",
    "a Windows path": b"..\\..\\boot.ini",
    "an absolute path": b"/etc/passwd",
    "SQL": b"' OR 1=1 --",
    "a wildcard": b"sj1-" + b"%" * 32 + b"-" + b"_" * 64,
    "a JWT": b"eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ.",
    "not UTF-8": b"\xff\xfe" * 50 + b"x",
    "one megabyte": b"a" * LONG,
    "a megabyte of tokens": WELL_FORMED * (LONG // len(WELL_FORMED)),
    "unknown and well formed": WELL_FORMED,
}


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE.keys())
async def test_a_token_that_was_not_issued_opens_an_empty_session_and_makes_no_row(site: Site, value: bytes) -> None:
    browser = site.browser()

    for method, path in (("GET", "/me"), ("GET", "/session/"), ("POST", "/session/logout")):
        answer = await browser.request(method, path, headers=cookie(value))
        assert (answer.status_code, answer.json()["status"]) == (200, "none")
    refused = await browser.request("PATCH", "/session/", headers=cookie(value), json={"set": {"theme": "dark"}})

    assert (refused.status_code, refused.json()["type"]) == (401, "urn:sojourn:problem:no-session")
    assert await site.rows() == 0
    cause = "unknown" if value == WELL_FORMED else "malformed"
    assert {event.cause for event in site.events if isinstance(event, UnknownToken)} == {cause}


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE.keys())
async def test_a_session_started_with_a_foreign_token_gets_one_of_its_own(site: Site, value: bytes) -> None:
    answer = await site.browser().post("/session/start", headers=cookie(value))

    issued = answer.cookies[COOKIE]
    assert answer.json()["status"] == "active"
    assert issued.encode() != value
    assert issued[4:36] != "a" * 32
    assert await site.rows() == 1
    assert await site.store.get("a" * 32) is None


NOT_OURS = (
    b"%5F%5FHost-session=",
    b"..Host-session=",
    b"__host-session=",
    b"__HOST-SESSION=",
    b"__Host-session%3D",
    b"__Host-session =",
    b"=__Host-session=",
    b"x__Host-session=",
    b"__Host-session2=",
    b"__Secure-session=",
    b"session=",
    b"$__Host-session=",
    b"\xc2\xa0__Host-session=",
    b"a,__Host-session=",
    b'a="; b"__Host-session=',
)


@pytest.mark.parametrize("name", NOT_OURS)
async def test_a_valid_token_under_a_name_that_is_not_exactly_ours_is_not_looked_at(site: Site, name: bytes) -> None:
    token = await log_in(site.browser())
    site.events.clear()

    for header in (name + token.encode(), b"a=b; " + name + token.encode(), name + token.encode() + b"; a=b"):
        answer = await site.browser().get("/me", headers=[(b"cookie", header)])
        assert answer.json()["user"] is None

    assert site.events == []


@pytest.mark.parametrize("name", [*NOT_OURS, b"..__Host-session="])
async def test_nor_does_a_planted_one_under_such_a_name_come_before_our_own(site: Site, name: bytes) -> None:
    mine, planted = await log_in(site.browser(), "ada"), await log_in(site.browser(), "eve")
    ours = COOKIE.encode() + b"=" + mine.encode()

    theirs = name + planted.encode()
    for header in (theirs + b"; " + ours, ours + b"; " + theirs, theirs + b";" + ours, ours + b";" + theirs):
        answer = await site.browser().get("/me", headers=[(b"cookie", header)])
        assert answer.json()["user"] == "ada"


async def test_of_two_different_tokens_neither_is_believed(site: Site) -> None:
    mine, planted = await log_in(site.browser(), "ada"), await log_in(site.browser(), "eve")
    pair = COOKIE.encode() + b"="

    for first, second in ((mine, planted), (planted, mine)):
        headers = [(b"cookie", pair + first.encode() + b"; " + pair + second.encode())]
        assert (await site.browser().get("/me", headers=headers)).json()["user"] is None
        # HTTP/2 may send the same in two headers.
        headers = [(b"cookie", pair + first.encode()), (b"cookie", pair + second.encode())]
        assert (await site.browser().get("/me", headers=headers)).json()["user"] is None

    refused = [event for event in site.events if isinstance(event, UnknownToken)]
    assert {event.cause for event in refused} == {"ambiguous"}
    twice = [(b"cookie", pair + mine.encode() + b"; " + pair + mine.encode())]
    assert (await site.browser().get("/me", headers=twice)).json()["user"] == "ada"


async def test_the_wrong_secret_for_a_known_id_neither_opens_nor_ends_the_session(site: Site) -> None:
    token = await log_in(site.browser())
    guesses = [token[:37] + os.urandom(32).hex() for _ in range(50)]

    assert [await user_of(site, guess) for guess in guesses] == [None] * 50
    assert await user_of(site, token) == "ada"
    causes = [event.cause for event in site.events if isinstance(event, UnknownToken)]
    assert causes == ["wrong_secret"] * 50


async def test_the_holder_of_a_wrong_secret_is_not_told_how_a_session_ended(site: Site) -> None:
    browser = site.browser()
    token = await log_in(browser)
    await browser.post("/logout")

    answer = await site.browser().get("/session/", headers=cookie(token[:37] + "0" * 64))

    assert answer.json()["status"] == "none"
    assert answer.json()["end_reason"] is None


async def test_what_the_store_holds_of_a_secret_does_not_open_the_session(site: Site) -> None:
    token = await log_in(site.browser())
    record = await site.store.get(token[4:36])
    assert record is not None

    assert await user_of(site, token[:37] + record.secrets.current.hex()) is None
    assert await user_of(site, f"sj1-{record.secrets.current.hex()[:32]}-{record.secrets.current.hex()}") is None


async def test_10_000_random_tokens_leave_the_store_as_it_was(site: Site) -> None:
    await log_in(site.browser())

    for _ in range(10_000):
        session = await site.manager.open(f"sj1-{os.urandom(16).hex()}-{os.urandom(32).hex()}")
        await site.manager.commit(session)

    assert await site.rows() == 1
    assert len(site.of(UnknownToken)) == 10_000


async def test_10_000_anonymous_reads_and_log_outs_leave_the_store_empty(site: Site) -> None:
    for _ in range(5_000):
        session = site.manager.anonymous()
        assert session.get("cart") is None
        await site.manager.commit(session)
        session = site.manager.anonymous()
        session.logout()
        await site.manager.commit(session)
    browser = site.browser()
    paths = [("GET", "/me"), ("POST", "/session/logout"), ("POST", "/logout"), ("GET", "/session/sessions")] * 100
    await asyncio.gather(*[browser.request(method, path) for method, path in paths])

    assert await site.rows() == 0


async def test_a_token_in_the_query_the_body_or_another_header_is_not_looked_at(site: Site) -> None:
    token = await log_in(site.browser())
    browser = site.browser()

    for query in (f"{COOKIE}={token}", f"session={token}", f"token={token}", f"sid={token}", f"PHPSESSID={token}"):
        assert (await browser.get(f"/me?{query}")).json()["user"] is None
    for name in ("x-session", "sojourn-token", "session", "x-auth-token", "cookie2"):
        assert (await browser.get("/me", headers={name: token})).json()["user"] is None
    for scheme in ("Basic", "Token", "DPoP"):
        assert (await browser.get("/me", headers={"authorization": f"{scheme} {token}"})).json()["user"] is None
    body = {"data": {}, COOKIE: token, "token": token, "session": token, "user_id": "ada"}
    started = await browser.post("/session/start", json=body)
    assert started.json()["user_id"] is None
    assert started.json()["id"] != token[4:36]


async def test_a_bearer_token_is_refused_where_tokens_are_cookies(site: Site) -> None:
    token = await log_in(site.browser())
    browser = site.browser()

    schemes = [{"authorization": f"{scheme} {token}"} for scheme in ("Bearer", "bearer", "BEARER ")]
    for headers in (*schemes, {"sojourn-transport": "bearer"}):
        for method, path in (("GET", "/me"), ("POST", "/session/start"), ("GET", "/session/")):
            answer = await browser.request(method, path, headers=headers)
            assert (answer.status_code, answer.json()["type"]) == (400, "urn:sojourn:problem:bearer-not-enabled")
    assert await site.rows() == 1


async def test_where_bearer_tokens_are_allowed_a_cookie_beside_one_is_refused(make_site: MakeSite) -> None:
    site = make_site(script_readable_tokens=True)
    browser = site.browser()
    token = await log_in(browser)

    both = await browser.get("/me", headers={"authorization": f"Bearer {token}"})
    assert (both.status_code, both.json()["type"]) == (400, "urn:sojourn:problem:ambiguous-token")
    alone = await site.browser().get("/me", headers={"authorization": f"Bearer {token}"})
    assert alone.json()["user"] == "ada"
    # It said "bearer" and has none: its cookie is not used instead.
    without = await browser.get("/me", headers={"sojourn-transport": "bearer"})
    assert without.json()["user"] is None


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE.keys())
async def test_a_foreign_bearer_token_is_not_adopted_either(make_site: MakeSite, value: bytes) -> None:
    site = make_site(script_readable_tokens=True)
    headers = [(b"sojourn-transport", b"bearer"), (b"authorization", b"Bearer " + value)]

    assert (await site.browser().get("/me", headers=headers)).json()["user"] is None
    assert await site.rows() == 0
    started = await site.browser().post("/session/start", headers=headers)
    assert started.headers["sojourn-token"].encode() != value
    assert "set-cookie" not in started.headers
    assert await site.rows() == 1


async def test_an_ended_token_is_not_adopted_by_start(site: Site) -> None:
    browser = site.browser()
    token = await log_in(browser)
    await site.manager.revoke_all("ada")

    started = await browser.post("/session/start")

    assert started.json()["user_id"] is None
    assert token_of(browser) != token
    assert await user_of(site, token) is None
