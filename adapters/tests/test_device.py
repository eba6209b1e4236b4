"""Cookies that a browser binds to a key of its own, over the service: what holds over a store holds for each language.

The site is asked in its own language of steps, the browser's endpoints are the service's, on the same origin.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from adapters.tests.express_site import Express
from adapters.tests.php_site import Php
from adapters.tests.session_service import SessionService
from adapters.tests.sites import aspnetcore, each_kind
from tests.http import browser
from tests.http.browser import COOKIE, Answer
from tests.http.test_device import (  # noqa: F401  # each is put to each site here
    ORIGIN,
    Device,
    begin,
    refused,
    test_a_bound_cookie_is_good_for_its_session_and_its_time_alone,
    test_a_browser_registers_its_key_and_goes_on_with_bound_cookies,
    test_a_challenge_is_good_once_in_all_processes,
    test_a_challenge_signed_by_another_key_ends_the_session,
    test_a_new_log_in_is_bound_anew_and_the_old_ones_browser_session_is_given_up,
    test_a_refresh_is_no_activity,
    test_a_registration_whose_answer_was_lost_is_made_again_by_the_same_key,
    test_a_second_browser_with_the_cookie_registers_nothing,
    test_a_session_with_a_new_id_and_a_renewed_token_are_bound_to_the_same_key,
    test_after_the_end_there_is_no_cookie_and_the_browser_gives_up,
    test_of_two_who_register_at_once_one_does,
    test_the_browsers_own_requests_are_served_whatever_their_origin,
    test_the_cookie_alone_opens_nothing_and_ends_nothing,
    test_what_another_sites_page_asks_is_asked_once_more_and_else_a_browser_without_key_starts_anew,
    test_who_has_the_key_and_no_good_challenge_is_given_one,
)

START: Mapping[str, Callable[[Path, Mapping[str, str]], Any]] = {
    "express": Express,
    "php": lambda folder, environment: Php(folder, "fpm", environment),
    "aspnetcore": aspnetcore,
}
EACH = [kind for kind in each_kind if kind.values[0] in START]


class Browser(browser.Browser):
    """Asks the service for what is below /session, and has the site do all else, as its steps."""

    def __init__(self, site: Site, **headers: str) -> None:
        super().__init__(site.port, **headers)
        self._at_service = browser.Browser(site.service.port, **headers)

    def _send(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        if path.startswith("/session/"):
            return self._at_service._send(method, path, body, headers)
        if path == "/see/show":
            ask = quote(json.dumps({"do": [["facts"]]}))
            answer = super()._send("GET", f"/?ask={ask}", None, headers)
            facts = answer.json()[0] if answer.status == 200 else {}
            shown = {"user": facts.get("user_id"), "end_reason": facts.get("end_reason")}
            return answer._replace(body=json.dumps(shown).encode()) if facts else answer
        step = ["login", json.loads(body or b"")["user"]] if path == "/do/login" else [path.removeprefix("/do/")]
        return super()._send("POST", "/", json.dumps({"do": [step]}).encode(), headers)

    def close(self) -> None:
        super().close()
        self._at_service.close()


class Site:
    """A site of one language, and its service with a clock that is set here."""

    def __init__(self, port: int, service: SessionService, ahead: Path) -> None:
        self.port, self.service, self._ahead = port, service, ahead
        self._browsers: list[Browser] = []

    def browser(self, **headers: str) -> Browser:
        self._browsers.append(Browser(self, **headers))
        return self._browsers[-1]

    def pass_seconds(self, seconds: float) -> None:
        self._ahead.write_text(str(int(self._ahead.read_text()) + int(seconds * 1000)))

    def close_browsers(self) -> None:
        while self._browsers:
            self._browsers.pop().close()


@pytest.fixture(scope="module", params=EACH)
def kind(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture(scope="module")
def running_bound_site(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Where all must be bound: a visitor comes with nothing, and a log-in goes on with what it is offered."""
    folder = tmp_path_factory.mktemp(kind)
    ahead = folder / "ahead"
    ahead.write_text("0")
    settings = {"public_origin": ORIGIN, "script_readable_tokens": True, "bind_cookies": True}
    with SessionService(folder / "service", {"binding": "require"}, browser=settings, clock=ahead) as service:
        environment = {"SOJOURN_SERVICE": service.url, "SOJOURN_KEY": service.key, "SITE_PUBLIC_ORIGIN": ORIGIN}
        with START[kind](folder / "site", environment) as running:
            yield Site(running.port, service, ahead)


@pytest.fixture
def bound_site(running_bound_site: Site) -> Iterator[Site]:
    yield running_bound_site
    running_bound_site.close_browsers()


def steps(browser: Browser, *steps: Any, **headers: str) -> Answer:
    return super(Browser, browser)._send("POST", "/", json.dumps({"do": steps}).encode(), headers)


def test_a_log_out_in_a_handler_takes_both_cookies_away(bound_site: Any) -> None:
    device = begin(bound_site)
    token, bound = device.browser.token, dict(device.bound)
    assert device("POST", "/do/logout").status == 200
    assert (device.browser.token, device.bound) == ("", {})

    device.browser.token, device.bound = token, bound
    assert device("GET", "/see/show").json() == {"user": None, "end_reason": "logout"}


def test_of_a_visitor_with_two_cookies_the_bound_one_counts(bound_site: Any) -> None:
    device = begin(bound_site)
    stranger = "sj1-" + "0" * 32 + "-" + "0" * 64
    answer = device("GET", "/see/show", Cookie=f"{COOKIE}={stranger}; {device.cookies()}")

    assert answer.json()["user"] == "ada"


def test_of_two_bound_sessions_none_counts_and_a_log_in_ends_both(bound_site: Any) -> None:
    device, other = begin(bound_site), begin(bound_site, user="eve")
    both = f"{device.cookies()}; {other.cookies()}"
    visitor = bound_site.browser(Cookie=both)
    assert visitor.get("/see/show").json()["user"] is None
    assert visitor.post("/do/login", {"user": "bob"}).status == 200

    assert [each("GET", "/see/show").json()["end_reason"] for each in (device, other)] == ["logout", "logout"]


def test_a_log_in_goes_on_in_its_own_request_and_for_ten_minutes(bound_site: Any) -> None:
    anonymous = bound_site.browser()
    cookie = steps(anonymous, ["set", "a", 1]).one("set-cookie") or ""
    assert steps(anonymous, ["increment", "a"], Cookie=cookie.partition(";")[0]).json() == [2]
    visitor = steps(bound_site.browser(), ["set", "a", 1], ["login", "ada"], ["set", "b", 2], ["regenerate"])
    assert visitor.status == 200, visitor.body
    device = Device(bound_site)
    device.log_in()
    assert device.user() == "ada"
    bound_site.pass_seconds(721)
    assert refused(device("GET", "/see/show")) == "proof-required"
