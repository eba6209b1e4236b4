"""What an answer says of the session: cookie, Vary and no-store, whatever kind of answer it is."""

from __future__ import annotations

import re
from contextlib import suppress
from http.client import HTTPException

from tests.http.browser import COOKIE, Answer
from tests.http.site import Site

TOKEN = r"sj1-[0-9a-f]{32}-[0-9a-f]{64}"


def cookie_of(answer: Answer) -> tuple[str, set[str]]:
    """The one cookie that it sets, and what is said of it, in any order."""
    cookie = answer.one("set-cookie")
    assert cookie is not None
    pair, *attributes = cookie.split("; ")
    return pair, set(attributes)


def assert_gives_a_token(answer: Answer) -> None:
    """A cookie as it should be, and an answer that no cache may keep."""
    pair, attributes = cookie_of(answer)
    assert re.fullmatch(rf"{COOKIE}={TOKEN}", pair)
    assert attributes == {"Path=/", "Secure", "HttpOnly", "SameSite=Lax"}
    assert "cookie" in answer.varies
    assert answer.one("cache-control") == "no-store"


def assert_says_nothing(answer: Answer) -> None:
    assert answer.one("set-cookie") is None
    assert answer.one("cache-control") is None


def test_what_is_put_into_the_session_comes_back_with_its_cookie(site: Site) -> None:
    browser = site.browser()

    assert_gives_a_token(browser.post("/do/put", {"cart": ["tea"], "n": 1}))
    shown = browser.get("/see/show")

    assert shown.json() == {"user": None, "status": "active", "end_reason": None, "data": {"cart": ["tea"], "n": 1}}
    assert_says_nothing(shown)
    assert "cookie" in shown.varies


def test_a_log_in_gives_a_new_token_and_a_log_out_takes_it_away(site: Site) -> None:
    browser = site.browser()
    browser.act("put", {"cart": ["tea"]})
    anonymous = browser.token
    assert_gives_a_token(browser.post("/do/login", {"user": "ada"}))
    assert browser.token != anonymous
    assert browser.show()["data"] == {"cart": ["tea"]}
    left = browser.post("/do/logout")

    pair, attributes = cookie_of(left)
    assert pair.rstrip('"') == f"{COOKIE}="
    assert attributes >= {"Max-Age=0", "Path=/", "Secure", "SameSite=Lax"}
    assert left.one("cache-control") == "no-store"
    assert browser.show() == {"user": None, "status": "none", "end_reason": None, "data": {}}


def test_a_session_that_is_committed_and_ended_in_one_request_leaves_the_browser_nothing(site: Site) -> None:
    """No dead token: the next page would say "ended" to somebody who never was in."""
    browser = site.browser()
    rows = site.rows()
    answer = browser.post("/come-and-go")

    assert answer.status in (200, 201)
    assert site.rows() == rows + 1
    assert "sj1-" not in str(answer.one("set-cookie"))
    assert not browser.token
    assert browser.show() == {"user": None, "status": "none", "end_reason": None, "data": {}}


def test_a_log_out_after_a_commit_takes_the_cookie_of_one_that_was_there(site: Site) -> None:
    browser = site.browser()
    browser.act("put", {"n": 1})
    answer = browser.post("/come-and-go")

    assert cookie_of(answer)[0].rstrip('"') == f"{COOKIE}="
    assert not browser.token
    assert browser.show()["status"] == "none"


def test_remember_me_outlives_the_browser(site: Site) -> None:
    _, attributes = cookie_of(site.browser().post("/do/login", {"user": "ada", "remember": True}))

    (age,) = [int(value) for name, _, value in (each.partition("=") for each in attributes) if name == "Max-Age"]
    assert 30 * 86400 - 2 <= age <= 30 * 86400


def test_a_nested_change_is_kept(site: Site) -> None:
    browser = site.browser()
    for item in ("tea", "cup"):
        browser.act("append", {"item": item})

    assert browser.show()["data"] == {"cart": ["tea", "cup"]}


def test_a_page_that_has_nothing_to_do_with_the_session_says_nothing_of_it(site: Site) -> None:
    browser = site.browser()
    browser.log_in("ada")
    answer = browser.get("/public")

    assert_says_nothing(answer)
    assert "cookie" not in answer.varies


def test_a_look_into_no_session_makes_none(site: Site) -> None:
    rows = site.rows()
    answer = site.browser().get("/see/show")

    assert_says_nothing(answer)
    assert "cookie" in answer.varies
    assert site.rows() == rows


def test_what_the_application_says_of_caches_does_not_cache_a_cookie(site: Site) -> None:
    answer = site.browser().get("/cached")

    assert_gives_a_token(answer)
    assert answer.varies == {"accept-encoding", "cookie"}


def test_a_head_request_says_what_the_get_would_and_sends_no_body(site: Site) -> None:
    browser = site.browser()
    browser.log_in("ada")
    answer = browser("HEAD", "/see/show")

    assert (answer.status, answer.body) == (200, b"")
    assert "cookie" in answer.varies
    assert browser.show()["user"] == "ada"


def test_a_redirect_carries_the_cookie(site: Site) -> None:
    browser = site.browser()
    answer = browser.post("/redirect")

    assert (answer.status, answer.one("location")) == (303, "/see/show")
    assert_gives_a_token(answer)
    assert browser.show()["data"] == {"sent": True}


