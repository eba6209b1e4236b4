"""Cookies and the keys of their browsers, over the service: what holds over a store holds for each language.

The site is asked in its own language of steps, the browser's endpoints are the service's, on the same origin.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from adapters.tests.express_site import Express
from adapters.tests.php_site import Php
from adapters.tests.remote_site import Asgi, Wsgi
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
from tests.keys import Key

START: Mapping[str, Callable[[Path, Mapping[str, str]], Any]] = {
    "express": Express,
    "php": lambda folder, environment: Php(folder, "fpm", environment),
    "aspnetcore": aspnetcore,
    "asgi": Asgi,
    "wsgi": Wsgi,
}
EACH = [kind for kind in [*each_kind, pytest.param("wsgi")] if kind.values[0] in START]
INTERVAL = 300


class Browser(browser.Browser):
    """Asks the service for what is below /session, and has the site do all else, as its steps."""

    def __init__(self, site: Site, **headers: str) -> None:
        super().__init__(site.port, **headers)
        self._at_service = browser.Browser(site.service.port, **headers)

    def _send(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        if path.startswith("/session/"):
            return self._at_service._send(method, path, body, headers)
        if path == "/":
            return super()._send(method, path, body, headers)
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

    def __init__(self, port: int, service: SessionService, ahead: Path, binding: str) -> None:
        self.port, self.service, self._ahead, self.binding = port, service, ahead, binding
        self._browsers: list[Browser] = []

    def browser(self, **headers: str) -> Browser:
        self._browsers.append(Browser(self, **headers))
        return self._browsers[-1]

    def pass_seconds(self, seconds: float) -> None:
        self._ahead.write_text(str(int(self._ahead.read_text()) + int(seconds * 1000)))

    def now(self) -> int:
        return int(time.time() + int(self._ahead.read_text()) / 1000)

    def close_browsers(self) -> None:
        while self._browsers:
            self._browsers.pop().close()


@pytest.fixture(scope="module", params=EACH)
def kind(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture(scope="module")
def running_bound_site(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Mostly where all must be bound: a visitor comes with nothing, and a log-in goes on with what it is offered."""
    folder = tmp_path_factory.mktemp(kind)
    ahead = folder / "ahead"
    ahead.write_text("0")
    settings = {"public_origin": ORIGIN, "script_readable_tokens": True, "bind_cookies": True}
    binding = "prefer" if kind == "wsgi" else "require"
    policy = {"binding": binding, "rotate_interval": INTERVAL}
    with SessionService(folder / "service", policy, browser=settings, clock=ahead) as service:
        environment = {"SOJOURN_SERVICE": service.url, "SOJOURN_KEY": service.key, "SITE_PUBLIC_ORIGIN": ORIGIN}
        with START[kind](folder / "site", environment) as running:
            yield Site(running.port, service, ahead, binding)


@pytest.fixture
def bound_site(running_bound_site: Site) -> Iterator[Site]:
    yield running_bound_site
    running_bound_site.close_browsers()


def steps(browser: Browser, *steps: Any, **headers: str) -> Answer:
    return browser("POST", "/", {"do": steps}, headers)


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
    if bound_site.binding == "require":
        assert refused(device("GET", "/see/show")) == "proof-required"
    else:
        assert device.user() == "ada"


class Keeper:
    """A browser that has no key of its own for its cookie, and a script with one in its page."""

    def __init__(self, site: Any) -> None:
        self.browser, self.key, self._site = site.browser(), Key(), site
        self.nonce: str | None = None

    def __call__(self, *asked: Any, signed: bool = False, **headers: str) -> Answer:
        """A request that has the site do what is `asked`."""
        if signed:
            headers["DPoP"] = self.key.proof("POST", f"{ORIGIN}/", nonce=self.nonce, iat=self._site.now())
        answer = steps(self.browser, *asked, **headers)
        self.nonce = answer.one("dpop-nonce") or self.nonce
        return answer

    def log_in(self) -> None:
        assert self(["login", "ada", {"level": "aal2"}], signed=True).status == 200
        assert self.browser.get("/session/").json()["bound"] == "browser"

    def pass_interval(self) -> None:
        """Time passes, after which the token is to be renewed, if it was not."""
        assert self.browser.post("/session/touch").status == 200
        self._site.pass_seconds(INTERVAL + 1)


