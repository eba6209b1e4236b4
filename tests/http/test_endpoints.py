"""The browser endpoints, mounted: the same answers under every framework."""

from __future__ import annotations

from http.client import HTTPConnection
from typing import Any

from sojourn.browser.endpoints import MAX_BODY
from tests.http.browser import Answer, Browser
from tests.http.site import Site

JSON = {"Content-Type": "application/json"}


def state(answer: Answer) -> Any:
    assert answer.status == 200, answer
    assert answer.one("content-type") == "application/json"
    assert answer.one("cache-control") == "no-store"
    assert answer.one("cross-origin-resource-policy") == "same-origin"
    assert answer.one("x-content-type-options") == "nosniff"
    assert "cookie" in answer.varies
    return answer.json()


def test_a_browser_starts_reads_writes_and_ends_its_session(site: Site) -> None:
    browser = site.browser()

    assert state(browser.get("/session/"))["status"] == "none"
    started = state(browser.post("/session/start", {"data": {"theme": "dark"}}))
    assert (started["status"], started["data"]) == ("active", {"theme": "dark"})
    assert browser.token.startswith(f"sj1-{started['id']}-")
    assert state(browser("PATCH", "/session/", {"set": {"theme": "light"}}))["data"] == {"theme": "light"}
    assert state(browser("PATCH", "/session/", {"remove": ["theme"]}))["data"] == {}
    assert state(browser.post("/session/touch"))["id"] == started["id"]
    assert state(browser.post("/session/logout"))["status"] == "ended"
    assert browser.token == ""


def test_a_browser_sees_what_is_declared_and_no_more(site: Site) -> None:
    browser = site.browser()
    browser.log_in("ada", theme="dark", cart=["tea"], role="admin")

    shown = state(browser.get("/session/"))
    assert (shown["user_id"], shown["data"]) == ("ada", {"theme": "dark", "cart": ["tea"]})
    bodies: list[tuple[dict[str, Any], list[str]]] = [
        ({"set": {"role": "root"}}, ["role"]),
        ({"set": {"cart": []}}, ["cart"]),
        ({"set": {"theme": "light", "it's": 1}, "remove": ["a, b"]}, ["a, b", "it's"]),
    ]
    for body, keys in bodies:
        refused = browser("PATCH", "/session/", body)
        assert (refused.problem, refused.json()["keys"]) == ("not-writable", keys)
    assert browser.show()["data"] == {"theme": "dark", "cart": ["tea"], "role": "admin"}


def test_a_user_lists_and_ends_sessions_of_their_own_alone(site: Site) -> None:
    here, there, stranger = site.browser(), site.browser(), site.browser()
    for browser, user in ((here, "lou"), (there, "lou"), (stranger, "eve")):
        browser.log_in(user)
    sessions = state(here.get("/session/sessions"))["sessions"]
    other = next(session for session in sessions if not session["current"])

    assert [session["current"] for session in sessions].count(True) == 1
    assert {session["ip"] for session in sessions} == {"127.0.0.1"}
    assert stranger("DELETE", f"/session/sessions/{other['id']}").problem == "not-found"
    assert state(here("DELETE", f"/session/sessions/{other['id']}")) == {"ended": 1}
    assert there.show()["end_reason"] == "revoked"
    assert stranger.show()["user"] == "eve"


def test_a_user_ends_all_sessions_but_this_one(site: Site) -> None:
    browsers = [site.browser() for _ in range(3)]
    for browser in browsers:
        browser.log_in("max")

    assert state(browsers[0]("DELETE", "/session/sessions")) == {"ended": 2}
    assert [browser.show()["status"] for browser in browsers] == ["active", "ended", "ended"]


def test_ending_the_session_that_asks_takes_its_cookie(site: Site) -> None:
    browser = site.browser()
    token = browser.log_in("kim")

    assert state(browser("DELETE", f"/session/sessions/{token[4:36]}")) == {"ended": 1}
    assert browser.token == ""


def test_the_client_and_the_description_are_served_and_cached_by_tag(site: Site) -> None:
    for path, kind in (
        ("/session/client.js", "text/javascript; charset=utf-8"),
        ("/session/step-up.js", "text/javascript; charset=utf-8"),
        ("/session/live.js", "text/javascript; charset=utf-8"),
        ("/session/bound.js", "text/javascript; charset=utf-8"),
        ("/session/openapi.json", "application/json"),
    ):
        browser = site.browser()
        full = browser.get(path)
        assert (full.status, full.one("content-type")) == (200, kind)
        assert full.one("content-length") == str(len(full.body))
        assert full.one("set-cookie") is None
        tag = full.one("etag")
        assert tag
        again = browser.get(path, **{"If-None-Match": tag})
        assert (again.status, again.body, again.one("etag")) == (304, b"", tag)


