"""Tokens that scripts hold themselves: refused unless allowed, and where they are, never mixed with cookies."""

from __future__ import annotations

from tests.http.browser import COOKIE, Browser
from tests.http.conftest import RedisSite
from tests.http.site import Site

BEARER = {"Sojourn-Transport": "bearer"}


def test_a_bearer_token_is_refused_where_tokens_are_cookies(site: Site) -> None:
    browser = site.browser()
    token = browser.log_in("ada")

    for headers in ({"Authorization": f"Bearer {token}"}, BEARER):
        answer = site.browser().get("/see/show", **headers)
        assert (answer.status, answer.problem) == (400, "bearer-not-enabled")


def test_anothers_authorization_is_none_of_our_business(site: Site) -> None:
    browser = site.browser(Authorization="Bearer eyJhbGciOi")
    browser.log_in("ada")

    assert browser.show()["user"] == "ada"


def start(redis_site: RedisSite) -> tuple[Browser, str]:
    """A script's browser, and the token that it was given."""
    browser = redis_site.browser(**BEARER)
    answer = browser.post("/session/start", {"data": {"theme": "dark"}})
    token = answer.one("sojourn-token")
    assert token is not None
    assert answer.all("set-cookie") == []
    assert answer.one("cache-control") == "no-store"
    assert {"cookie", "authorization"} <= answer.varies
    return browser, token


def test_a_script_is_given_its_token_in_a_header_and_no_cookie(redis_site: RedisSite) -> None:
    browser, token = start(redis_site)
    headers = {"Authorization": f"Bearer {token}"}

    assert browser.get("/see/show", **headers).json()["data"] == {"theme": "dark"}
    changed = browser.post("/do/login", {"user": "ada"}, **headers)
    headers = {"Authorization": f"Bearer {changed.one('sojourn-token')}"}
    assert browser.get("/see/show", **headers).json()["user"] == "ada"
    left = browser.post("/session/logout", **headers)
    assert left.one("sojourn-token") == "none"
    assert browser.get("/see/show", **headers).json()["end_reason"] == "logout"


def test_no_cross_origin_check_stands_in_a_scripts_way(redis_site: RedisSite) -> None:
    browser, token = start(redis_site)
    headers = {"Authorization": f"Bearer {token}", "Sec-Fetch-Site": "cross-site", "Origin": "https://app.test"}

    assert browser.post("/do/put", {"a": 1}, **headers).status == 200


def test_a_cookie_beside_a_bearer_token_is_refused_unless_the_request_says_which(redis_site: RedisSite) -> None:
    _, token = start(redis_site)
    visitor = redis_site.browser()
    visitor.log_in("eve")
    both = {"Authorization": f"Bearer {token}", "Cookie": f"{COOKIE}={visitor.token}"}

    assert redis_site.browser().get("/see/show", **both).problem == "ambiguous-token"
    said = redis_site.browser().get("/see/show", **both, **BEARER)
    assert said.json()["data"] == {"theme": "dark"}


def test_a_request_that_says_bearer_never_falls_back_to_the_cookie(redis_site: RedisSite) -> None:
    visitor = redis_site.browser()
    visitor.log_in("ada")

    assert visitor.get("/see/show", **BEARER).json()["user"] is None


def test_cookies_go_on_working_beside_it(redis_site: RedisSite) -> None:
    browser = redis_site.browser()
    browser.log_in("ada")
    answer = browser.get("/see/show")

    assert answer.json()["user"] == "ada"
    assert {"cookie", "authorization"} <= answer.varies
    assert browser.post("/do/put", {"a": 1}, **{"Sec-Fetch-Site": "cross-site"}).problem == "cross-origin"