def test_a_cookies_token_is_renewed_for_a_proof_at_a_back_end_too(bound_site: Any) -> None:
    keeper = Keeper(bound_site)
    keeper.log_in()
    thief = keeper.browser.other()
    keeper.pass_interval()
    first = keeper.browser.token
    assert keeper(["facts"]).json()[0]["user_id"] == "ada"
    wrong = keeper(["facts"], signed=True)
    assert refused(wrong) == "proof-without-nonce"
    assert wrong.one("www-authenticate") == 'DPoP error="use_dpop_nonce", algs="ES256"'
    assert keeper.browser.token == first
    assert keeper(["facts"], ["set", "a", 1], signed=True).json()[0]["user_id"] == "ada"
    assert keeper.browser.token != first
    assert keeper(["increment", "a"]).json() == [2]
    bound_site.pass_seconds(61)

    left = steps(thief, ["facts"]).json()[0]
    assert (left["user_id"], left["end_reason"]) == (None, None)
    assert keeper(["facts"]).json()[0]["user_id"] == "ada"


def test_a_cookies_session_that_owes_a_proof_is_asked_for_one_at_a_back_end(bound_site: Any) -> None:
    keeper, day = Keeper(bound_site), ["require_login", {"within": 86400}]
    keeper.log_in()
    keeper.pass_interval()
    assert keeper(day).status == 200
    keeper.pass_interval()
    before = keeper.browser.token

    if bound_site.binding == "require":
        asked = keeper.browser.get("/see/show")
        assert refused(asked) == "proof-required"
        assert asked.one("set-cookie") is None
        assert keeper.browser.get("/see/show", **{"Sec-Fetch-Dest": "document"}).json()["user"] is None
        keeper.nonce = asked.one("dpop-nonce")
        stranger = Key().proof("GET", f"{ORIGIN}/", nonce=keeper.nonce, iat=bound_site.now())
        lost = keeper.browser.get("/see/show", DPoP=stranger)
        assert (refused(lost), lost.one("sojourn-token")) == ("proof-other-key", "none")
        assert keeper.browser.token == ""
        keeper.browser.token = before
    else:
        assert keeper(["proved"]).json()[0]["level"] is None
        assert refused(keeper(day)) == "reauthentication-required"
    assert keeper.nonce is not None
    assert keeper(day, ["proved"], signed=True).json()[1]["level"] == "aal2"
    assert keeper.browser.token != before
    assert keeper(day).status == 200


def test_a_proof_that_came_with_a_log_in_at_a_back_end_is_for_no_other(bound_site: Any) -> None:
    keeper = Keeper(bound_site)
    once = {"DPoP": keeper.key.proof("POST", f"{ORIGIN}/", iat=bound_site.now())}
    login = ["login", "ada"]
    assert keeper(login, signed=False, **once).status == 200

    assert refused(steps(bound_site.browser(), login, **once)) == "proof-replayed"
    late = {"DPoP": keeper.key.proof("POST", f"{ORIGIN}/", iat=1)}
    assert refused(steps(bound_site.browser(), login, **late)) == "proof-time"
    elsewhere = {"DPoP": keeper.key.proof("POST", f"{ORIGIN}/log-in", iat=bound_site.now())}
    assert refused(steps(bound_site.browser(), login, **elsewhere)) == "proof-url"


def test_a_log_in_with_a_proof_goes_on_in_its_own_request(bound_site: Any) -> None:
    keeper = Keeper(bound_site)
    keeper.log_in()
    done = keeper(["set", "a", 1], ["login", "eve"], ["set", "b", 2], ["regenerate"], ["facts"], signed=True)
    assert done.json()[-1]["user_id"] == "eve"
    state = keeper.browser.get("/session/").json()

    assert (state["user_id"], state["bound"]) == ("eve", "browser")