def test_the_event_stream_is_there_or_said_not_to_be(site: Site) -> None:
    """Where nobody is logged in it has the state, and is over: else a test would wait for long."""
    answer, head = site.browser().get("/session/events"), site.browser()("HEAD", "/session/events")

    if site.kind.framework.startswith(("django", "flask", "wsgi")):
        assert (answer.status, answer.problem, head.status) == (501, "no-events", 501)
    else:
        assert (answer.status, answer.one("content-type")) == (200, "text/event-stream")
        assert (head.status, head.one("content-type"), head.body) == (200, "text/event-stream", b"")
        assert b"event: state\n" in answer.body
        assert b'"status":"none"' in answer.body


def test_a_head_request_has_the_length_and_no_body(site: Site) -> None:
    browser = site.browser()
    length = len(browser.get("/session/client.js").body)
    head = browser("HEAD", "/session/client.js")

    assert (head.status, head.body, head.one("content-length")) == (200, b"", str(length))
    assert browser("HEAD", "/session/").status == 200


def test_the_endpoints_answer_with_and_without_a_slash_at_their_end(site: Site) -> None:
    browser = site.browser()
    browser.log_in("ada")

    for path in ("/session/sessions", "/session/sessions/"):
        assert len(state(browser.get(path))["sessions"]) >= 1


def test_a_method_that_is_not_allowed_is_told_which_are(site: Site) -> None:
    for method, path, allowed in (
        ("POST", "/session/", "GET, HEAD, PATCH"),
        ("GET", "/session/start", "POST"),
        ("PUT", "/session/sessions", "GET, HEAD, DELETE"),
    ):
        answer = site.browser()(method, path)
        assert (answer.status, answer.problem, answer.one("allow")) == (405, "method-not-allowed", allowed)


ODD = (
    "/session/nothing",
    "/session/sessions/" + "A" * 32,
    "/session/sessions/%00" + "a" * 31,
    "/session/sessions/" + "a" * 32 + "%0a",
    "/session/sessions/..%2f..%2fetc",
)


def test_an_odd_path_is_not_found(site: Site) -> None:
    browser = site.browser()
    browser.log_in("ada")

    for path in ODD:
        assert browser("DELETE", path).status in (400, 404, 405), path
    assert browser.show()["user"] == "ada"


BODIES = {
    "not JSON": (b"theme=dark", 400, "invalid-body"),
    "cut short": (b'{"set":{"theme":', 400, "invalid-body"),
    "a list": (b"[]", 400, "invalid-body"),
    "NUL": (b"\0", 400, "invalid-body"),
    "not UTF-8": (b'{"set":{"theme":"\xff"}}', 400, "invalid-body"),
    "a lone surrogate": (b'{"set":{"theme":"\\ud800"}}', 400, "invalid-body"),
    "NaN": (b'{"set":{"theme":NaN}}', 400, "invalid-body"),
    "too deep": (b'{"set":{"theme":' + b"[" * 30_000, 400, "invalid-body"),
    "too large a number": (b'{"set":{"theme":9223372036854775808}}', 422, "invalid-data"),
    "an undeclared key": (b'{"set":{"__proto__":{}}}', 403, "not-writable"),
    "more than a session may hold": (b'{"set":{"theme":"' + b"x" * 5000 + b'"}}', 413, "data-too-large"),
    "more than a body may hold": (b'{"set":{"theme":"' + b"x" * MAX_BODY + b'"}}', 413, "body-too-large"),
    "a megabyte of nothing": (b" " * 1_000_000, 413, "body-too-large"),
}


def test_a_hostile_body_gets_its_problem_and_writes_nothing(site: Site) -> None:
    browser = site.browser()
    browser.log_in("ada", theme="light")

    for name, (body, status, code) in BODIES.items():
        answer = browser("PATCH", "/session/", body, JSON)
        assert (answer.status, answer.problem) == (status, code), name
        assert len(answer.body) < 2000, name
        assert browser.show()["data"] == {"theme": "light"}, name


def test_what_a_form_could_send_is_refused(site: Site) -> None:
    browser = site.browser()
    browser.log_in("ada")

    for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        answer = browser("PATCH", "/session/", b'{"set":{}}', {"Content-Type": content_type})
        assert answer.problem == "unsupported-media-type", content_type


def test_a_body_in_chunks_is_read_as_one(site: Site) -> None:
    browser = site.browser()
    browser.log_in("ada")
    answer = chunked(site, browser, [b'{"set":', b'{"theme":', b'"dark"}}'])

    assert (answer.status, answer.json()["data"]) == (200, {"theme": "dark"})


def chunked(site: Site, browser: Browser, parts: list[bytes]) -> Answer:
    connection = HTTPConnection("127.0.0.1", site.server.port, timeout=30)
    headers = {"Cookie": f"__Host-session={browser.token}", "Transfer-Encoding": "chunked", **JSON}
    connection.request("PATCH", "/session/", iter(parts), headers, encode_chunked=True)
    response = connection.getresponse()
    answer = Answer(response.status, response.getheaders(), response.read())
    connection.close()
    return answer
