"""Several cookies of one name in one request, at every integration on a real server."""

from __future__ import annotations

import pytest

from tests.http.browser import COOKIE, Browser
from tests.http.site import Site


def showing(*tokens: str) -> dict[str, str]:
    return {"Cookie": "; ".join(f"{COOKIE}={token}" for token in tokens)}


def of_nobody(token: str) -> str:
    """The same session's, with a secret that it never had."""
    return token[:-64] + "0" * 64


def two(site: Site) -> tuple[Browser, Browser]:
    ada, eve = site.browser(), site.browser()
    ada.log_in("ada")
    eve.log_in("eve")
    return ada, eve


@pytest.mark.parametrize("other", ["", "x", "sj1-nothing", "of nobody"])
def test_what_opens_nothing_is_passed_over(site: Site, other: str) -> None:
    ada, eve = two(site)
    beside = of_nobody(eve.token) if other == "of nobody" else other
    for shown in (showing(ada.token, beside), showing(beside, ada.token)):
        assert site.browser().get("/see/show", **shown).json()["user"] == "ada"


def test_of_two_live_ones_none_counts_and_all_are_cleared(site: Site) -> None:
    ada, eve = two(site)
    answer = site.browser().get("/see/show", **showing(ada.token, eve.token))

    assert answer.json()["user"] is None
    cleared = [line for line in answer.all("set-cookie") if line.startswith(f"{COOKIE}=;") and "ax-Age=0" in line]
    assert {"Partitioned" in line for line in cleared} == {True, False}
    assert answer.one("cache-control") == "no-store"


def test_a_log_in_counts_and_ends_both(site: Site) -> None:
    ada, eve = two(site)
    answer = site.browser().post("/do/login", {"user": "bob"}, **showing(ada.token, eve.token))
    lines = answer.all("set-cookie")
    token = lines[-1].partition(";")[0].removeprefix(f"{COOKIE}=")

    assert token.startswith("sj1-")
    assert site.browser().get("/see/show", **showing(token)).json()["user"] == "bob"
    assert [browser.show()["user"] for browser in (ada, eve)] == [None, None]


def test_a_log_out_says_that_the_cache_is_to_be_emptied_and_nothing_else_does(site: Site) -> None:
    browser = site.browser()
    told = [browser.post("/do/login", {"user": "ada"}), browser.get("/see/show"), browser.post("/do/logout")]

    assert [answer.one("clear-site-data") for answer in told] == [None, None, '"cache"']
