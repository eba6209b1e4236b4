"""No cache gives one user's answer to another (R20, R21; ASVS 14.3.2): Vary at each access, no-store at each token."""

from __future__ import annotations

import pytest

from sojourn import Policy
from sojourn.core.transport import merged
from tests.security.application import ACCESSES
from tests.security.conftest import MakeSite
from tests.security.site import COOKIE, Answer, Site, cookie, log_in


@pytest.fixture
def kind() -> str:
    """One store will do: it has no say here."""
    return "memory"


def varies_by_cookie(answer: Answer) -> bool:
    return "cookie" in [name.strip().lower() for name in answer.headers.get("vary", "").split(",")]


@pytest.mark.parametrize("name", ACCESSES)
async def test_every_way_to_look_into_a_session_makes_the_answer_vary_by_cookie(site: Site, name: str) -> None:
    browser = site.browser()
    await log_in(browser, cart=["book"])

    assert varies_by_cookie(await browser.get(f"/access/{name}"))


@pytest.mark.parametrize("name", ["get", "in", "len", "iter", "keys", "bool", "eq", "pop", "user_id", "status"])
async def test_so_does_looking_into_the_session_of_a_browser_without_one(site: Site, name: str) -> None:
    answer = await site.browser().get(f"/access/{name}")

    assert varies_by_cookie(answer)
    assert "set-cookie" not in answer.headers


async def test_an_answer_that_has_nothing_to_do_with_the_session_says_nothing_of_it(site: Site) -> None:
    browser = site.browser()
    await log_in(browser)

    answer = await browser.get("/public")

    assert not {"vary", "cache-control", "set-cookie"} & set(answer.headers)


@pytest.mark.parametrize("path", ["/public", "/session/client.js", "/session/openapi.json", "/poll", "/session/"])
async def test_an_answer_that_happens_to_carry_a_new_token_varies_and_is_never_stored(
    make_site: MakeSite, path: str
) -> None:
    site = make_site(policy=Policy(rotate_interval=60))
    browser = site.browser()
    await log_in(browser)
    site.clock.pass_seconds(61)

    answer = await browser.get(path)

    assert "set-cookie" in answer.headers
    assert answer.headers.get_list("cache-control") == ["no-store"]
    assert varies_by_cookie(answer)


async def test_every_answer_with_a_token_or_the_end_of_one_is_never_stored(site: Site) -> None:
    browser = site.browser()

    for path in ("/session/start", "/login", "/regenerate", "/logout"):
        answer = await browser.post(path, json={"user": "ada"} if path == "/login" else {})
        assert "set-cookie" in answer.headers
        assert answer.headers.get_list("cache-control") == ["no-store"]
        assert varies_by_cookie(answer)


async def test_a_bearer_token_is_never_stored_either_and_varies_by_its_own_header(make_site: MakeSite) -> None:
    site = make_site(script_readable_tokens=True)

    answer = await site.browser().post("/login", json={"user": "ada"}, headers={"sojourn-transport": "bearer"})

    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["vary"] == "Cookie, Authorization"


async def test_every_problem_is_kept_out_of_caches(site: Site) -> None:
    browser = site.browser()
    answers = [
        await browser.get("/private"),
        await browser.get("/session/sessions"),
        await browser.get("/session/nothing"),
        await browser.post("/login", headers={"sec-fetch-site": "cross-site"}),
        await browser.get("/me", headers={"sojourn-transport": "bearer"}),
    ]

    assert [answer.headers["cache-control"] for answer in answers] == ["no-store"] * 5


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, "Cookie"),
        ("Accept", "Accept, Cookie"),
        ("cookie", "cookie"),
        ("Accept-Encoding,COOKIE", "Accept-Encoding,COOKIE"),
        ("*", "*"),
        ("X-Cookie-Consent", "X-Cookie-Consent, Cookie"),
        ("Set-Cookie, Cookies", "Set-Cookie, Cookies, Cookie"),
    ],
)
def test_an_applications_own_vary_is_kept_and_only_a_whole_name_counts(before: str | None, after: str) -> None:
    headers = [] if before is None else [("vary", before)]

    assert merged(headers, [("vary", "Cookie")]) == [("vary", after)]


async def test_pages_of_other_sites_cannot_embed_the_endpoints(site: Site) -> None:
    token = await log_in(site.browser())

    for path in ("/session/", "/session/sessions", "/session/client.js", "/session/nothing"):
        answer = await site.browser().get(path, headers=cookie(token))
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert COOKIE not in answer.text
