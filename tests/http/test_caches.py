"""Behind nginx, which keeps all that it may, nobody is given another's page or cookie (R20, R21; ASVS 14.3.2)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from tests.http.browser import COOKIE, Browser
from tests.http.site import Site
from tests.servers.nginx import Nginx

_numbers = count()


class Cached:
    """A site as browsers see it that come by the cache; each test is given paths that nobody asked for before."""

    def __init__(self, site: Site, nginx: Nginx) -> None:
        self._site, self._nginx = site, nginx
        self._browsers: list[Browser] = []
        self._query = f"?test={next(_numbers)}"

    def browser(self) -> Browser:
        self._browsers.append(Browser(self._nginx.port, Host=f"localhost:{self._site.server.port}"))
        return self._browsers[-1]

    def path(self, path: str) -> str:
        return path + self._query

    def user(self, browser: Browser) -> object:
        """Whose page a browser is given."""
        answer = browser.get(self.path("/see/show"))
        assert answer.status == 200
        return answer.json()["user"]

    def close(self) -> None:
        for browser in self._browsers:
            browser.close()


@pytest.fixture(scope="session")
def nginx(running_site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    with Nginx(tmp_path_factory.mktemp("cache") / "nginx", running_site.server.url) as nginx:
        yield nginx


@pytest.fixture
def cached(site: Site, nginx: Nginx) -> Iterator[Cached]:
    cached = Cached(site, nginx)
    yield cached
    cached.close()


def test_a_page_that_has_nothing_to_do_with_sessions_is_kept_for_all(cached: Cached) -> None:
    for browser, kept in ((cached.browser(), "MISS"), (cached.browser(), "HIT")):
        browser.act("put", {"a": 1})
        assert browser.get(cached.path("/public")).one("x-cache") == kept


def test_a_page_that_read_a_session_is_given_to_nobody_else(cached: Cached) -> None:
    ada, bob, visitor = cached.browser(), cached.browser(), cached.browser()
    ada.log_in("ada")
    bob.log_in("bob")

    for _ in range(3):
        assert [cached.user(each) for each in (ada, bob, visitor)] == ["ada", "bob", None]
        assert cached.user(cached.browser()) is None


def test_a_visitors_page_is_not_given_to_who_logged_in_since(cached: Cached) -> None:
    visitor = cached.browser()
    assert cached.user(visitor) is None
    visitor.log_in("ada")

    assert cached.user(visitor) == "ada"
    visitor.act("logout")
    assert cached.user(visitor) is None


def test_an_answer_that_begins_a_session_is_kept_for_nobody_though_it_calls_itself_public(cached: Cached) -> None:
    first, second = cached.browser(), cached.browser()
    answers = [browser.get(cached.path("/cached")) for browser in (first, second)]

    assert [answer.one("x-cache") for answer in answers] == ["MISS", "MISS"]
    assert first.token
    assert second.token not in ("", first.token)


def test_an_answer_that_renews_a_token_is_kept_for_nobody(site: Site, cached: Cached) -> None:
    browser = cached.browser()
    browser.log_in("ada")
    before = browser.token
    site.pass_seconds(301)

    assert cached.user(browser) == "ada"
    assert browser.token != before
    stranger = cached.browser()
    answer = stranger.get(cached.path("/see/show"), Cookie=f"{COOKIE}={before}")
    assert answer.one("set-cookie") is None or browser.token not in (answer.one("set-cookie") or "")
