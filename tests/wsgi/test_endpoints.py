"""BrowserEndpoints in WSGI, mounted by our own `mount` and by Werkzeug's."""

from __future__ import annotations

from io import BytesIO
from typing import Any
from wsgiref.types import WSGIApplication

import pytest
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from sojourn import ConfigurationError
from sojourn.wsgi import BrowserEndpoints, SessionMiddleware, mount
from tests.wsgi.world import Browser, World, call, new_environ


def test_a_browser_starts_reads_changes_and_ends_a_session() -> None:
    browser = World().browser

    assert browser.get("/session").json["status"] == "none"
    assert browser.post("/session/start", {"data": {"theme": "dark"}}).json["data"] == {"theme": "dark"}
    assert browser("PATCH", "/session/", {"set": {"theme": "light"}}).json["data"] == {"theme": "light"}
    assert browser.post("/session/touch").json["status"] == "active"
    answer = browser.post("/session/logout")
    assert answer.json["end_reason"] == "logout"
    assert "Max-Age=0" in answer["set-cookie"]
    assert answer["cache-control"] == "no-store"
    assert answer["cross-origin-resource-policy"] == "same-origin"


def test_devices_are_listed_and_ended() -> None:
    world = World()
    here, elsewhere = world.browser, world.new_browser()
    here.post("/login/ada")
    elsewhere.post("/login/ada")
    listed = here.get("/session/sessions").json["sessions"]
    other = next(each["id"] for each in listed if not each["current"])

    assert here("DELETE", f"/session/sessions/{other}").json == {"ended": 1}
    assert elsewhere.get("/session").json["end_reason"] == "revoked"
    assert here("DELETE", "/session/sessions").json == {"ended": 0}


def test_the_client_is_served_and_known_again() -> None:
    browser = World().browser
    answer = browser.get("/session/client.js")

    assert b"createSessionClient" in answer.body
    assert browser.get("/session/client.js", http_if_none_match=answer["etag"]).status == 304
    head = browser("HEAD", "/session/client.js")
    assert (head.body, head["content-length"]) == (b"", str(len(answer.body)))


def test_another_site_s_page_changes_nothing() -> None:
    assert World().browser.post("/session/start", {}, http_sec_fetch_site="cross-site").status == 403


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content_length": "70000"}, 413),
        ({"content_length": ""}, 200),
        ({"content_length": "", "wsgi.input_terminated": True}, 413),
        ({"content_length": "1.5"}, 200),
        ({"content_length": "²"}, 200),
    ],
)
def test_a_body_is_read_as_far_as_it_is_said_to_go_and_may_go(headers: dict[str, Any], status: int) -> None:
    app = SessionMiddleware(mount(BrowserEndpoints(), "/session", BrowserEndpoints()), World().manager)
    environ = new_environ("POST", "/session/touch", b" " * 70000)
    environ["wsgi.input"] = Slow(b" " * 70000)
    environ |= {name.upper() if "wsgi" not in name else name: value for name, value in headers.items()}
    answer = call(app, environ)

    # Nobody has a session here: 401 is what comes after the body.
    assert answer.status == (401 if status == 200 else status)


class Slow(BytesIO):
    """Bytes that come in small parts."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(size, 1000) if size and size > 0 else size)


@pytest.mark.parametrize("by", ["mount", "werkzeug"])
def test_paths_are_the_application_s_but_for_the_mounted_one(by: str) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [environ["PATH_INFO"].encode()]

    endpoints = BrowserEndpoints()
    both: WSGIApplication
    if by == "mount":
        both = mount(app, "/api/session", endpoints)
    else:
        both = DispatcherMiddleware(app, {"/api/session": endpoints})
    browser = Browser(SessionMiddleware(both, World().manager))

    assert browser.get("/api/session").json["status"] == "none"
    assert browser.get("/api/session/").json["status"] == "none"
    assert browser.get("/api/session/nothing").status == 404
    assert browser.get("/api/sessions").body == b"/api/sessions"
    assert browser.get("/").body == b"/"


def test_bad_wiring_is_told_with_the_mend() -> None:
    with pytest.raises(ConfigurationError, match="'/session'"):
        mount(BrowserEndpoints(), "session/", BrowserEndpoints())
    with pytest.raises(ConfigurationError, match="SessionMiddleware"):
        call(BrowserEndpoints(), new_environ("GET", "/"))
    with pytest.raises(ConfigurationError, match="a set of keys"):
        BrowserEndpoints(readable="theme")