def test_a_streamed_answer_carries_the_cookie_before_its_first_byte(site: Site) -> None:
    browser = site.browser()
    answer = browser.get("/stream")

    assert (answer.status, answer.body) == (200, b"onetwothree")
    assert_gives_a_token(answer)
    assert browser.show()["data"] == {"streamed": True}


def test_a_change_inside_a_stream_comes_too_late_and_is_told_to_the_developer(site: Site) -> None:
    browser = site.browser()
    browser.log_in("ada")
    # Some servers break the stream off.
    with suppress(OSError, HTTPException):
        browser.get("/stream-late")

    assert browser.show()["data"] in ({"streamed": True}, {})
    site.server.wait_to_print("SessionCommitted")


def test_an_answer_that_refuses_keeps_what_the_handler_changed(site: Site) -> None:
    browser = site.browser()
    answer = browser.post("/deny")

    assert answer.status == 404
    assert_gives_a_token(answer)
    assert browser.show()["data"] == {"denied": True}


def test_a_handler_that_fails_changes_nothing(site: Site) -> None:
    browser = site.browser()
    browser.act("put", {"a": 1})
    answer = browser.post("/fail")

    assert answer.status == 500
    assert answer.one("set-cookie") is None
    assert browser.show()["data"] == {"a": 1}


def test_an_answer_that_says_the_server_failed_keeps_no_change(site: Site) -> None:
    browser = site.browser()
    browser.act("put", {"a": 1})
    answer = browser.post("/unwell")

    assert answer.status == 503
    assert answer.one("set-cookie") is None
    assert browser.show()["data"] == {"a": 1}
    stranger = site.browser()
    assert stranger.post("/unwell").one("set-cookie") is None


def test_a_handler_that_fails_begins_no_session(site: Site) -> None:
    rows = site.rows()
    browser = site.browser()

    assert browser.post("/fail").status == 500
    assert browser.token == ""
    assert site.rows() == rows


def test_too_much_for_a_session_is_a_413_and_nothing_is_written(site: Site) -> None:
    browser = site.browser()
    browser.act("put", {"a": 1})
    answer = browser.post("/do/put", {"b": "x" * 5000})

    assert (answer.status, answer.problem) == (413, "data-too-large")
    assert (answer.json()["size"], answer.json()["limit"]) == (5014, 4096)
    assert answer.one("cache-control") == "no-store"
    assert browser.show()["data"] == {"a": 1}


def test_a_session_that_the_application_s_own_limit_refuses_is_a_429_that_says_when_to_try_again(site: Site) -> None:
    browser = site.browser(**{"User-Agent": "Flood/1.0"})
    rows = site.rows()
    for action, body in [("login", {"user": "ada"}), ("put", {"a": 1})]:
        answer = browser.post(f"/do/{action}", body)

        assert (answer.status, answer.problem) == (429, "session-refused")
        assert answer.json()["retry_after"] == 7
        assert answer.one("retry-after") == "7"
        assert answer.one("set-cookie") is None
    assert site.rows() == rows


def test_a_conflict_tells_its_keys_as_they_are(site: Site) -> None:
    keys = ["it's", "a, b", 'say "hi"', "\\", "ключ 🦊", ""]
    answer = site.browser().post("/do/conflict", {"keys": keys})

    assert (answer.status, answer.problem) == (409, "session-conflict")
    assert answer.json()["keys"] == keys


def test_what_json_cannot_hold_is_the_developers_mistake_and_no_problem(site: Site) -> None:
    browser = site.browser()
    browser.act("put", {"a": 1})

    assert browser.post("/do/put", {"big": 2**64}).status == 500
    assert browser.show()["data"] == {"a": 1}
    site.server.wait_to_print("InvalidData")


def test_a_token_that_was_not_issued_opens_nothing_and_is_not_answered(site: Site) -> None:
    rows = site.rows()
    for value in ("nonsense", "sj1-" + "0" * 32 + "-" + "0" * 64, "a" * 5000, '"quoted"', "é"):
        answer = site.browser().get("/see/show", Cookie=f"{COOKIE}={value}")
        assert answer.json()["status"] == "none", value
        assert_says_nothing(answer)

    assert site.rows() == rows


def test_of_two_different_tokens_neither_is_believed(site: Site) -> None:
    mine, theirs = site.browser(), site.browser()
    mine.log_in("ada")
    theirs.log_in("eve")
    for planted in ("{0}={2}; {0}={1}", "{0}={1}; {0}={2}", "other=1; {0}={2};{0}={1}"):
        answer = site.browser().get("/see/show", Cookie=planted.format(COOKIE, mine.token, theirs.token))
        assert answer.json()["user"] is None, planted

    assert mine.show()["user"] == "ada"


def test_a_token_under_another_name_is_not_looked_at(site: Site) -> None:
    browser = site.browser()
    browser.log_in("ada")

    for name in ("%5F%5FHost-session", "..Host-session", "__host-session", "session", "X__Host-session"):
        assert site.browser().get("/see/show", Cookie=f"{name}={browser.token}").json()["user"] is None, name
        both = browser.get("/see/show", Cookie=f"{name}=planted; {COOKIE}={browser.token}")
        assert both.json()["user"] == "ada", name


def test_other_cookies_of_the_site_do_not_hide_the_token(site: Site) -> None:
    browser = site.browser()
    browser.log_in("ada")
    answer = browser.get("/see/show", Cookie=f'a="x; y"; b=é;{COOKIE}={browser.token}; c')

    assert answer.json()["user"] == "ada"
