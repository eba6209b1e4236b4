"""A session's life over HTTP: rotation, both timeouts, and ends that are final, each with its reason."""

from __future__ import annotations

import pytest

from tests.http.browser import Answer
from tests.http.crowd import Ask, ask_at_once
from tests.http.site import Site

SLOW = {
    "put": {"late": True},
    "append": {"item": "late"},
    "increment": None,
    "regenerate": None,
}


def assert_came_late(answer: Answer, reason: str) -> None:
    """The write was refused because the session had ended, and the browser keeps the cookie that it has."""
    assert (answer.status, answer.problem, answer.json()["end_reason"]) == (401, "session-ended", reason)
    assert answer.one("set-cookie") is None


@pytest.mark.parametrize("action", SLOW)
@pytest.mark.parametrize("end", ["/do/logout", "/session/logout"])
def test_a_slow_request_does_not_bring_a_session_back_that_was_logged_out(site: Site, end: str, action: str) -> None:
    browser = site.browser()
    token = browser.log_in("ada", cart=["tea"], n=1)
    with site.slow(browser, action, SLOW[action]) as slow:
        assert browser.post(end).status == 200
        answer = slow.finish()

    assert_came_late(answer, "logout")
    thief = site.browser()
    thief.token = token
    assert thief.show() == {"user": None, "status": "ended", "end_reason": "logout", "data": {}}


def test_a_slow_request_that_empties_the_session_does_not_bring_it_back_either(site: Site) -> None:
    browser = site.browser()
    browser.log_in("ada", cart=["tea"])
    with site.slow(browser, "clear") as slow:
        browser.act("logout")
        answer = slow.finish()

    assert_came_late(answer, "logout")


def test_a_slow_reader_sees_what_it_had_and_touches_nothing(site: Site) -> None:
    browser = site.browser()
    token = browser.log_in("ada", cart=["tea"])
    with site.slow(browser, "show") as slow:
        browser.act("logout")
        answer = slow.finish()

    assert answer.json()["user"] == "ada"
    assert answer.one("set-cookie") is None
    browser.token = token
    assert browser.show()["end_reason"] == "logout"


def test_a_slow_log_out_does_not_end_the_session_that_came_after(site: Site) -> None:
    browser = site.browser()
    browser.log_in("ada")
    with site.slow(browser, "logout") as slow:
        browser.log_in("bob")
        slow.finish()

    assert browser.show()["user"] == "bob"


def test_a_slow_write_does_not_reach_the_next_user_of_the_browser(site: Site) -> None:
    browser = site.browser()
    browser.log_in("ada")
    with site.slow(browser, "put", {"late": "ada's"}) as slow:
        browser.log_in("bob")
        answer = slow.finish()

    assert_came_late(answer, "replaced")
    assert browser.show()["data"] == {}


def test_a_log_in_ends_the_session_before_at_once(site: Site) -> None:
    browser = site.browser()
    browser.act("put", {"cart": ["tea"]})
    planted = browser.other()
    browser.log_in("ada")

    assert planted.show() == {"user": None, "status": "ended", "end_reason": "replaced", "data": {}}


def test_a_new_id_for_the_same_session_ends_the_one_before(site: Site) -> None:
    browser = site.browser()
    browser.log_in("ada", cart=["tea"])
    before = browser.other()
    browser.act("regenerate")

    assert before.show()["end_reason"] == "replaced"
    assert (browser.show()["user"], browser.show()["data"]) == ("ada", {"cart": ["tea"]})


def test_an_ended_token_is_never_answered_with_a_cookie(site: Site) -> None:
    browser = site.browser()
    browser.log_in("ada")
    stale = browser.other()
    browser.act("logout")

    for method, path in (("GET", "/see/show"), ("GET", "/session/"), ("GET", "/public")):
        assert stale(method, path).all("set-cookie") == []


def test_a_session_of_a_stale_browser_begins_anew_and_says_what_went_before(site: Site) -> None:
    browser = site.browser()
    browser.log_in("ada")
    stale = browser.other()
    browser.act("logout")
    ended = stale.token
    stale.act("put", {"theme": "dark"})

    assert stale.token not in ("", ended)
    assert stale.get("/session/").json()["follows"] == "logout"


def test_an_idle_session_ends_and_tells_why(site: Site) -> None:
    browser = site.browser()
    browser.log_in("ada")
    site.pass_seconds(590)
    assert browser.show()["user"] == "ada"
    site.pass_seconds(599)
    assert browser.show()["user"] == "ada"
    site.pass_seconds(601)

    assert browser.show() == {"user": None, "status": "ended", "end_reason": "idle_timeout", "data": {}}
    assert browser("PATCH", "/session/", {"set": {"theme": "x"}}).json()["end_reason"] == "idle_timeout"


def test_polling_does_not_keep_a_session_alive(site: Site) -> None:
    browser = site.browser()
    browser.log_in("ada")
    for path in ("/see/poll", "/session/", "/session/sessions") * 2:
        site.pass_seconds(90)
        assert browser.get(path).status == 200
    site.pass_seconds(61)

    assert browser.show()["end_reason"] == "idle_timeout"


def test_no_activity_passes_the_absolute_timeout(site: Site) -> None:
    browser = site.browser()
    browser.log_in("ada")
    for _ in range(7):
        site.pass_seconds(510)
        assert browser.show()["user"] == "ada"
    site.pass_seconds(31)

    assert browser.show()["end_reason"] == "absolute_timeout"


def test_a_token_is_renewed_in_time_and_the_old_one_is_noticed(site: Site) -> None:
    browser = site.browser()
    browser.log_in("ada")
    thief = browser.other()
    site.pass_seconds(301)
    renewed = browser.get("/see/show")

    assert renewed.one("cache-control") == "no-store"
    assert browser.token != thief.token
    assert browser.token[:36] == thief.token[:36]
    assert browser.show()["user"] == "ada"
    assert thief.other().show()["user"] == "ada"  # the grace for requests on their way
    site.pass_seconds(61)
    assert thief.show()["user"] is None
    assert browser.show()["end_reason"] == "token_reuse"


def test_parallel_requests_while_the_token_is_renewed_sign_nobody_out(site: Site) -> None:
    browser = site.browser()
    browser.log_in("ada")
    site.pass_seconds(301)
    before = browser.token
    asks = [Ask("GET", "/nap/show", before) for _ in range(6)]
    answers = ask_at_once(site.server.port, asks)

    assert [answer.json()["user"] for answer in answers] == ["ada"] * 6
    # The tabs share a jar: the cookie that came last is kept.
    (cookie,) = [value for answer in answers for value in answer.all("set-cookie")][-1:]
    browser.token = cookie.partition(";")[0].partition("=")[2]
    assert browser.token != before
    for _ in range(8):
        site.pass_seconds(20)
        assert browser.show()["user"] == "ada"


def test_knowing_the_public_id_ends_and_opens_nothing(site: Site) -> None:
    browser = site.browser()
    token = browser.log_in("ada")
    thief = site.browser()
    thief.token = token[:37] + "0" * 64

    assert thief.show() == {"user": None, "status": "none", "end_reason": None, "data": {}}
    assert thief.act("logout") is None
    assert browser.show()["user"] == "ada"
